/**
 * Every way a call can fail: one error with a stable `code`. Thrown by every file here; the server's codes are the table in api/src/errors.ts,
 * to which a contract test holds this one.
 */

export const PROBLEM_CODES = [
  'access-token-expired',
  'access-token-invalid',
  'access-token-missing',
  'api-version-unknown',
  'auth-disabled',
  'body-too-large',
  'conflict',
  'csrf-token-invalid',
  'database-read-only',
  'database-unavailable',
  'email-taken',
  'headers-too-large',
  'https-required',
  'internal',
  'invalid-credentials',
  'invalid-request',
  'last-super-admin',
  'level-too-low',
  'link-invalid',
  'maintenance',
  'malformed-json',
  'malformed-request',
  'method-not-allowed',
  'mfa-code-wrong',
  'mfa-token-invalid',
  'not-found',
  'origin-not-allowed',
  'overloaded',
  'password-change-needed',
  'password-not-expired',
  'permission-missing',
  'rate-limited',
  'recent-login-needed',
  'refresh-token-invalid',
  'refresh-token-replayed',
  'request-timeout',
  'role-fixed',
  'session-ended',
  'session-unknown',
  'signature-invalid',
  'unsupported-media-type',
  'upstream-answer-invalid',
  'upstream-connect-timeout',
  'upstream-connection-lost',
  'upstream-failed',
  'upstream-misconfigured',
  'upstream-read-timeout',
  'upstream-service-refused',
  'upstream-unavailable',
  'upstream-unreachable',
  'uri-too-long',
] as const;

/** What the server says of a refusal. */
export type ProblemCode = (typeof PROBLEM_CODES)[number];

/**
 * What the client says itself. `network-failed`: no answer; the request may have been carried out. `deadline-exceeded`: the same, after `deadlineMs`.
 * `signed-out`: there is no session (any more), see `reason`. `answer-unreadable`: an answer that is not the server's, such as a gateway's page.
 * `problem-unknown`: a refusal that this version of the client does not know, see `problemCode`. `address-foreign`: not a server that may have the credentials.
 */
export type ClientCode =
  | 'network-failed'
  | 'deadline-exceeded'
  | 'signed-out'
  | 'answer-unreadable'
  | 'problem-unknown'
  | 'address-foreign';

/** Why there is no session: the user's own logout, the server's answer to a refresh, or nothing that a refresh could be asked with. */
export type SignedOutReason =
  | 'logout'
  | 'session-ended'
  | 'session-unknown'
  | 'refresh-token-invalid'
  | 'refresh-token-replayed'
  | 'no-session';

export interface FieldProblem {
  readonly field: string;
  readonly message: string;
}

export interface ErrorDetails {
  readonly cause?: unknown;
  readonly status?: number | undefined;
  readonly requestId?: string | undefined;
  readonly fields?: readonly FieldProblem[];
  readonly retryAfterMs?: number | undefined;
  readonly problemCode?: string | undefined;
  readonly reason?: SignedOutReason;
}

/** A call that failed; switch on `code`. It holds no token, password or cookie. */
export class LatchkeyError extends Error {
  override readonly name = 'LatchkeyError';
  readonly code: ProblemCode | ClientCode;
  /** HTTP status, where there was an answer. */
  readonly status: number | undefined;
  /** Tell it to whoever runs the server. */
  readonly requestId: string | undefined;
  /** The fields that were refused, of `invalid-request`. */
  readonly fields: readonly FieldProblem[];
  readonly retryAfterMs: number | undefined;
  /** The server's own code, also one that is not in `ProblemCode`. */
  readonly problemCode: string | undefined;
  /** Why there is no session, of `signed-out`. */
  readonly reason: SignedOutReason | undefined;

  constructor(code: ProblemCode | ClientCode, message: string, details: ErrorDetails = {}) {
    super(message, { cause: details.cause });
    this.code = code;
    this.status = details.status;
    this.requestId = details.requestId;
    this.fields = details.fields ?? [];
    this.retryAfterMs = details.retryAfterMs;
    this.problemCode = details.problemCode;
    this.reason = details.reason;
  }
}

export const signedOut = (reason: SignedOutReason): LatchkeyError =>
  new LatchkeyError('signed-out', `there is no session: ${reason}`, { reason });
