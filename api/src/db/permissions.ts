/** The statements behind access checks. Called by services/permissions.ts, inside a tenant's transaction. */
import type { Transaction } from './database.ts';

export const hasPermission = async (tx: Transaction, userId: string, permission: string): Promise<boolean> => {
  const { rows } = await tx.query('SELECT auth.user_has_permission($1, $2) AS allowed', [userId, permission]);
  return rows[0]?.['allowed'] === true;
};
