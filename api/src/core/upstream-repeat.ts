/**
 * Whether a request to the auth service is sent again, and after how long. Pure. Called by upstream/client.ts between two attempts.
 *
 * | what happened | a read | a refresh, where the service repeats its successor | any other change |
 * |---|---|---|---|
 * | never sent | again | again | again |
 * | answered 503 with `Retry-After` of two seconds or less | again | again | again |
 * | sent, the answer is lost; 5xx; 503 that names no time | again | again | never: a login counts towards a lockout, a token rotates |
 * | 429, any other answer, breaker open | never | never | never |
 *
 * @see docs/adr/0030-login-proxy.md
 */
import type { Category } from './upstream-faults.ts';

/** No attempt begins later: clients and gateways do not wait longer than some fifteen seconds. */
export const BUDGET_MS = 8_000;
const FIRST_WAIT_MS = 100;
/** Who asks us to come later than this is not waited for: the client is told, and waits itself. */
const MAX_RETRY_AFTER_SECONDS = 2;

export interface Attempted {
  readonly category: Category;
  /** How many attempts there were. */
  readonly attempt: number;
  readonly attempts: number;
  /** Since the first one began. */
  readonly elapsedMs: number;
  /** A second time does what the first did: it reads, or the service is known to repeat itself. */
  readonly isRepeatable: boolean;
  readonly retryAfterSeconds: number | undefined;
  /** 0 to 1: pods that failed together shall not come back together. */
  readonly random: number;
}

const mayRepeat = ({ category, isRepeatable, retryAfterSeconds }: Attempted): boolean => {
  switch (category) {
    case 'unreachable':
    case 'connect-timeout':
      return true;
    case 'unavailable':
      return retryAfterSeconds === undefined ? isRepeatable : retryAfterSeconds <= MAX_RETRY_AFTER_SECONDS;
    case 'read-timeout':
    case 'connection-lost':
    case 'failed':
      return isRepeatable;
    case 'answered':
    case 'answer-invalid':
    case 'breaker-open':
    case 'misconfigured':
    case 'rate-limited':
    case 'service-refused':
      return false;
  }
};

/** Milliseconds to wait before the next attempt; undefined: this was the last one. */
export const waitBeforeNext = (done: Attempted): number | undefined => {
  const { attempt, attempts, elapsedMs, retryAfterSeconds = 0, random } = done;
  if (attempt >= attempts || !mayRepeat(done)) return undefined;
  const backoffMs = FIRST_WAIT_MS * 2 ** (attempt - 1) * (0.5 + random);
  const waitMs = Math.max(backoffMs, retryAfterSeconds * 1000);
  return elapsedMs + waitMs > BUDGET_MS ? undefined : waitMs;
};
