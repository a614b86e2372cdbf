/**
 * Every way a request can be refused, in one table. Thrown anywhere below `routes/`, turned into a problem document by `http/problems.ts`.
 * The codes are API: clients switch on them, so a code is never renamed. docs/api.md lists them.
 */

/** What went wrong, in the few words that the metric label `error_type` may take. */
export type ErrorKind =
  | 'authentication'
  | 'authorization'
  | 'conflict'
  | 'validation'
  | 'not_found'
  | 'rate_limit'
  | 'database'
  | 'overload'
  | 'dependency'
  | 'internal';

interface Problem {
  readonly status: number;
  readonly title: string;
  readonly kind: ErrorKind;
}

export const PROBLEMS = {
  'api-version-unknown': { status: 400, title: 'This version of the API does not exist', kind: 'validation' },
  'invalid-request': { status: 400, title: 'The request has fields that cannot be accepted', kind: 'validation' },
  'malformed-json': { status: 400, title: 'The body is not valid JSON', kind: 'validation' },
  'malformed-request': { status: 400, title: 'The request cannot be read', kind: 'validation' },
  'invalid-credentials': { status: 401, title: 'The e-mail address or the password is wrong', kind: 'authentication' },
  'access-token-missing': { status: 401, title: 'A bearer access token is needed', kind: 'authentication' },
  'access-token-invalid': { status: 401, title: 'The access token is not valid', kind: 'authentication' },
  'access-token-expired': { status: 401, title: 'The access token has expired', kind: 'authentication' },
  'session-ended': { status: 401, title: 'The session has ended', kind: 'authentication' },
  'refresh-token-invalid': { status: 401, title: 'The refresh token is not valid', kind: 'authentication' },
  'refresh-token-replayed': {
    status: 401,
    title: 'The refresh token was used before; the session is revoked',
    kind: 'authentication',
  },
  'session-unknown': { status: 401, title: 'The session is not known', kind: 'authentication' },
  'mfa-code-wrong': { status: 401, title: 'The code is not right', kind: 'authentication' },
  'mfa-token-invalid': { status: 401, title: 'The login has to begin again', kind: 'authentication' },
  'recent-login-needed': { status: 401, title: 'Enter your password again first', kind: 'authentication' },
  'link-invalid': { status: 400, title: 'The link is not valid, was used, or has expired', kind: 'authentication' },
  'signature-invalid': { status: 401, title: 'The request is not signed as it must be', kind: 'authentication' },
  'password-change-needed': {
    status: 403,
    title: 'The password has expired and must be changed first',
    kind: 'authentication',
  },
  'permission-missing': { status: 403, title: 'The account may not do this', kind: 'authorization' },
  'csrf-token-invalid': { status: 403, title: 'The request does not carry the CSRF token', kind: 'authorization' },
  'origin-not-allowed': { status: 403, title: 'This origin may not call', kind: 'authorization' },
  'https-required': { status: 403, title: 'This can only be asked over HTTPS', kind: 'validation' },
  'level-too-low': { status: 403, title: 'Only somebody of a higher level may do this', kind: 'authorization' },
  'not-found': { status: 404, title: 'There is nothing here', kind: 'not_found' },
  'method-not-allowed': { status: 405, title: 'The method is not allowed here', kind: 'not_found' },
  'request-timeout': { status: 408, title: 'The request took too long to arrive', kind: 'validation' },
  conflict: { status: 409, title: 'It has been changed or exists already', kind: 'conflict' },
  'last-super-admin': { status: 409, title: 'Somebody must be left who can administer everything', kind: 'conflict' },
  'role-fixed': { status: 409, title: 'A system role cannot be changed', kind: 'conflict' },
  'email-taken': { status: 409, title: 'An account with this e-mail address exists', kind: 'conflict' },
  'password-not-expired': {
    status: 409,
    title: 'The password has not expired: log in and change it there',
    kind: 'conflict',
  },
  'body-too-large': { status: 413, title: 'The body is too large', kind: 'validation' },
  'uri-too-long': { status: 414, title: 'The URL is too long', kind: 'validation' },
  'unsupported-media-type': { status: 415, title: 'The body must be application/json', kind: 'validation' },
  'rate-limited': { status: 429, title: 'Too many requests', kind: 'rate_limit' },
  'headers-too-large': { status: 431, title: 'The header fields are too large or too many', kind: 'validation' },
  internal: { status: 500, title: 'Something went wrong on our side', kind: 'internal' },
  'upstream-answer-invalid': {
    status: 502,
    title: 'The auth service gave an answer that cannot be used',
    kind: 'dependency',
  },
  'upstream-connection-lost': {
    status: 502,
    title: 'The connection to the auth service was lost: whether it was done is not known',
    kind: 'dependency',
  },
  'upstream-failed': { status: 502, title: 'The auth service failed', kind: 'dependency' },
  'upstream-misconfigured': {
    status: 502,
    title: 'The auth service is not where this one expects it',
    kind: 'dependency',
  },
  'auth-disabled': { status: 503, title: 'Authentication is switched off', kind: 'overload' },
  maintenance: { status: 503, title: 'The service is closed for maintenance', kind: 'overload' },
  'database-read-only': { status: 503, title: 'Nothing can be changed just now', kind: 'database' },
  'database-unavailable': { status: 503, title: 'The database cannot be reached just now', kind: 'database' },
  overloaded: { status: 503, title: 'Too many passwords are being checked just now', kind: 'overload' },
  'upstream-connect-timeout': {
    status: 503,
    title: 'The auth service did not take a connection in time',
    kind: 'dependency',
  },
  'upstream-service-refused': {
    status: 503,
    title: 'The auth service does not let this one in',
    kind: 'dependency',
  },
  'upstream-unavailable': { status: 503, title: 'The auth service cannot answer just now', kind: 'dependency' },
  'upstream-unreachable': { status: 503, title: 'The auth service cannot be reached', kind: 'dependency' },
  'upstream-read-timeout': {
    status: 504,
    title: 'The auth service did not answer in time: whether it was done is not known',
    kind: 'dependency',
  },
} as const satisfies Record<string, Problem>;

export type ErrorCode = keyof typeof PROBLEMS;

/** One field that was refused: where it is and what it should be. */
export interface FieldProblem {
  readonly field: string;
  readonly message: string;
}

interface AppErrorOptions {
  readonly cause?: unknown;
  readonly fields?: readonly FieldProblem[];
  readonly retryAfterSeconds?: number | undefined;
  readonly suggestions?: readonly string[];
}

/** A refusal with a stable code. `cause` is for the log; only `code` and `fields` reach the client, and outside of production `suggestions`. */
export class AppError extends Error {
  override readonly name = 'AppError';
  readonly code: ErrorCode;
  readonly fields: readonly FieldProblem[];
  readonly retryAfterSeconds: number | undefined;
  /** What an operator may look at. */
  readonly suggestions: readonly string[];

  constructor(code: ErrorCode, options: AppErrorOptions = {}) {
    super(PROBLEMS[code].title, { cause: options.cause });
    this.code = code;
    this.fields = options.fields ?? [];
    this.retryAfterSeconds = options.retryAfterSeconds;
    this.suggestions = options.suggestions ?? [];
  }
}
