/** The statements on accounts. Called by services/accounts.ts, inside a tenant's transaction. */
import { z } from 'zod';
import type { Database, Transaction } from './database.ts';
import type { Origin } from './sessions.ts';

const loginRow = z.object({ id: z.uuid(), password_hash: z.string().nullable(), is_usable: z.boolean() });

export interface LoginAccount {
  readonly id: string;
  readonly passwordHash: string | undefined;
  readonly isUsable: boolean;
}

export const findLoginAccount = async (tx: Transaction, email: string): Promise<LoginAccount | undefined> => {
  const { rows } = await tx.query(
    `SELECT id, password_hash, is_active AND deleted_at IS NULL AS is_usable
     FROM auth.users_extended WHERE email = $1`,
    [email],
  );
  if (rows[0] === undefined) return undefined;
  const row = loginRow.parse(rows[0]);
  return { id: row.id, passwordHash: row.password_hash ?? undefined, isUsable: row.is_usable };
};

export interface NewAccount {
  readonly tenantId: string;
  readonly email: string;
  readonly passwordHash: string;
  readonly firstName: string | undefined;
  readonly lastName: string | undefined;
  readonly displayName: string;
}

/**
 * Account, preferences and the `user` role in one statement.
 * @throws the driver's unique violation when the address is taken: the index decides, so two registrations at once cannot both win.
 */
export const insertAccount = async (tx: Transaction, account: NewAccount): Promise<string> => {
  const { rows } = await tx.query(
    `INSERT INTO auth.users_extended (org_id, email, password_hash, password_changed_at, first_name, last_name, display_name)
     VALUES ($1, $2, $3, now(), $4, $5, $6) RETURNING id`,
    [
      account.tenantId,
      account.email,
      account.passwordHash,
      account.firstName ?? null,
      account.lastName ?? null,
      account.displayName,
    ],
  );
  const { id } = z.object({ id: z.uuid() }).parse(rows[0]);
  // A second statement, because row level security lets the links see the account only once its insert is done.
  await tx.query(
    `WITH preferences AS (INSERT INTO auth.user_preferences (user_id) VALUES ($1))
     INSERT INTO auth.user_roles (user_id, role_id) SELECT $1, id FROM auth.roles WHERE slug = 'user'`,
    [id],
  );
  return id;
};

/** The same statement for a known and an unknown account, so that neither time nor load tells them apart. */
export const recordFailedLogin = async (
  tx: Transaction,
  failure: { readonly tenantId: string; readonly userId: string | undefined; readonly origin: Origin },
): Promise<void> => {
  await tx.query(
    `WITH history AS (
       INSERT INTO auth.login_history (org_id, user_id, success, failure_reason, ip_address, user_agent)
       VALUES ($1, $2, false, 'invalid-credentials', $3, $4)
     )
     SELECT auth.log_audit_event($2, $1, 'login_failed', 'login', 'user', $2, NULL, NULL, '{"severity": "warning"}')`,
    [failure.tenantId, failure.userId ?? null, failure.origin.ip ?? null, failure.origin.userAgent ?? null],
  );
};

/** The organization's id; organizations are no tenant's rows, so no tenant is set. */
export const findOrganization = async (database: Database, slug: string): Promise<string | undefined> => {
  const [row] = await database.query('SELECT id FROM public.organization WHERE slug = $1', [slug]);
  return row === undefined ? undefined : z.object({ id: z.uuid() }).parse(row).id;
};
