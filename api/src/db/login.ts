/** The statements of a login. Called by services/login.ts and its neighbours, inside a tenant's transaction. */
import { z } from 'zod';
import type { LoginRefusal, LoginState } from '../core/login.ts';
import type { HashCosts } from '../crypto/passwords.ts';
import type { BudgetKey } from './attempt-budgets.ts';
import type { Transaction } from './database.ts';
import type { Origin } from './sessions.ts';

const time = z
  .date()
  .nullable()
  .transform((date) => date?.getTime());

const accountRow = z.object({
  id: z.uuid().nullable(),
  email: z.string().nullable(),
  password_hash: z.string().nullable(),
  is_active: z.boolean().nullable(),
  email_verified: z.boolean().nullable(),
  must_change_password: z.boolean().nullable(),
  password_changed_at: time,
  password_expires_at: time,
  has_second_factor: z.boolean().nullable(),
  has_logged_in: z.boolean().nullable(),
  cheapest_cost: z.coerce.number().int().nullable(),
  slowest_cost: z.coerce.number().int().nullable(),
});
const blockRow = z.object({ address_blocked_until: time });

export interface LoginAccount extends LoginState {
  readonly userId: string;
  readonly email: string;
  readonly passwordHash: string | undefined;
  readonly hasLoggedInBefore: boolean;
}

export interface LoginView {
  readonly account: LoginAccount | undefined;
  /** Of the hashes that the organization has stored: what every login must take. undefined while there are none. */
  readonly costsInUse: HashCosts | undefined;
}

const ACCOUNT_COLUMNS = `u.id, u.email, u.password_hash, u.is_active AND u.deleted_at IS NULL AS is_active, u.email_verified,
  u.must_change_password, u.password_changed_at, u.password_expires_at, u.last_login_at IS NOT NULL AS has_logged_in,
  EXISTS (SELECT 1 FROM latchkey.totp_factor f WHERE f.user_id = u.id AND f.confirmed_at IS NOT NULL) AS has_second_factor,
  c.cheapest_cost, s.slowest_cost`;

const COST = `substring(password_hash FROM '\\$2[aby]\\$(\\d\\d)\\$')`;
/** One probe of users_extended_hash_cost_idx each, at its two ends. */
const COSTS = `LEFT JOIN (SELECT ${COST} AS slowest_cost FROM auth.users_extended
    ORDER BY org_id, ${COST} DESC NULLS LAST LIMIT 1) s ON true
  LEFT JOIN (SELECT ${COST} AS cheapest_cost FROM auth.users_extended WHERE ${COST} IS NOT NULL
    ORDER BY org_id DESC, ${COST} ASC NULLS FIRST LIMIT 1) c ON true`;

/** One row whether there is such an account or not. */
const BY_EMAIL = `SELECT ${ACCOUNT_COLUMNS},
    (SELECT blocked_until FROM latchkey.attempt_budget WHERE org_id = $2 AND pool = $3 AND subject_digest = $4) AS address_blocked_until
  FROM (SELECT 1) one LEFT JOIN auth.users_extended u ON u.email = $1 ${COSTS}`;
const BY_ID = `SELECT ${ACCOUNT_COLUMNS} FROM (SELECT 1) one LEFT JOIN auth.users_extended u ON u.id = $1 ${COSTS}`;

const viewOf = (value: unknown): LoginView => {
  const row = accountRow.parse(value);
  const costsInUse =
    row.cheapest_cost === null || row.slowest_cost === null
      ? undefined
      : { cheapest: row.cheapest_cost, slowest: row.slowest_cost };
  if (row.id === null) return { account: undefined, costsInUse };
  return {
    costsInUse,
    account: {
      userId: row.id,
      email: row.email ?? '',
      passwordHash: row.password_hash ?? undefined,
      isActive: row.is_active === true,
      isVerified: row.email_verified === true,
      hasSecondFactor: row.has_second_factor === true,
      hasLoggedInBefore: row.has_logged_in === true,
      mustChangePassword: row.must_change_password === true,
      passwordChangedAtMs: row.password_changed_at,
      passwordExpiresAtMs: row.password_expires_at,
    },
  };
};

/** For who comes with an address and a password; `addressBlockedUntilMs` is what the client's own address has come to. */
export const findLogin = async (
  tx: Transaction,
  email: string,
  { tenantId, pool, subjectDigest }: BudgetKey,
): Promise<LoginView & { readonly addressBlockedUntilMs: number | undefined }> => {
  const { rows } = await tx.query(BY_EMAIL, [email, tenantId, pool, subjectDigest]);
  return { ...viewOf(rows[0]), addressBlockedUntilMs: blockRow.parse(rows[0]).address_blocked_until };
};

/** For who is logged in and proves the account again. */
export const findLoginById = async (tx: Transaction, userId: string): Promise<LoginView> =>
  viewOf((await tx.query(BY_ID, [userId])).rows[0]);

export interface FailedLogin {
  readonly tenantId: string;
  readonly userId: string | undefined;
  readonly origin: Origin;
  /** For the trail alone. */
  readonly reason: LoginRefusal | 'wrong-code';
}

/** The same statement for a known and an unknown account, so that neither time nor load tells them apart. */
export const recordFailedLogin = async (tx: Transaction, failure: FailedLogin): Promise<void> => {
  await tx.query(
    `WITH history AS (
       INSERT INTO auth.login_history (org_id, user_id, success, failure_reason, ip_address, user_agent)
       VALUES ($1, $2, false, $5, $3, $4)
     )
     SELECT auth.log_audit_event($2, $1, 'login_failed', 'login', 'user', $2, NULL, NULL,
       jsonb_build_object('severity', 'warning', 'reason', $5::text))`,
    [
      failure.tenantId,
      failure.userId ?? null,
      failure.origin.ip ?? null,
      failure.origin.userAgent ?? null,
      failure.reason,
    ],
  );
};

/** Replaces the hash that was checked by a better one of the same password; nothing where the password changed meanwhile. */
export const replaceHash = async (
  tx: Transaction,
  change: { readonly userId: string; readonly from: string; readonly to: string },
): Promise<boolean> => {
  const { rowCount } = await tx.query(
    'UPDATE auth.users_extended SET password_hash = $3 WHERE id = $1 AND password_hash = $2',
    [change.userId, change.from, change.to],
  );
  return rowCount === 1;
};

/** The session's account has just proved itself. True for a live session. */
export const touchProof = async (tx: Transaction, sessionId: string, nowMs: number): Promise<boolean> => {
  const { rowCount } = await tx.query(
    `UPDATE auth.user_sessions SET proved_at = $2 WHERE id = $1 AND status = 'active' AND expires_at > $2`,
    [sessionId, new Date(nowMs)],
  );
  return rowCount === 1;
};
