/** The admin API on roles, who holds them, and direct grants. Mounted by app.ts through http/mount.ts; services/admin-roles.ts does the work. */
import { z } from 'zod';
import { MAX_CUSTOM_LEVEL } from '../core/levels.ts';
import { type Endpoint, endpoint } from '../http/endpoint.ts';
import { plainText } from '../http/plain-text.ts';
import type { AdminRoles } from '../services/admin-roles.ts';
import { adminCall, expiresAt, HIDDEN, permissionName, RANKED, scoped, TAG, user } from './admin-fields.ts';
import { personName } from './fields.ts';

export interface AdminRoleRouteDeps {
  readonly adminRoles: AdminRoles;
}

const ROLES = '/api/v1/admin/roles';
const ROLE = `${ROLES}/{roleId}`;
const HOLDING = '/api/v1/admin/users/{userId}/roles/{roleId}';
const GRANTS = '/api/v1/admin/users/{userId}/permissions';

const role = z
  .object({
    id: z.uuid(),
    slug: z.string(),
    name: z.string(),
    description: z.string().nullable(),
    level: z.int(),
    isSystem: z.boolean(),
    permissions: z.array(z.string()),
    holders: z.int(),
  })
  .meta({ id: 'Role' });

const params = z.strictObject({ roleId: z.uuid() });
const description = z
  .string()
  .max(1000)
  .transform(plainText)
  .pipe(
    z
      .string()
      .max(500)
      .regex(/^\P{Cc}*$/u, 'must have no control characters'),
  );
const level = z.int().min(1).max(MAX_CUSTOM_LEVEL);
const permissions = z.array(permissionName).max(200);

const readRoles = ({ adminRoles }: AdminRoleRouteDeps): readonly Endpoint[] => [
  endpoint(
    {
      method: 'get',
      path: ROLES,
      tag: TAG,
      summary: 'List the roles of the organization, highest first',
      access: { permission: 'roles:read' },
      query: scoped,
      answers: { 200: { description: 'The roles', schema: z.object({ roles: z.array(role) }) } },
      problems: HIDDEN,
    },
    async (call) => ({ status: 200, body: { roles: await adminRoles.list(adminCall(call)) } }),
  ),
  endpoint(
    {
      method: 'get',
      path: ROLE,
      tag: TAG,
      summary: 'Show a role',
      access: { permission: 'roles:read' },
      params,
      query: scoped,
      answers: { 200: { description: 'The role', schema: role } },
      problems: HIDDEN,
    },
    async (call) => ({ status: 200, body: await adminRoles.get(adminCall(call), call.params.roleId) }),
  ),
];

const createRole = ({ adminRoles }: AdminRoleRouteDeps): Endpoint =>
  endpoint(
    {
      method: 'post',
      path: ROLES,
      tag: TAG,
      summary: "Make a role below one's own level, of permissions that one holds",
      access: { permission: 'roles:create' },
      query: scoped,
      body: z.strictObject({
        slug: z.string().regex(/^[a-z][a-z0-9_]{0,62}$/, 'must be lower-case letters, digits and _'),
        name: personName,
        description: description.optional(),
        level,
        permissions,
      }),
      answers: { 201: { description: 'The role', schema: role } },
      problems: [...RANKED, 'conflict'],
    },
    async (call) => ({ status: 201, body: await adminRoles.create(adminCall(call), call.body) }),
  );

const changeRole = ({ adminRoles }: AdminRoleRouteDeps): Endpoint =>
  endpoint(
    {
      method: 'patch',
      path: ROLE,
      tag: TAG,
      summary: 'Change a role for everybody who holds it',
      access: { permission: 'roles:update' },
      params,
      query: scoped,
      body: z.strictObject({
        name: personName.optional(),
        description: description.nullable().optional(),
        level: level.optional(),
        permissions: permissions.optional(),
      }),
      answers: { 200: { description: 'The role as it is now', schema: role } },
      problems: [...RANKED, 'role-fixed'],
    },
    async (call) => ({ status: 200, body: await adminRoles.change(adminCall(call), call.params.roleId, call.body) }),
  );

const removeRole = ({ adminRoles }: AdminRoleRouteDeps): Endpoint =>
  endpoint(
    {
      method: 'delete',
      path: ROLE,
      tag: TAG,
      summary: 'Delete a role; whoever holds it loses it',
      access: { permission: 'roles:delete' },
      params,
      query: scoped,
      answers: { 204: { description: 'It is gone' } },
      problems: [...RANKED, 'role-fixed'],
    },
    async (call) => {
      await adminRoles.delete(adminCall(call), call.params.roleId);
      return { status: 204 };
    },
  );

const holding = z.strictObject({ userId: z.uuid(), roleId: z.uuid() });

const giveRole = ({ adminRoles }: AdminRoleRouteDeps): Endpoint =>
  endpoint(
    {
      method: 'put',
      path: HOLDING,
      tag: TAG,
      summary: 'Give a role to an account, for good or until a time',
      access: { permission: 'roles:assign' },
      params: holding,
      query: scoped,
      body: z.strictObject({ expiresAt: expiresAt.optional() }),
      answers: { 200: { description: 'The account as it is now', schema: user } },
      problems: [...RANKED, 'last-super-admin'],
    },
    async (call) => ({
      status: 200,
      body: await adminRoles.assign(adminCall(call), { ...call.params, expiresAt: call.body.expiresAt }),
    }),
  );

const takeRole = ({ adminRoles }: AdminRoleRouteDeps): Endpoint =>
  endpoint(
    {
      method: 'delete',
      path: HOLDING,
      tag: TAG,
      summary: 'Take a role from an account',
      access: { permission: 'roles:assign' },
      params: holding,
      query: scoped,
      answers: { 200: { description: 'The account as it is now', schema: user } },
      problems: [...RANKED, 'last-super-admin'],
    },
    async (call) => ({ status: 200, body: await adminRoles.revoke(adminCall(call), call.params) }),
  );

const userPermissions = z
  .object({
    effective: z.array(z.string()),
    direct: z.array(
      z.object({ permission: z.string(), isGranted: z.boolean(), expiresAt: z.iso.datetime().nullable() }),
    ),
  })
  .meta({ id: 'UserPermissions' });

const grant = z.strictObject({ userId: z.uuid(), permission: permissionName });

const listGrants = ({ adminRoles }: AdminRoleRouteDeps): Endpoint =>
  endpoint(
    {
      method: 'get',
      path: GRANTS,
      tag: TAG,
      summary: 'Show what an account may do, and what it was given or denied directly',
      access: { permission: 'permissions:read' },
      params: z.strictObject({ userId: z.uuid() }),
      query: scoped,
      answers: { 200: { description: 'The permissions', schema: userPermissions } },
      problems: HIDDEN,
    },
    async (call) => ({ status: 200, body: await adminRoles.userPermissions(adminCall(call), call.params.userId) }),
  );

const putGrant = ({ adminRoles }: AdminRoleRouteDeps): Endpoint =>
  endpoint(
    {
      method: 'put',
      path: `${GRANTS}/{permission}`,
      tag: TAG,
      summary: 'Give a permission to an account, or deny it whatever its roles say',
      access: { permission: 'permissions:assign' },
      params: grant,
      query: scoped,
      body: z.strictObject({ isGranted: z.boolean(), expiresAt: expiresAt.optional() }),
      answers: { 200: { description: 'The permissions as they are now', schema: userPermissions } },
      problems: RANKED,
    },
    async (call) => {
      const { isGranted, expiresAt: end } = call.body;
      const body = await adminRoles.putGrant(adminCall(call), { ...call.params, isGranted, expiresAt: end });
      return { status: 200, body };
    },
  );

const deleteGrant = ({ adminRoles }: AdminRoleRouteDeps): Endpoint =>
  endpoint(
    {
      method: 'delete',
      path: `${GRANTS}/{permission}`,
      tag: TAG,
      summary: 'Take back a direct grant or denial',
      access: { permission: 'permissions:assign' },
      params: grant,
      query: scoped,
      answers: { 200: { description: 'The permissions as they are now', schema: userPermissions } },
      problems: RANKED,
    },
    async (call) => ({ status: 200, body: await adminRoles.deleteGrant(adminCall(call), call.params) }),
  );

const permission = z
  .object({ name: z.string(), resource: z.string(), action: z.string(), description: z.string().nullable() })
  .meta({ id: 'Permission' });

const listPermissions = ({ adminRoles }: AdminRoleRouteDeps): Endpoint =>
  endpoint(
    {
      method: 'get',
      path: '/api/v1/admin/permissions',
      tag: TAG,
      summary: 'List every permission there is',
      access: { permission: 'permissions:read' },
      query: scoped,
      answers: { 200: { description: 'By name', schema: z.object({ permissions: z.array(permission) }) } },
      problems: HIDDEN,
    },
    async (call) => ({ status: 200, body: { permissions: await adminRoles.permissions(adminCall(call)) } }),
  );

export const adminRoleRoutes = (deps: AdminRoleRouteDeps): readonly Endpoint[] => [
  ...readRoles(deps),
  createRole(deps),
  changeRole(deps),
  removeRole(deps),
  giveRole(deps),
  takeRole(deps),
  listGrants(deps),
  putGrant(deps),
  deleteGrant(deps),
  listPermissions(deps),
];
