/** The statements on roles and who holds them. Called by services/admin-roles.ts and services/admin-users.ts, inside a tenant's transaction. */
import { z } from 'zod';
import type { Transaction } from './database.ts';

const roleRow = z.object({
  id: z.uuid(),
  slug: z.string(),
  name: z.string(),
  description: z.string().nullable(),
  level: z.int(),
  is_system: z.boolean(),
  is_super_admin: z.boolean(),
  permissions: z.array(z.string()),
  holders: z.int(),
  highest_holder_level: z.int(),
});

export type RoleRow = Readonly<z.infer<typeof roleRow>>;

const BASE = `r.id, r.slug, r.name, r.description, r.role_level AS level, r.is_system_role AS is_system,
  r.is_system_role AND r.role_type = 'super_admin' AS is_super_admin,
  ARRAY(SELECT p.name FROM auth.role_permissions rp JOIN auth.permissions p ON p.id = rp.permission_id
        WHERE rp.role_id = r.id ORDER BY p.name) AS permissions,
  (SELECT count(*)::int FROM auth.user_roles ur WHERE ur.role_id = r.id) AS holders`;

/** The highest level that one of its holders has, through whatever role: only an edit asks, since it visits every holder. */
const HIGHEST_HOLDER = `(SELECT coalesce(max(other.role_level), 0)::int FROM auth.user_roles ur
   JOIN auth.user_roles also ON also.user_id = ur.user_id AND (also.expires_at IS NULL OR also.expires_at > now())
   JOIN auth.roles other ON other.id = also.role_id
   WHERE ur.role_id = r.id) AS highest_holder_level`;

const LISTED = `${BASE}, 0 AS highest_holder_level`;

export const listRoles = async (tx: Transaction): Promise<readonly RoleRow[]> => {
  const { rows } = await tx.query(`SELECT ${LISTED} FROM auth.roles r ORDER BY r.role_level DESC, r.slug LIMIT 500`);
  return z.array(roleRow).parse(rows);
};

export const findRole = async (tx: Transaction, roleId: string): Promise<RoleRow | undefined> => {
  const { rows } = await tx.query(`SELECT ${BASE}, ${HIGHEST_HOLDER} FROM auth.roles r WHERE r.id = $1`, [roleId]);
  return rows[0] === undefined ? undefined : roleRow.parse(rows[0]);
};

export const findRolesBySlug = async (tx: Transaction, slugs: readonly string[]): Promise<readonly RoleRow[]> => {
  const { rows } = await tx.query(`SELECT ${LISTED} FROM auth.roles r WHERE r.slug = ANY ($1)`, [slugs]);
  return z.array(roleRow).parse(rows);
};

export interface NewRole {
  readonly tenantId: string;
  readonly slug: string;
  readonly name: string;
  readonly description: string | undefined;
  readonly level: number;
}

/** @throws the driver's unique violation when the organization has a role of that slug */
export const insertRole = async (tx: Transaction, role: NewRole): Promise<string> => {
  const { rows } = await tx.query(
    'INSERT INTO auth.roles (org_id, slug, name, description, role_level) VALUES ($1, $2, $3, $4, $5) RETURNING id',
    [role.tenantId, role.slug, role.name, role.description ?? null, role.level],
  );
  return z.object({ id: z.uuid() }).parse(rows[0]).id;
};

export interface RoleFields {
  readonly name: string;
  readonly description: string | null;
  readonly level: number;
}

export const updateRole = async (
  tx: Transaction,
  roleId: string,
  { name, description, level }: RoleFields,
): Promise<void> => {
  await tx.query('UPDATE auth.roles SET name = $2, description = $3, role_level = $4 WHERE id = $1', [
    roleId,
    name,
    description,
    level,
  ]);
};

export const deleteRole = async (tx: Transaction, roleId: string): Promise<void> => {
  await tx.query('DELETE FROM auth.roles WHERE id = $1', [roleId]);
};

/** The permissions of a role become exactly these. */
export const setRolePermissions = async (
  tx: Transaction,
  roleId: string,
  permissions: readonly string[],
): Promise<void> => {
  await tx.query(
    `DELETE FROM auth.role_permissions USING auth.permissions p
     WHERE role_id = $1 AND permission_id = p.id AND NOT p.name = ANY ($2)`,
    [roleId, permissions],
  );
  await tx.query(
    `INSERT INTO auth.role_permissions (role_id, permission_id) SELECT $1, id FROM auth.permissions WHERE name = ANY ($2)
     ON CONFLICT DO NOTHING`,
    [roleId, permissions],
  );
};

export interface Assignment {
  readonly userId: string;
  readonly roleId: string;
  readonly assignedBy: string;
  readonly expiresAt: Date | undefined;
}

/** Gives the role, or moves the end of one that is held. */
export const assignRole = async (
  tx: Transaction,
  { userId, roleId, assignedBy, expiresAt }: Assignment,
): Promise<void> => {
  await tx.query(
    `INSERT INTO auth.user_roles (user_id, role_id, assigned_by, expires_at) VALUES ($1, $2, $3, $4)
     ON CONFLICT (user_id, role_id) DO UPDATE SET assigned_by = excluded.assigned_by, expires_at = excluded.expires_at`,
    [userId, roleId, assignedBy, expiresAt ?? null],
  );
};

/** True where it was held. */
export const removeRole = async (tx: Transaction, userId: string, roleId: string): Promise<boolean> => {
  const { rowCount } = await tx.query('DELETE FROM auth.user_roles WHERE user_id = $1 AND role_id = $2', [
    userId,
    roleId,
  ]);
  return rowCount === 1;
};
