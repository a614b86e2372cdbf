/**
 * The statements on what an account proves itself with: its address and its password. Called by the services of registration, verification
 * and passwords and by mail/delivery.ts, inside a tenant's transaction.
 */
import { z } from 'zod';
import type { Transaction } from './database.ts';

const credentialsRow = z.object({
  id: z.uuid(),
  email: z.string(),
  email_verified: z.boolean(),
  is_usable: z.boolean(),
  password_hash: z.string().nullable(),
  password_changed_at: z.date().nullable(),
  password_expires_at: z.date().nullable(),
  must_change_password: z.boolean(),
});

export interface Credentials {
  readonly userId: string;
  readonly email: string;
  readonly isVerified: boolean;
  /** Neither disabled nor deleted. */
  readonly isUsable: boolean;
  readonly passwordHash: string | undefined;
  readonly changedAtMs: number | undefined;
  readonly expiresAtMs: number | undefined;
  readonly mustChange: boolean;
}

const COLUMNS = `id, email, email_verified, is_active AND deleted_at IS NULL AS is_usable, password_hash, password_changed_at,
  password_expires_at, must_change_password`;

const present = (found: Record<string, unknown> | undefined): Credentials | undefined => {
  if (found === undefined) return undefined;
  const row = credentialsRow.parse(found);
  return {
    userId: row.id,
    email: row.email,
    isVerified: row.email_verified,
    isUsable: row.is_usable,
    passwordHash: row.password_hash ?? undefined,
    changedAtMs: row.password_changed_at?.getTime(),
    expiresAtMs: row.password_expires_at?.getTime(),
    mustChange: row.must_change_password,
  };
};

export const findCredentials = async (tx: Transaction, userId: string): Promise<Credentials | undefined> => {
  const { rows } = await tx.query(`SELECT ${COLUMNS} FROM auth.users_extended WHERE id = $1`, [userId]);
  return present(rows[0]);
};

export const findCredentialsByEmail = async (tx: Transaction, email: string): Promise<Credentials | undefined> => {
  const { rows } = await tx.query(`SELECT ${COLUMNS} FROM auth.users_extended WHERE email = $1`, [email]);
  return present(rows[0]);
};

/** True for whoever verifies first: a token does not follow the account to another address. */
export const verifyEmail = async (
  tx: Transaction,
  { userId, email, nowMs }: { readonly userId: string; readonly email: string; readonly nowMs: number },
): Promise<boolean> => {
  const { rowCount } = await tx.query(
    `UPDATE auth.users_extended SET email_verified = true, email_verified_at = $3
     WHERE id = $1 AND email = $2 AND NOT email_verified AND is_active AND deleted_at IS NULL`,
    [userId, email, new Date(nowMs)],
  );
  return rowCount === 1;
};

export interface PasswordChange {
  readonly userId: string;
  /** What stands there now; where it is another one, somebody was faster and nothing is changed. */
  readonly fromHash: string | undefined;
  readonly passwordHash: string;
  readonly nowMs: number;
  readonly expiresAtMs: number | undefined;
}

/** Older passwords that may not come back, beside the current one. */
export const HISTORY = 5;

/** Replaces the password, keeps the old one's hash in the history and no more than {@link HISTORY} there. False when somebody was faster. */
export const replacePassword = async (tx: Transaction, change: PasswordChange): Promise<boolean> => {
  const { rowCount } = await tx.query(
    `UPDATE auth.users_extended
     SET password_hash = $3, password_changed_at = $4, password_expires_at = $5, must_change_password = false
     WHERE id = $1 AND password_hash IS NOT DISTINCT FROM $2 AND is_active AND deleted_at IS NULL`,
    [
      change.userId,
      change.fromHash ?? null,
      change.passwordHash,
      new Date(change.nowMs),
      change.expiresAtMs === undefined ? null : new Date(change.expiresAtMs),
    ],
  );
  if (rowCount !== 1) return false;
  if (change.fromHash !== undefined) await keepInHistory(tx, change.userId, change.fromHash, change.nowMs);
  return true;
};

const keepInHistory = async (tx: Transaction, userId: string, hash: string, nowMs: number): Promise<void> => {
  await tx.query(
    `INSERT INTO latchkey.password_history (org_id, user_id, password_hash, created_at)
     SELECT org_id, id, $2, $3 FROM auth.users_extended WHERE id = $1`,
    [userId, hash, new Date(nowMs)],
  );
  await tx.query(
    `DELETE FROM latchkey.password_history WHERE user_id = $1 AND id NOT IN (
       SELECT id FROM latchkey.password_history WHERE user_id = $1 ORDER BY created_at DESC, id LIMIT ${HISTORY})`,
    [userId],
  );
};

/** Newest first. */
export const findPasswordHistory = async (tx: Transaction, userId: string): Promise<readonly string[]> => {
  const { rows } = await tx.query(
    `SELECT password_hash FROM latchkey.password_history WHERE user_id = $1 ORDER BY created_at DESC, id LIMIT ${HISTORY}`,
    [userId],
  );
  return z
    .array(z.object({ password_hash: z.string() }))
    .parse(rows)
    .map((row) => row.password_hash);
};

/** What comes until {@link keepTry} or {@link undoTry} can be taken back without the rest of the transaction. */
export const beginTry = async (tx: Transaction): Promise<void> => {
  await tx.query('SAVEPOINT try');
};

export const keepTry = async (tx: Transaction): Promise<void> => {
  await tx.query('RELEASE SAVEPOINT try');
};

export const undoTry = async (tx: Transaction): Promise<void> => {
  await tx.query('ROLLBACK TO SAVEPOINT try');
};

/** True where the password was another one, of an account that nobody has proved yet and nobody has changed since that registration. */
export const adoptPassword = async (
  tx: Transaction,
  change: {
    readonly userId: string;
    readonly passwordHash: string;
    readonly registeredAtMs: number;
    readonly expiresAtMs: number | undefined;
  },
): Promise<boolean> => {
  const { rowCount } = await tx.query(
    `UPDATE auth.users_extended SET password_hash = $2, password_changed_at = $3, password_expires_at = $4
     WHERE id = $1 AND NOT email_verified AND password_hash IS DISTINCT FROM $2
       AND (password_changed_at IS NULL OR password_changed_at <= $3)`,
    [
      change.userId,
      change.passwordHash,
      new Date(change.registeredAtMs),
      change.expiresAtMs === undefined ? null : new Date(change.expiresAtMs),
    ],
  );
  return rowCount === 1;
};
