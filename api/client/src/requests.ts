/**
 * The application's own requests: interceptors, the session put on, once more with new tokens where the old ones were refused. Called by client.ts;
 * keeper.ts says with what, exchange.ts sends.
 */
import { problemOf } from './answers.ts';
import { type Call, type CallOptions, waitFor } from './call.ts';
import { LatchkeyError } from './errors.ts';
import { exchange, isSafe } from './exchange.ts';
import type { Keeper } from './keeper.ts';
import type { Server } from './server.ts';
import type { Held, SignedInRecord } from './session-record.ts';

/**
 * Sees every try of an application's request and its answer, and may hand on others. It never sees what the client itself sends, and sees requests before
 * the session is put on: what is logged here holds no token.
 */
export interface Interceptor {
  readonly request?: (request: Request) => Request | undefined | Promise<Request | undefined>;
  readonly response?: (response: Response, request: Request) => Response | undefined | Promise<Response | undefined>;
}

/** What fetch takes, and how the call ends. */
export type SendOptions = RequestInit &
  CallOptions & {
    /** Whether it may be sent again when nobody answered. Default: GET, HEAD, OPTIONS. */
    readonly isRepeatable?: boolean;
  };

export interface RequestsParts {
  readonly server: Server;
  readonly keeper: Keeper;
  /** Beside the server's own. */
  readonly origins: readonly string[];
}

/** Refusals of 401 that another access token would not change. */
const NOT_FOR_THE_TOKEN: ReadonlySet<string> = new Set([
  'invalid-credentials',
  'mfa-code-wrong',
  'mfa-token-invalid',
  'recent-login-needed',
  'signature-invalid',
]);

export class Requests {
  readonly #parts: RequestsParts;
  readonly #origins: ReadonlySet<string>;
  readonly #interceptors = new Set<Interceptor>();

  constructor(parts: RequestsParts) {
    this.#parts = parts;
    // Cookies go to their own host alone.
    const others = parts.server.holder.client === 'bearer' ? parts.origins : [];
    this.#origins = new Set([new URL(parts.server.baseUrl).origin, ...others]);
  }

  use(interceptor: Interceptor): () => void {
    this.#interceptors.add(interceptor);
    return () => this.#interceptors.delete(interceptor);
  }

  /** @throws LatchkeyError `signed-out` | `network-failed` | `address-foreign`, or the signal's reason */
  async send(input: string | URL | Request, init: SendOptions, call: Call): Promise<Response> {
    const { isRepeatable, deadlineMs: _ofCall, ...rest } = init;
    const template = this.#template(input, rest);
    const record = await this.#parts.keeper.usable(call);
    const sendWith = (held: Held | undefined): Promise<Response> => {
      const request = (signal: AbortSignal): Promise<Request> => this.#prepare(template, held, signal);
      const question = { request, isRepeatable: isRepeatable ?? isSafe(template.method) };
      return exchange(this.#parts.server.line, question, call);
    };
    const response = await this.#heard(await sendWith(record?.held), template);
    const next = await this.#heldAfter(response, record, call);
    if (next === undefined) return response;
    await response.body?.cancel();
    return this.#heard(await sendWith(next), template);
  }

  #template(input: string | URL | Request, init: RequestInit): Request {
    const isPath = typeof input === 'string' && !/^[a-z][a-z0-9+.-]*:/i.test(input);
    const target = isPath ? `${this.#parts.server.baseUrl}${input.startsWith('/') ? '' : '/'}${input}` : input;
    const request = new Request(target, init);
    // What goes to another place by a redirect takes its body and CSRF token along.
    return isSafe(request.method) || init.redirect !== undefined
      ? request
      : new Request(request, { redirect: 'error' });
  }

  async #prepare(template: Request, held: Held | undefined, signal: AbortSignal): Promise<Request> {
    let request = template.clone();
    for (const { request: see } of this.#interceptors) request = (await see?.(request)) ?? request;
    const { origin } = new URL(request.url);
    if (!this.#origins.has(origin)) {
      const message = `${origin} may not get the session: it is neither baseUrl's origin nor one of \`origins\``;
      throw new LatchkeyError('address-foreign', message);
    }
    const { holder } = this.#parts.server;
    const headers = new Headers(request.headers);
    holder.authorise(headers, request.method, held);
    return new Request(request, { headers, signal, credentials: holder.credentials });
  }

  async #heard(response: Response, request: Request): Promise<Response> {
    let heard = response;
    for (const { response: hear } of this.#interceptors) heard = (await hear?.(heard, request)) ?? heard;
    return heard;
  }

  /** What to send again with, where the server refused what proved the session, and did nothing else; undefined: nothing would change. */
  async #heldAfter(response: Response, record: SignedInRecord | undefined, call: Call): Promise<Held | undefined> {
    const { keeper, server } = this.#parts;
    if (response.status !== 401 && response.status !== 403) return undefined;
    const { code } = await problemOf(response);
    if (response.status === 401) {
      if (NOT_FOR_THE_TOKEN.has(code)) return undefined;
      return (await waitFor(keeper.renew(record?.id), call.signal)).held;
    }
    if (code !== 'csrf-token-invalid' || server.holder.client === 'bearer') return undefined;
    const csrfToken = await keeper.otherCsrfToken(server.holder.csrfToken(record?.held), call);
    return csrfToken === undefined ? undefined : { kind: 'cookies', csrfToken };
  }
}
