/** What the server's answers say, checked as they come in. Called by everything that reads a body; shapes as in docs/openapi.json. */
import { type ErrorDetails, type FieldProblem, LatchkeyError, PROBLEM_CODES, type ProblemCode } from './errors.ts';
import type { Held, Started } from './session-record.ts';

type Fields = Readonly<Record<string, unknown>>;

const isFields = (value: unknown): value is Fields => typeof value === 'object' && value !== null;
const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);

/** undefined for what is no JSON object. @throws what reading the body threw: it broke off, or the call ended */
export const bodyOf = async (response: Response): Promise<Fields | undefined> => {
  const content = await response.text();
  try {
    const parsed: unknown = JSON.parse(content);
    return isFields(parsed) ? parsed : undefined;
  } catch {
    return undefined;
  }
};

/** Whole seconds, as the server writes it; a date would have to be compared with a clock that may be wrong. */
export const retryAfterMsOf = ({ headers }: Response): number | undefined => {
  const seconds = headers.get('retry-after');
  return seconds !== null && /^\d{1,6}$/.test(seconds) ? Number(seconds) * 1000 : undefined;
};

const isProblem = ({ headers }: Response): boolean =>
  headers.get('content-type')?.startsWith('application/problem+json') === true;

const isKnown = (code: string): code is ProblemCode => (PROBLEM_CODES as readonly string[]).includes(code);

const fieldProblems = (value: unknown): readonly FieldProblem[] =>
  (Array.isArray(value) ? value : []).flatMap((each: unknown) => {
    if (!isFields(each)) return [];
    const [field, message] = [text(each['field']), text(each['message'])];
    return field === undefined || message === undefined ? [] : [{ field, message }];
  });

/**
 * A refusal as the error that it is; the body of `response` stays unread. `answer-unreadable` for one that is not the server's own: a gateway's
 * page says nothing about a session.
 */
export const problemOf = async (response: Response): Promise<LatchkeyError> => {
  const { status } = response;
  const retryAfterMs = retryAfterMsOf(response);
  const body = isProblem(response) ? await bodyOf(response.clone()) : undefined;
  const problemCode = text(body?.['code']);
  if (body === undefined || problemCode === undefined) {
    return new LatchkeyError('answer-unreadable', `an answer of status ${status} that is no problem document`, {
      status,
      retryAfterMs,
    });
  }
  const details: ErrorDetails = {
    status,
    retryAfterMs,
    problemCode,
    requestId: text(body['requestId']),
    fields: fieldProblems(body['errors']),
  };
  return new LatchkeyError(
    isKnown(problemCode) ? problemCode : 'problem-unknown',
    text(body['title']) ?? problemCode,
    details,
  );
};

const heldOf = (body: Fields): Held | undefined => {
  const [accessToken, refreshToken] = [text(body['accessToken']), text(body['refreshToken'])];
  const csrfToken = text(body['csrfToken']);
  if (body['tokenType'] === 'Cookie' && csrfToken !== undefined) return { kind: 'cookies', csrfToken };
  if (body['tokenType'] !== 'Bearer' || accessToken === undefined || refreshToken === undefined) return undefined;
  return { kind: 'bearer', accessToken, refreshToken };
};

/** A session that the answer begins or carries on; undefined where it says nothing of the kind. */
export const startedOf = (body: unknown): Started | undefined => {
  if (!isFields(body)) return undefined;
  const held = heldOf(body);
  const [sessionId, deviceToken, expiresIn] = [text(body['sessionId']), text(body['deviceToken']), body['expiresIn']];
  if (held === undefined || sessionId === undefined || typeof expiresIn !== 'number') return undefined;
  return { held, sessionId, expiresInMs: expiresIn * 1000, ...(deviceToken !== undefined && { deviceToken }) };
};

/** What a login needs beside the password: pass `mfaToken` on with a code. */
export interface SecondFactorNeeded {
  readonly kind: 'second-factor';
  readonly mfaToken: string;
  readonly methods: readonly ('totp' | 'backup-code')[];
  /** How long the token is good. */
  readonly expiresInMs: number;
}

export const secondFactorOf = (body: Fields): SecondFactorNeeded | undefined => {
  const [mfaToken, expiresIn, methods] = [text(body['mfaToken']), body['expiresIn'], body['methods']];
  if (body['mfaRequired'] !== true || mfaToken === undefined || typeof expiresIn !== 'number') return undefined;
  const known = (Array.isArray(methods) ? methods : []).filter(
    (method: unknown) => method === 'totp' || method === 'backup-code',
  );
  return { kind: 'second-factor', mfaToken, methods: known, expiresInMs: expiresIn * 1000 };
};

export interface Profile {
  readonly user: {
    readonly id: string;
    readonly email: string;
    readonly emailVerified: boolean;
    readonly firstName: string | null;
    readonly lastName: string | null;
    readonly displayName: string;
    readonly roles: readonly string[];
    readonly permissions: readonly string[];
  };
  /** ISO 8601, by the server's clock. */
  readonly session: { readonly id: string; readonly expiresAt: string; readonly absoluteExpiresAt: string };
}

export interface Validity {
  readonly valid: true;
  readonly userId: string;
  readonly sessionId: string;
  readonly organizationId: string;
  /** When the access token ends: ISO 8601, by the server's clock. */
  readonly expiresAt: string;
}

/** What an answer of ours must have to be believed; its other fields are the server's contract, held by test/contract. */
export const isProfile = (body: unknown): body is Profile =>
  isFields(body) &&
  isFields(body['user']) &&
  text(body['user']['id']) !== undefined &&
  isFields(body['session']) &&
  text(body['session']['id']) !== undefined;

export const isValidity = (body: unknown): body is Validity =>
  isFields(body) && body['valid'] === true && text(body['sessionId']) !== undefined;

export const csrfTokenOf = (body: Fields | undefined): string | undefined => text(body?.['csrfToken']);
