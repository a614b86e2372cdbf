/**
 * The statements on mails that wait. Called by services/mail-outbox.ts inside the caller's transaction, and by mail/delivery.ts in the
 * worker's, which sees the rows of every tenant (policies of migration 0022).
 */
import { z } from 'zod';
import type { Transaction } from './database.ts';

export interface OutboxRow {
  readonly id: string;
  readonly tenantId: string;
  readonly template: string;
  readonly recipient: string;
  readonly sealed: string;
  readonly nowMs: number;
}

export const insertMail = async (tx: Transaction, mail: OutboxRow): Promise<void> => {
  await tx.query(
    `INSERT INTO latchkey.mail_outbox (id, org_id, template, recipient, sealed, next_attempt_at, created_at)
     VALUES ($1, $2, $3, $4, $5, $6, $6)`,
    [mail.id, mail.tenantId, mail.template, mail.recipient, mail.sealed, new Date(mail.nowMs)],
  );
};

const leasedRow = z.object({
  id: z.uuid(),
  org_id: z.uuid(),
  template: z.string(),
  recipient: z.string(),
  sealed: z.string(),
  attempts: z.int(),
  created_at: z.date(),
});

export interface LeasedMail {
  readonly id: string;
  readonly tenantId: string;
  readonly template: string;
  readonly recipient: string;
  readonly sealed: string;
  /** This attempt included. */
  readonly attempts: number;
  readonly createdAtMs: number;
}

/**
 * Takes due mails for as long as the lease: no other pod sees them as due meanwhile, and when this one dies they become due again.
 * A template that this release does not know is left to the release that does.
 */
export const leaseMails = async (
  tx: Transaction,
  request: {
    readonly templates: readonly string[];
    readonly limit: number;
    readonly nowMs: number;
    readonly leaseMs: number;
  },
): Promise<readonly LeasedMail[]> => {
  const { rows } = await tx.query(
    `UPDATE latchkey.mail_outbox SET attempts = attempts + 1, next_attempt_at = $4
     WHERE id IN (
       SELECT id FROM latchkey.mail_outbox
       WHERE next_attempt_at <= $3 AND sent_at IS NULL AND given_up_at IS NULL AND sealed IS NOT NULL AND template = ANY($1)
       ORDER BY next_attempt_at LIMIT $2 FOR UPDATE SKIP LOCKED
     )
     RETURNING id, org_id, template, recipient, sealed, attempts, created_at`,
    [request.templates, request.limit, new Date(request.nowMs), new Date(request.nowMs + request.leaseMs)],
  );
  return z
    .array(leasedRow)
    .parse(rows)
    .map(({ org_id, created_at, ...row }) => ({ ...row, tenantId: org_id, createdAtMs: created_at.getTime() }));
};

/** Sent: what it said is forgotten. */
export const markSent = async (tx: Transaction, id: string, nowMs: number): Promise<void> => {
  await tx.query('UPDATE latchkey.mail_outbox SET sent_at = $2, sealed = NULL, last_error = NULL WHERE id = $1', [
    id,
    new Date(nowMs),
  ]);
};

export const markFailed = async (
  tx: Transaction,
  { id, error, nextAttemptAtMs }: { readonly id: string; readonly error: string; readonly nextAttemptAtMs: number },
): Promise<void> => {
  await tx.query('UPDATE latchkey.mail_outbox SET next_attempt_at = $2, last_error = $3 WHERE id = $1', [
    id,
    new Date(nextAttemptAtMs),
    error,
  ]);
};

export const markGivenUp = async (
  tx: Transaction,
  { id, error, nowMs }: { readonly id: string; readonly error: string; readonly nowMs: number },
): Promise<void> => {
  await tx.query('UPDATE latchkey.mail_outbox SET given_up_at = $2, sealed = NULL, last_error = $3 WHERE id = $1', [
    id,
    new Date(nowMs),
    error,
  ]);
};

/** Mails of this kind that the address got since then. */
export const countSentSince = async (
  tx: Transaction,
  { recipient, template, sinceMs }: { readonly recipient: string; readonly template: string; readonly sinceMs: number },
): Promise<number> => {
  const { rows } = await tx.query(
    `SELECT count(*)::int AS n FROM latchkey.mail_outbox WHERE recipient = $1 AND template = $2 AND sent_at > $3`,
    [recipient, template, new Date(sinceMs)],
  );
  return z.object({ n: z.int() }).parse(rows[0]).n;
};

export const countWaiting = async (tx: Transaction): Promise<number> => {
  const { rows } = await tx.query(
    'SELECT count(*)::int AS n FROM latchkey.mail_outbox WHERE sent_at IS NULL AND given_up_at IS NULL',
  );
  return z.object({ n: z.int() }).parse(rows[0]).n;
};

/** Nobody wants it any more. */
export const deleteMail = async (tx: Transaction, id: string): Promise<void> => {
  await tx.query('DELETE FROM latchkey.mail_outbox WHERE id = $1', [id]);
};

/** Rows of mails that are over and done with name addresses: they go. */
export const deleteOldMails = async (tx: Transaction, beforeMs: number): Promise<void> => {
  await tx.query('DELETE FROM latchkey.mail_outbox WHERE coalesce(sent_at, given_up_at) < $1', [new Date(beforeMs)]);
};
