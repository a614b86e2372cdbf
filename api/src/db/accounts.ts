/** The statements on accounts. Called by services/accounts.ts, inside a tenant's transaction. */
import { z } from 'zod';
import type { Database, Transaction } from './database.ts';

export interface NewAccount {
  readonly tenantId: string;
  readonly email: string;
  readonly passwordHash: string;
  readonly firstName: string | undefined;
  readonly lastName: string | undefined;
  readonly displayName: string;
  readonly nowMs: number;
  readonly passwordExpiresAtMs: number | undefined;
}

/**
 * Account, preferences and the `user` role in one statement.
 * @throws the driver's unique violation when the address is taken: the index decides, so two registrations at once cannot both win.
 */
export const insertAccount = async (tx: Transaction, account: NewAccount): Promise<string> => {
  const { rows } = await tx.query(
    `INSERT INTO auth.users_extended (org_id, email, password_hash, password_changed_at, password_expires_at, first_name, last_name, display_name)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING id`,
    [
      account.tenantId,
      account.email,
      account.passwordHash,
      new Date(account.nowMs),
      account.passwordExpiresAtMs === undefined ? null : new Date(account.passwordExpiresAtMs),
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

/** The organization's id; organizations are no tenant's rows, so no tenant is set. */
export const findOrganization = async (database: Database, slug: string): Promise<string | undefined> => {
  const [row] = await database.query('SELECT id FROM public.organization WHERE slug = $1', [slug]);
  return row === undefined ? undefined : z.object({ id: z.uuid() }).parse(row).id;
};
