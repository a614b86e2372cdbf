/**
 * An endpoint as data: what it takes, who may call it, what it answers. The files in routes/ define them; http/mount.ts serves them,
 * openapi/ describes them, and the metric labels and `Allow` headers come from the same list, so none of these can drift apart.
 */
import type { Request, Response } from 'express';
import type { z } from 'zod';
import type { ClosedBy } from '../core/modes.ts';
import type { Origin } from '../db/sessions.ts';
import type { ErrorCode } from '../errors.ts';
import type { Caller } from './authenticate.ts';
import type { Deprecation } from './versions.ts';

export type Method = 'get' | 'post' | 'put' | 'patch' | 'delete';

/**
 * Who may call: anybody; another service that signs (http/signature.ts); a live session; a live session that proved itself within the last minutes; a live session whose account has the
 * permission.
 */
export type Access = 'public' | 'service' | 'session' | 'recent-session' | { readonly permission: string };

/** The rate limit beside the general one (http/rate-limit.ts). */
export type LimitPolicy = 'login' | 'registration' | 'reset';

export interface AnswerSpec {
  readonly description: string;
  /** undefined: no body. */
  readonly schema?: z.ZodType;
  /** `application/json` where a schema is given. */
  readonly contentType?: string;
}

export interface EndpointSpec {
  readonly method: Method;
  /** OpenAPI form: `/api/v1/admin/users/{userId}`. */
  readonly path: string;
  /** Other paths of the same endpoint, such as the unversioned ones; they answer with a `Deprecation` header. */
  readonly aliases?: readonly string[];
  /** Where the endpoint itself is on its way out: since when, and until when it answers. */
  readonly deprecation?: Deprecation;
  /** The group in the reference. */
  readonly tag: string;
  readonly summary: string;
  readonly access: Access;
  /** Takes a secret of an account (password, code, token), so it shares the rules against guessing: tests walk over all of these. */
  readonly takesCredential?: boolean;
  readonly limit?: LimitPolicy;
  /** Hashes a password in any case: who would find no room is refused before anything is read or counted for it (crypto/hash-queue.ts). */
  readonly hashesPassword?: boolean;
  /** Answers out of this process: PostgreSQL and Redis may be away. */
  readonly isStatic?: boolean;
  /** Answers even while the service is closed by these (http/mode-gate.ts); everything else gets a 503 then. */
  readonly openDuring?: readonly ClosedBy[];
  readonly params?: z.ZodType;
  readonly query?: z.ZodType;
  /** JSON, unless `bodyType` says what else. Strict objects: unknown fields are refused. */
  readonly body?: z.ZodType;
  /** A raw body of this type, at most so many bytes; the handler gets a Buffer. */
  readonly rawBody?: { readonly types: readonly string[]; readonly maxBytes: number };
  readonly answers: Readonly<Record<number, AnswerSpec>>;
  /** Codes beyond those that its access, its body and its limit bring along (openapi/document.ts). */
  readonly problems?: readonly ErrorCode[];
}

type Parsed<T> = T extends z.ZodType ? z.output<T> : undefined;

/** What a handler gets. `who` is there where access asks for a session. */
export interface Call<S extends EndpointSpec> {
  readonly params: Parsed<S['params']>;
  readonly query: Parsed<S['query']>;
  readonly body: Parsed<S['body']>;
  readonly who: S['access'] extends 'public' | 'service' ? undefined : Caller;
  /** For a public endpoint that may need to know after all. @throws AppError as `requireSession` does */
  readonly identify: () => Promise<Caller>;
  readonly origin: Origin;
  /** Ends when the client goes away: who is gone need not be hashed for. */
  readonly signal: AbortSignal;
  readonly request: Request;
  readonly response: Response;
}

/** The answer: its status must be one of `answers`. A string or Buffer goes out as it is. */
export interface Reply {
  readonly status: number;
  readonly body?: unknown;
  /** In place of `body`: JSON that is text already. */
  readonly json?: string;
  readonly headers?: Readonly<Record<string, string | string[]>>;
}

export interface Endpoint {
  readonly spec: EndpointSpec;
  readonly handle: (call: Call<EndpointSpec>) => Promise<Reply> | Reply;
}

/** Ties a handler to its spec; its arguments have the types that the spec's schemas give. */
export const endpoint = <const S extends EndpointSpec>(
  spec: S,
  handle: (call: Call<S>) => Promise<Reply> | Reply,
): Endpoint => ({
  spec,
  // The mount parses with the very schemas of `spec` before it calls, so what arrives has their output types.
  handle,
});

/** Express spells parameters with a colon. */
export const expressPath = (path: string): string => path.replaceAll(/\{(\w+)\}/g, ':$1');

export const pathsOf = ({ path, aliases = [] }: EndpointSpec): readonly string[] => [path, ...aliases];
