/** The statements behind access checks. Called by services/permissions.ts and services/admin-scope.ts, inside a tenant's transaction. */
import { z } from 'zod';
import type { Authority } from '../core/levels.ts';
import type { Transaction } from './database.ts';

export const hasPermission = async (tx: Transaction, userId: string, permission: string): Promise<boolean> => {
  const { rows } = await tx.query('SELECT auth.user_has_permission($1, $2) AS allowed', [userId, permission]);
  return rows[0]?.['allowed'] === true;
};

const authorityRow = z.object({ level: z.int(), is_super_admin: z.boolean(), permissions: z.array(z.string()) });

/** What the account may do now; an account that is disabled, or of another tenant, may nothing. */
export const readAuthority = async (tx: Transaction, userId: string): Promise<Authority> => {
  const { rows } = await tx.query(
    `SELECT coalesce(max(r.role_level), 0) AS level,
            coalesce(bool_or(r.is_system_role AND r.role_type = 'super_admin'), false) AS is_super_admin,
            ARRAY(SELECT permission_name FROM auth.get_user_permissions($1)) AS permissions
     FROM auth.users_extended u
     JOIN auth.user_roles ur ON ur.user_id = u.id AND (ur.expires_at IS NULL OR ur.expires_at > now())
     JOIN auth.roles r ON r.id = ur.role_id
     WHERE u.id = $1 AND u.is_active AND u.deleted_at IS NULL`,
    [userId],
  );
  const row = authorityRow.parse(rows[0]);
  return { userId, level: row.level, isSuperAdmin: row.is_super_admin, permissions: new Set(row.permissions) };
};

/**
 * One change of who may do what at a time in an organization: what a change was allowed for is still so when it is written. Ends with the
 * transaction.
 */
export const lockAuthority = async (tx: Transaction, tenantId: string): Promise<void> => {
  await tx.query("SELECT pg_advisory_xact_lock(hashtextextended('latchkey.authority ' || $1, 0))", [tenantId]);
};

/** Whether somebody else could still administer everything, in whatever organization (migration 0025). */
export const hasOtherSuperAdmin = async (tx: Transaction, userId: string): Promise<boolean> => {
  const { rows } = await tx.query('SELECT latchkey.has_other_super_admin($1) AS found', [userId]);
  return rows[0]?.['found'] === true;
};

export interface PermissionRow {
  readonly name: string;
  readonly resource: string;
  readonly action: string;
  readonly description: string | null;
}

const permissionRow = z.object({
  name: z.string(),
  resource: z.string(),
  action: z.string(),
  description: z.string().nullable(),
});

export const listPermissions = async (tx: Transaction): Promise<readonly PermissionRow[]> => {
  const { rows } = await tx.query('SELECT name, resource, action, description FROM auth.permissions ORDER BY name');
  return z.array(permissionRow).parse(rows);
};

const grantRow = z.object({ name: z.string(), is_granted: z.boolean(), expires_at: z.date().nullable() });

export type GrantRow = Readonly<z.infer<typeof grantRow>>;

/** What the account was given or denied directly, with what has expired. */
export const listGrants = async (tx: Transaction, userId: string): Promise<readonly GrantRow[]> => {
  const { rows } = await tx.query(
    `SELECT p.name, up.is_granted, up.expires_at FROM auth.user_permissions up JOIN auth.permissions p ON p.id = up.permission_id
     WHERE up.user_id = $1 ORDER BY p.name`,
    [userId],
  );
  return z.array(grantRow).parse(rows);
};

export interface Grant {
  readonly userId: string;
  readonly permission: string;
  readonly isGranted: boolean;
  readonly expiresAt: Date | undefined;
  readonly assignedBy: string;
}

/** False where there is no such permission. */
export const putGrant = async (tx: Transaction, grant: Grant): Promise<boolean> => {
  const { rowCount } = await tx.query(
    `INSERT INTO auth.user_permissions (user_id, permission_id, is_granted, expires_at, assigned_by)
     SELECT $1, id, $3, $4, $5 FROM auth.permissions WHERE name = $2
     ON CONFLICT (user_id, permission_id) DO UPDATE
     SET is_granted = excluded.is_granted, expires_at = excluded.expires_at, assigned_by = excluded.assigned_by`,
    [grant.userId, grant.permission, grant.isGranted, grant.expiresAt ?? null, grant.assignedBy],
  );
  return rowCount === 1;
};

/** True where there was one. */
export const deleteGrant = async (tx: Transaction, userId: string, permission: string): Promise<boolean> => {
  const { rowCount } = await tx.query(
    `DELETE FROM auth.user_permissions USING auth.permissions p
     WHERE user_id = $1 AND permission_id = p.id AND p.name = $2`,
    [userId, permission],
  );
  return rowCount === 1;
};
