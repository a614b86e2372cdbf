/**
 * Attempt budgets: the one rule that every endpoint shares that takes a password or a code. Called by services/login.ts, mfa.ts and the
 * password services; core/guessing.ts decides, db/attempt-budgets.ts keeps. PostgreSQL is the truth: losing Redis opens nothing.
 */
import { createHash } from 'node:crypto';
import { ipKeyGenerator } from 'express-rate-limit';
import type { GuessingConfig } from '../config/guessing.ts';
import { type BudgetRules, rule } from '../core/guessing.ts';
import {
  type BudgetKey,
  deleteBudget,
  deleteBudgetsOfAccount,
  lockBudget,
  writeBudget,
} from '../db/attempt-budgets.ts';
import { appendAudit } from '../db/audit.ts';
import type { Database, Transaction } from '../db/database.ts';
import { AppError } from '../errors.ts';
import type { Metrics } from '../metrics.ts';

/**
 * A pool a factor and a way in, so that using up one leaves the others alone. `…-device` is for clients that the account knows, `…-session`
 * for what a live session asks: nobody without one can use those up.
 */
export type AttemptPool =
  | 'password'
  | 'password-device'
  | 'password-session'
  | 'totp'
  | 'totp-device'
  | 'totp-session'
  | 'backup-code'
  | 'backup-code-device'
  | 'backup-code-session'
  | 'one-time-token'
  | 'address';

export interface Attempt {
  readonly tenantId: string;
  readonly pool: AttemptPool;
  /** What the budget belongs to: the normalised address (known or not), account and device, the session, … */
  readonly subject: string;
  /** The account where there is one: its owner hears of a closed budget. */
  readonly userId: string | undefined;
  /** The client's address where a failure counts against it too. */
  readonly address?: string | undefined;
}

export interface GuessingDeps {
  readonly database: Database;
  readonly config: GuessingConfig;
  readonly metrics: Pick<Metrics, 'auth'>;
  readonly nowMs: () => number;
}

/** A day at most: who forgot the password can still reset it by mail, which clears the budget. */
const MAX_LOCK_MS = 24 * 3_600_000;

const digestOf = (subject: string): Buffer => createHash('sha256').update(subject).digest();

const keyOf = ({ tenantId, pool, subject }: Pick<Attempt, 'tenantId' | 'pool' | 'subject'>): BudgetKey => ({
  tenantId,
  pool,
  subjectDigest: digestOf(subject),
});

/** One customer, one budget: the /56 of an IPv6 address. */
export const addressKey = (tenantId: string, address: string): BudgetKey =>
  keyOf({ tenantId, pool: 'address', subject: ipKeyGenerator(address, 56) });

export class Guessing {
  readonly #deps: GuessingDeps;
  readonly #rules: BudgetRules;
  readonly #addressRules: BudgetRules;

  constructor(deps: GuessingDeps) {
    const { lockoutFailures, lockoutMs, backoffMs, addressFailures } = deps.config;
    this.#deps = deps;
    this.#rules = {
      maxFailures: lockoutFailures,
      lockMs: lockoutMs,
      maxLockMs: Math.max(lockoutMs, MAX_LOCK_MS),
      backoffMs,
      drains: false,
    };
    this.#addressRules = {
      maxFailures: addressFailures,
      lockMs: lockoutMs,
      maxLockMs: lockoutMs,
      backoffMs: 0,
      drains: true,
    };
  }

  /**
   * Runs `check`, which finds out something (undefined: wrong), and gives its result only while the budget lets it count. Whoever is refused
   * gets undefined, right or wrong, after the same work. No connection is held while `check` runs.
   *
   * @throws what `check` throws, which counts as no attempt; AppError `database-unavailable`
   */
  async guardAttempt<T>(attempt: Attempt, check: () => Promise<T | undefined>): Promise<T | undefined> {
    const found = await check();
    const { database } = this.#deps;
    const isIn = await database.inTenant(attempt.tenantId, (tx) => this.settle(tx, attempt, found !== undefined));
    return isIn ? found : undefined;
  }

  /** Writes one attempt down, in the transaction of its consequences. Only `true` may let anybody in. */
  async settle(tx: Transaction, attempt: Attempt, isRight: boolean): Promise<boolean> {
    const nowMs = this.#deps.nowMs();
    const key = keyOf(attempt);
    const budget = await lockBudget(tx, key, { isRight, userId: attempt.userId, nowMs });
    if (budget === undefined) return isRight;
    const ruling = rule(budget, isRight, { rules: this.#rules, nowMs });
    if (ruling.kind === 'accepted') {
      await deleteBudget(tx, key);
      return true;
    }
    const closesNow = ruling.kind === 'failed' && ruling.closesNow;
    await writeBudget(tx, { key, budget: ruling.next, userId: attempt.userId, isNoticeDue: closesNow });
    if (attempt.address !== undefined) await this.#countAddress(tx, attempt.tenantId, attempt.address);
    if (closesNow) {
      await auditClosing(tx, attempt);
      this.#deps.metrics.auth.accountLockouts.inc();
    }
    return false;
  }

  /**
   * Refuses a client whose address failed too often, before anything is hashed for it. It says so with 429, since it says nothing of any account.
   * @throws AppError `rate-limited`
   */
  refuseAddress(blockedUntilMs: number | undefined): void {
    const leftMs = (blockedUntilMs ?? 0) - this.#deps.nowMs();
    if (leftMs <= 0) return;
    throw new AppError('rate-limited', { retryAfterSeconds: Math.ceil(leftMs / 1000) });
  }

  async #countAddress(tx: Transaction, tenantId: string, address: string): Promise<void> {
    const nowMs = this.#deps.nowMs();
    const key = addressKey(tenantId, address);
    const budget = await lockBudget(tx, key, { isRight: false, userId: undefined, nowMs });
    const ruling = budget && rule(budget, false, { rules: this.#addressRules, nowMs });
    if (ruling === undefined || ruling.kind === 'accepted') return;
    await writeBudget(tx, { key, budget: ruling.next, userId: undefined, isNoticeDue: false });
  }
}

/** The same row for a known and an unknown account. */
const auditClosing = (tx: Transaction, { tenantId, pool, userId }: Attempt): Promise<void> =>
  appendAudit(tx, {
    tenantId,
    userId,
    eventType: 'account_locked',
    action: 'lock',
    resource: { type: 'user', id: userId },
    metadata: { severity: 'warning', pool },
  });

/** Forgives everything that counted against an account: an administrator unlocks it, or a mail proved its owner. */
export const clearBudgets = async (tx: Transaction, tenantId: string, email: string): Promise<void> => {
  await deleteBudgetsOfAccount(tx, email);
  await deleteBudget(tx, keyOf({ tenantId, pool: 'password', subject: email }));
};
