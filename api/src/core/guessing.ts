/**
 * Whether one more guess counts, and what a wrong one costs. Called by services/guessing.ts with what it read under a row lock.
 *
 * An attempt is judged when its check is done, not before: of any number of parallel guesses only the results of the first few are told
 * apart, the rest get the same refusal whether they were right or not. So nothing needs to be reserved, and right passwords may come in
 * parallel.
 */

export interface BudgetRules {
  /** Failures in a row that close the budget. */
  readonly maxFailures: number;
  /** How long it stays closed for the first time; each further time in a row doubles it. */
  readonly lockMs: number;
  readonly maxLockMs: number;
  /** The wait after the second failure in a row; each further failure doubles it. 0: none. */
  readonly backoffMs: number;
  /** Whether failures drain away one by one, `maxFailures` within `lockMs`, as fits many people behind one client address. */
  readonly drains: boolean;
}

/** One pool's counters for one subject. */
export interface Budget {
  readonly failures: number;
  /** Times in a row that it was closed. */
  readonly lockouts: number;
  readonly lastAttemptAtMs: number;
  /** undefined: nobody has to wait. */
  readonly blockedUntilMs: number | undefined;
}

/** What becomes of one attempt. Only `accepted` may let anybody in. */
export type Ruling =
  | { readonly kind: 'accepted' }
  /** Right, but at a time when nothing counts: answered like a wrong one. */
  | { readonly kind: 'refused'; readonly next: Budget }
  | { readonly kind: 'failed'; readonly next: Budget; readonly closesNow: boolean };

/** A quiet day after the last attempt forgets that the budget was ever closed. */
const FORGET_LOCKOUTS_MS = 24 * 3_600_000;

export const isBlocked = ({ blockedUntilMs }: Budget, nowMs: number): boolean =>
  blockedUntilMs !== undefined && nowMs < blockedUntilMs;

/** Closed, as opposed to the short wait between two tries. */
const isClosed = (budget: Budget, { maxFailures }: BudgetRules, nowMs: number): boolean =>
  budget.failures >= maxFailures && isBlocked(budget, nowMs);

/** Failures drained since; `lastAttemptAtMs` moves by whole failures, so that frequent attempts do not stop the drain. */
const drained = (budget: Budget, { maxFailures, lockMs }: BudgetRules, nowMs: number): Budget => {
  const everyMs = lockMs / maxFailures;
  // Never fewer than none: the clock of the pod that counted last may be ahead of ours.
  const gone = Math.max(0, Math.floor((nowMs - budget.lastAttemptAtMs) / everyMs));
  return gone >= budget.failures
    ? { ...budget, failures: 0, lastAttemptAtMs: nowMs }
    : { ...budget, failures: budget.failures - gone, lastAttemptAtMs: budget.lastAttemptAtMs + gone * everyMs };
};

/** What still counts now: failures go when the budget opens again, or when it was left alone for as long as a lock lasts. */
const current = (budget: Budget, rules: BudgetRules, nowMs: number): Budget => {
  const hasOpened = budget.failures >= rules.maxFailures && !isBlocked(budget, nowMs);
  if (rules.drains && !hasOpened) return drained(budget, rules, nowMs);
  const isQuiet = nowMs - budget.lastAttemptAtMs > rules.lockMs;
  const quietSinceMs = Math.max(budget.lastAttemptAtMs, budget.blockedUntilMs ?? 0);
  return {
    failures: hasOpened || isQuiet ? 0 : budget.failures,
    lockouts: nowMs - quietSinceMs > FORGET_LOCKOUTS_MS ? 0 : budget.lockouts,
    lastAttemptAtMs: nowMs,
    blockedUntilMs: budget.blockedUntilMs,
  };
};

const waitAfter = (failures: number, lockouts: number, rules: BudgetRules): number => {
  if (failures >= rules.maxFailures) return Math.min(rules.lockMs * 2 ** (lockouts - 1), rules.maxLockMs);
  return failures < 2 || rules.backoffMs === 0 ? 0 : Math.min(rules.backoffMs * 2 ** (failures - 2), rules.lockMs);
};

const afterFailure = (budget: Budget, rules: BudgetRules, nowMs: number): Ruling => {
  const failures = budget.failures + 1;
  const closesNow = failures >= rules.maxFailures;
  const lockouts = budget.lockouts + (closesNow ? 1 : 0);
  const waitMs = waitAfter(failures, lockouts, rules);
  const blockedUntilMs = waitMs === 0 ? undefined : nowMs + waitMs;
  return { kind: 'failed', next: { ...budget, failures, lockouts, blockedUntilMs }, closesNow };
};

/** Rules on one attempt whose check is done. While the budget is closed nothing is counted, so that nobody can keep it closed. */
export const rule = (
  stored: Budget,
  isRight: boolean,
  { rules, nowMs }: { rules: BudgetRules; nowMs: number },
): Ruling => {
  if (isClosed(stored, rules, nowMs)) return { kind: 'refused', next: stored };
  const budget = current(stored, rules, nowMs);
  if (!isRight) return afterFailure(budget, rules, nowMs);
  return isBlocked(budget, nowMs) ? { kind: 'refused', next: stored } : { kind: 'accepted' };
};
