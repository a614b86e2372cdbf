/** The statements on latchkey.attempt_budget. Called by services/guessing.ts, inside a tenant's transaction. */
import { z } from 'zod';
import type { Budget } from '../core/guessing.ts';
import type { Transaction } from './database.ts';

/** Which row: a pool's budget for one subject. */
export interface BudgetKey {
  readonly tenantId: string;
  readonly pool: string;
  readonly subjectDigest: Buffer;
}

const budgetRow = z.object({
  failures: z.int(),
  lockouts: z.int(),
  last_attempt_at: z.date(),
  blocked_until: z.date().nullable(),
});

const budgetOf = (value: unknown): Budget => {
  const row = budgetRow.parse(value);
  return {
    failures: row.failures,
    lockouts: row.lockouts,
    lastAttemptAtMs: row.last_attempt_at.getTime(),
    blockedUntilMs: row.blocked_until?.getTime(),
  };
};

/**
 * The row under its lock until the transaction ends. A wrong attempt makes it where it is missing: the first of two parallel ones has written
 * before the second one reads. For a right one nothing is written where nothing counts, which is as if it had come before all others.
 * The account's row, if any, is locked after this one, by whoever needs both.
 */
export const lockBudget = async (
  tx: Transaction,
  key: BudgetKey,
  attempt: { readonly isRight: boolean; readonly userId: string | undefined; readonly nowMs: number },
): Promise<Budget | undefined> => {
  // One statement for right and wrong, so that where there is a row they take the same time.
  const { rows } = await tx.query(
    `INSERT INTO latchkey.attempt_budget (org_id, pool, subject_digest, last_attempt_at, user_id)
     SELECT $1, $2, $3, $4, $5 WHERE NOT $6 OR EXISTS
       (SELECT 1 FROM latchkey.attempt_budget WHERE org_id = $1 AND pool = $2 AND subject_digest = $3)
     ON CONFLICT (org_id, pool, subject_digest) DO UPDATE SET pool = excluded.pool
     RETURNING failures, lockouts, last_attempt_at, blocked_until`,
    [key.tenantId, key.pool, key.subjectDigest, new Date(attempt.nowMs), attempt.userId ?? null, attempt.isRight],
  );
  return rows[0] === undefined ? undefined : budgetOf(rows[0]);
};

export interface BudgetWrite {
  readonly key: BudgetKey;
  readonly budget: Budget;
  /** The account that the owner's notice would go to. */
  readonly userId: string | undefined;
  readonly isNoticeDue: boolean;
}

/** Of a row that `lockBudget` holds. */
export const writeBudget = async (
  tx: Transaction,
  { key, budget, userId, isNoticeDue }: BudgetWrite,
): Promise<void> => {
  await tx.query(
    `UPDATE latchkey.attempt_budget
     SET failures = $4, lockouts = $5, last_attempt_at = $6, blocked_until = $7, user_id = $8, is_notice_due = is_notice_due OR $9
     WHERE org_id = $1 AND pool = $2 AND subject_digest = $3`,
    [
      key.tenantId,
      key.pool,
      key.subjectDigest,
      budget.failures,
      budget.lockouts,
      new Date(budget.lastAttemptAtMs),
      budget.blockedUntilMs === undefined ? null : new Date(budget.blockedUntilMs),
      userId ?? null,
      isNoticeDue,
    ],
  );
};

export const deleteBudget = async (tx: Transaction, key: BudgetKey): Promise<void> => {
  await tx.query('DELETE FROM latchkey.attempt_budget WHERE org_id = $1 AND pool = $2 AND subject_digest = $3', [
    key.tenantId,
    key.pool,
    key.subjectDigest,
  ]);
};

/** Every budget that counted against this account's address: what an administrator, a proven address or a new password forgives. */
export const deleteBudgetsOfAccount = async (tx: Transaction, email: string): Promise<void> => {
  await tx.query(
    `DELETE FROM latchkey.attempt_budget WHERE user_id = (SELECT id FROM auth.users_extended WHERE email = $1)`,
    [email],
  );
};

export interface NoticeDue {
  readonly userId: string;
  readonly email: string;
  readonly blockedUntilMs: number;
}

const noticeRow = z.object({ user_id: z.uuid(), email: z.string(), blocked_until: z.date() });

/** Takes the notices that are due: of two pods that ask at once, each row goes to one. Rows of nobody's account are ticked off too. */
export const takeNotices = async (tx: Transaction, limit: number): Promise<readonly NoticeDue[]> => {
  const { rows } = await tx.query(
    `WITH due AS (
       SELECT org_id, pool, subject_digest FROM latchkey.attempt_budget WHERE is_notice_due LIMIT $1 FOR UPDATE SKIP LOCKED
     ), taken AS (
       UPDATE latchkey.attempt_budget b SET is_notice_due = false FROM due
       WHERE b.org_id = due.org_id AND b.pool = due.pool AND b.subject_digest = due.subject_digest
       RETURNING b.user_id, b.blocked_until
     )
     SELECT t.user_id, u.email, max(t.blocked_until) AS blocked_until
     FROM taken t JOIN auth.users_extended u ON u.id = t.user_id AND u.is_active AND u.deleted_at IS NULL
     WHERE t.blocked_until IS NOT NULL GROUP BY 1, 2`,
    [limit],
  );
  return z
    .array(noticeRow)
    .parse(rows)
    .map((row) => ({ userId: row.user_id, email: row.email, blockedUntilMs: row.blocked_until.getTime() }));
};

/** Rows that decide nothing any more: quiet for longer than anything in core/guessing.ts remembers. */
export const deleteOldBudgets = async (tx: Transaction, beforeMs: number): Promise<void> => {
  await tx.query(
    `DELETE FROM latchkey.attempt_budget
     WHERE last_attempt_at < $1 AND (blocked_until IS NULL OR blocked_until < $1)`,
    [new Date(beforeMs)],
  );
};
