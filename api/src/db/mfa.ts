/** The statements on the second factor. Called by services/mfa.ts and services/second-factor.ts, inside a tenant's transaction. */
import { z } from 'zod';
import type { Transaction } from './database.ts';

const factorRow = z.object({
  id: z.uuid(),
  sealed_secret: z.string(),
  confirmed_at: z.date().nullable(),
  last_step: z.coerce.number().int(),
});

export interface TotpFactor {
  readonly factorId: string;
  readonly sealedSecret: string;
  /** undefined: enrolment has begun, and nobody is asked for it yet. */
  readonly confirmedAtMs: number | undefined;
  /** The newest step that was used. */
  readonly lastStep: number;
}

export const findFactor = async (tx: Transaction, userId: string): Promise<TotpFactor | undefined> => {
  const { rows } = await tx.query(
    'SELECT id, sealed_secret, confirmed_at, last_step FROM latchkey.totp_factor WHERE user_id = $1',
    [userId],
  );
  if (rows[0] === undefined) return undefined;
  const row = factorRow.parse(rows[0]);
  return {
    factorId: row.id,
    sealedSecret: row.sealed_secret,
    confirmedAtMs: row.confirmed_at?.getTime(),
    lastStep: row.last_step,
  };
};

export interface NewFactor {
  readonly factorId: string;
  readonly tenantId: string;
  readonly userId: string;
  readonly sealedSecret: string;
  readonly keyId: string;
  readonly nowMs: number;
}

/** Takes the place of an enrolment that was not confirmed; false where a confirmed factor stands. */
export const beginFactor = async (tx: Transaction, factor: NewFactor): Promise<boolean> => {
  const { rowCount } = await tx.query(
    `INSERT INTO latchkey.totp_factor AS f (id, org_id, user_id, sealed_secret, key_id, created_at) VALUES ($1, $2, $3, $4, $5, $6)
     ON CONFLICT (user_id) DO UPDATE
       SET id = excluded.id, sealed_secret = excluded.sealed_secret, key_id = excluded.key_id, last_step = 0, created_at = excluded.created_at
       WHERE f.confirmed_at IS NULL`,
    [factor.factorId, factor.tenantId, factor.userId, factor.sealedSecret, factor.keyId, new Date(factor.nowMs)],
  );
  return rowCount === 1;
};

/** True for the one caller whose code confirmed it. */
export const confirmFactor = async (
  tx: Transaction,
  use: { readonly factorId: string; readonly step: number; readonly nowMs: number },
): Promise<boolean> => {
  const { rowCount } = await tx.query(
    'UPDATE latchkey.totp_factor SET confirmed_at = $3, last_step = $2 WHERE id = $1 AND confirmed_at IS NULL',
    [use.factorId, use.step, new Date(use.nowMs)],
  );
  return rowCount === 1;
};

/** The compare-and-swap that makes a code work once: of any number of callers with one step, or an older one, the first has moved it. */
export const useStep = async (tx: Transaction, factorId: string, step: number): Promise<boolean> => {
  const { rowCount } = await tx.query(
    'UPDATE latchkey.totp_factor SET last_step = $2 WHERE id = $1 AND confirmed_at IS NOT NULL AND last_step < $2',
    [factorId, step],
  );
  return rowCount === 1;
};

/** The same secret under the current key. */
export const resealFactor = async (
  tx: Transaction,
  factor: { readonly factorId: string; readonly sealedSecret: string; readonly keyId: string },
): Promise<void> => {
  await tx.query('UPDATE latchkey.totp_factor SET sealed_secret = $2, key_id = $3 WHERE id = $1', [
    factor.factorId,
    factor.sealedSecret,
    factor.keyId,
  ]);
};

/** True where there was a confirmed one. */
export const deleteFactor = async (tx: Transaction, userId: string): Promise<boolean> => {
  const { rowCount } = await tx.query(
    `WITH codes AS (DELETE FROM latchkey.backup_code WHERE user_id = $1)
     DELETE FROM latchkey.totp_factor WHERE user_id = $1 AND confirmed_at IS NOT NULL`,
    [userId],
  );
  return rowCount === 1;
};

export interface NewBackupCodes {
  readonly tenantId: string;
  readonly userId: string;
  readonly keyId: string;
  readonly digests: readonly Buffer[];
  readonly nowMs: number;
}

/** The old ones are gone, used or not. */
export const replaceBackupCodes = async (tx: Transaction, codes: NewBackupCodes): Promise<void> => {
  await tx.query('DELETE FROM latchkey.backup_code WHERE user_id = $1', [codes.userId]);
  await tx.query(
    `INSERT INTO latchkey.backup_code (digest, org_id, user_id, key_id, created_at)
     SELECT digest, $2, $3, $4, $5 FROM unnest($1::bytea[]) AS digest`,
    [[...codes.digests], codes.tenantId, codes.userId, codes.keyId, new Date(codes.nowMs)],
  );
};

export interface BackupCodeUse {
  readonly userId: string;
  readonly digests: readonly Buffer[];
  readonly nowMs: number;
}

export const hasBackupCode = async (tx: Transaction, { userId, digests }: BackupCodeUse): Promise<boolean> => {
  const { rowCount } = await tx.query(
    'SELECT 1 FROM latchkey.backup_code WHERE user_id = $1 AND digest = ANY ($2::bytea[]) AND used_at IS NULL',
    [userId, [...digests]],
  );
  return rowCount === 1;
};

/** True for the one caller that used it: of two at once, one finds it used. */
export const useBackupCode = async (tx: Transaction, { userId, digests, nowMs }: BackupCodeUse): Promise<boolean> => {
  const { rowCount } = await tx.query(
    'UPDATE latchkey.backup_code SET used_at = $3 WHERE user_id = $1 AND digest = ANY ($2::bytea[]) AND used_at IS NULL',
    [userId, [...digests], new Date(nowMs)],
  );
  return rowCount === 1;
};

export const countBackupCodes = async (tx: Transaction, userId: string): Promise<number> => {
  const { rows } = await tx.query(
    'SELECT count(*)::int AS count FROM latchkey.backup_code WHERE user_id = $1 AND used_at IS NULL',
    [userId],
  );
  return z.object({ count: z.int() }).parse(rows[0]).count;
};
