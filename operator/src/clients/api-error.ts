/**
 * What can go wrong between us and the apiserver, as one error with a stable code.
 * Thrown by transport.ts; read by workqueue.ts (when to try again), observe.ts (absent or broken) and act.ts (conflict or deposed).
 */

export type ApiErrorCode =
  | 'ERR_API_NOT_FOUND'
  | 'ERR_API_CONFLICT'
  | 'ERR_API_EXISTS'
  | 'ERR_API_GONE'
  | 'ERR_API_FORBIDDEN'
  | 'ERR_API_INVALID'
  | 'ERR_API_THROTTLED'
  | 'ERR_API_UNAVAILABLE'
  | 'ERR_API_REFUSED'
  | 'ERR_API_MALFORMED'
  | 'ERR_API_DEADLINE'
  | 'ERR_API_ABORTED'
  | 'ERR_API_UNREACHABLE';

export interface ApiErrorDetail {
  /** HTTP status, 0 when no answer came. */
  readonly status?: number;
  /** What the server asked us to wait, from Retry-After. */
  readonly retryAfterMs?: number | undefined;
  readonly cause?: unknown;
}

export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly code: ApiErrorCode;
  readonly status: number;
  readonly retryAfterMs: number | undefined;

  constructor(code: ApiErrorCode, message: string, detail: ApiErrorDetail = {}) {
    super(message, { cause: detail.cause });
    this.code = code;
    this.status = detail.status ?? 0;
    this.retryAfterMs = detail.retryAfterMs;
  }
}

export function isApiError(error: unknown, ...codes: readonly ApiErrorCode[]): error is ApiError {
  return error instanceof ApiError && (codes.length === 0 || codes.includes(error.code));
}

/** A failed JSON Patch `test` answers 422 Invalid, as a schema violation does; only its message tells them apart. */
const FAILED_TEST =
  /the server rejected our request due to an error in our request|test(ing)? (operation|value|path|failed)/i;

/** @param retryAfter the raw Retry-After header: seconds, as the apiserver sends it. */
export function apiErrorFor(
  status: number,
  retryAfter: string | undefined,
  body: { reason: string; message: string },
): ApiError {
  const seconds = Number(retryAfter);
  const retryAfterMs =
    retryAfter !== undefined && Number.isFinite(seconds) && seconds >= 0 ? seconds * 1000 : undefined;
  return new ApiError(codeFor(status, body), `${status} ${body.reason}: ${body.message}`.slice(0, 500), {
    status,
    retryAfterMs,
  });
}

function codeFor(status: number, body: { reason: string; message: string }): ApiErrorCode {
  if (status === 404) return 'ERR_API_NOT_FOUND';
  if (status === 409) return body.reason === 'AlreadyExists' ? 'ERR_API_EXISTS' : 'ERR_API_CONFLICT';
  if (status === 410) return 'ERR_API_GONE';
  if (status === 401 || status === 403) return 'ERR_API_FORBIDDEN';
  if (status === 422) return FAILED_TEST.test(body.message) ? 'ERR_API_CONFLICT' : 'ERR_API_INVALID';
  if (status === 429) return 'ERR_API_THROTTLED';
  if (status >= 500) return 'ERR_API_UNAVAILABLE';
  return 'ERR_API_REFUSED';
}
