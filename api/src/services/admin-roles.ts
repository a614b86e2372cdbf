/** Administration of roles, of who holds them, and of direct grants and denials. Called by routes/admin-roles.ts; core/levels.ts decides. */
import {
  mayChangePermission,
  mayChangeRole,
  mayCreateRole,
  mayGrantRole,
  mayRevokeRole,
  type RoleShape,
} from '../core/levels.ts';
import { findUser } from '../db/admin-users.ts';
import {
  deleteGrant,
  type GrantRow,
  listGrants,
  listPermissions,
  type PermissionRow,
  putGrant,
  readAuthority,
} from '../db/permissions.ts';
import {
  assignRole,
  deleteRole,
  findRole,
  insertRole,
  listRoles,
  type RoleRow,
  removeRole,
  setRolePermissions,
  updateRole,
} from '../db/roles.ts';
import { isUniqueViolation } from '../db/sqlstate.ts';
import { AppError } from '../errors.ts';
import { type AdminAction, type AdminCall, type AdminScope, type AdminScopes, demand, found } from './admin-scope.ts';
import { keepSuperAdmin, type User, userOf } from './admin-users.ts';

export interface Role {
  readonly id: string;
  readonly slug: string;
  readonly name: string;
  readonly description: string | null;
  readonly level: number;
  readonly isSystem: boolean;
  readonly permissions: readonly string[];
  /** How many accounts hold it. */
  readonly holders: number;
}

const roleOf = (row: RoleRow): Role => ({
  id: row.id,
  slug: row.slug,
  name: row.name,
  description: row.description,
  level: row.level,
  isSystem: row.is_system,
  permissions: row.permissions,
  holders: row.holders,
});

export interface RoleDraft extends RoleShape {
  readonly slug: string;
  readonly name: string;
  readonly description?: string | undefined;
}

/** undefined leaves a field as it is. */
export interface RoleEdit {
  readonly name?: string | undefined;
  readonly description?: string | null | undefined;
  readonly level?: number | undefined;
  readonly permissions?: readonly string[] | undefined;
}

export interface UserPermissions {
  /** What the account may do now: roles and grants, minus denials. */
  readonly effective: readonly string[];
  readonly direct: readonly {
    readonly permission: string;
    readonly isGranted: boolean;
    readonly expiresAt: string | null;
  }[];
}

const directOf = (rows: readonly GrantRow[]): UserPermissions['direct'] =>
  rows.map((row) => ({
    permission: row.name,
    isGranted: row.is_granted,
    expiresAt: row.expires_at?.toISOString() ?? null,
  }));

/** The five of the runbook are the same in every organization. @throws AppError `not-found` | `role-fixed` */
const customRole = async ({ tx }: AdminScope, roleId: string): Promise<RoleRow> => {
  const role = found(await findRole(tx, roleId));
  if (role.is_system) throw new AppError('role-fixed');
  return role;
};

export class AdminRoles {
  readonly #scopes: AdminScopes;

  constructor(scopes: AdminScopes) {
    this.#scopes = scopes;
  }

  permissions(call: AdminCall): Promise<readonly PermissionRow[]> {
    return this.#scopes.run(call, reading('permissions.list'), ({ tx }) => listPermissions(tx));
  }

  list(call: AdminCall): Promise<readonly Role[]> {
    return this.#scopes.run(call, reading('roles.list'), async ({ tx }) => (await listRoles(tx)).map(roleOf));
  }

  get(call: AdminCall, roleId: string): Promise<Role> {
    return this.#scopes.run(call, reading('roles.get', roleId), async ({ tx }) =>
      roleOf(found(await findRole(tx, roleId))),
    );
  }

  /** @throws AppError `level-too-low` | `conflict` when the slug is taken */
  async create(call: AdminCall, draft: RoleDraft): Promise<Role> {
    try {
      return await this.#scopes.run(call, changing('roles.create'), async (scope) => {
        demand(mayCreateRole(scope.actor, draft));
        const { tenantId, tx } = scope;
        const { slug, name, description, level } = draft;
        const id = await insertRole(tx, { tenantId, slug, name, description, level });
        await setRolePermissions(tx, id, draft.permissions);
        const after = roleOf(found(await findRole(tx, id)));
        await scope.record({ eventType: 'role_changed', after });
        return after;
      });
    } catch (error) {
      throw isUniqueViolation(error) ? new AppError('conflict', { cause: error }) : error;
    }
  }

  /** @throws AppError `not-found` | `role-fixed` | `level-too-low` */
  change(call: AdminCall, roleId: string, edit: RoleEdit): Promise<Role> {
    return this.#scopes.run(call, changing('roles.update', roleId), async (scope) => {
      const before = await customRole(scope, roleId);
      const after = {
        name: edit.name ?? before.name,
        description: edit.description === undefined ? before.description : edit.description,
        level: edit.level ?? before.level,
        permissions: edit.permissions ?? before.permissions,
      };
      demand(mayChangeRole(scope.actor, { before, after, highestHolderLevel: before.highest_holder_level }));
      await updateRole(scope.tx, roleId, after);
      if (edit.permissions !== undefined) await setRolePermissions(scope.tx, roleId, edit.permissions);
      const role = roleOf(found(await findRole(scope.tx, roleId)));
      await scope.record({ eventType: 'role_changed', before: roleOf(before), after: role });
      return role;
    });
  }

  /** Whoever holds it loses it. @throws AppError `not-found` | `role-fixed` | `level-too-low` */
  delete(call: AdminCall, roleId: string): Promise<void> {
    return this.#scopes.run(call, changing('roles.delete', roleId), async (scope) => {
      const before = await customRole(scope, roleId);
      demand(mayChangeRole(scope.actor, { before, after: before, highestHolderLevel: before.highest_holder_level }));
      await deleteRole(scope.tx, roleId);
      await scope.record({ eventType: 'role_changed', before: roleOf(before) });
    });
  }

  /** Gives the role or moves its end. @throws AppError `not-found` | `level-too-low` | `last-super-admin` */
  assign(
    call: AdminCall,
    holding: { readonly userId: string; readonly roleId: string; readonly expiresAt: Date | undefined },
  ): Promise<User> {
    const { userId, roleId, expiresAt } = holding;
    return this.#scopes.run(call, changing('users.roles.assign', roleId), async (scope) => {
      const { tx, actor } = scope;
      const user = found(await findUser(tx, userId));
      const role = found(await findRole(tx, roleId));
      demand(mayGrantRole(actor, { userId, level: user.level }, role));
      // An end is a removal that comes later.
      if (role.is_super_admin && expiresAt !== undefined) await keepSuperAdmin(scope, user);
      await assignRole(tx, { userId, roleId, assignedBy: actor.userId, expiresAt });
      return recordRoles(scope, userId, userOf(user));
    });
  }

  /** @throws AppError `not-found` | `level-too-low` | `last-super-admin` */
  revoke(call: AdminCall, { userId, roleId }: { readonly userId: string; readonly roleId: string }): Promise<User> {
    return this.#scopes.run(call, changing('users.roles.remove', roleId), async (scope) => {
      const user = found(await findUser(scope.tx, userId));
      const role = found(await findRole(scope.tx, roleId));
      demand(mayRevokeRole(scope.actor, { userId, level: user.level }, role));
      if (role.is_super_admin) await keepSuperAdmin(scope, user);
      if (!(await removeRole(scope.tx, userId, roleId))) throw new AppError('not-found');
      return recordRoles(scope, userId, userOf(user));
    });
  }

  userPermissions(call: AdminCall, userId: string): Promise<UserPermissions> {
    return this.#scopes.run(call, reading('users.permissions.list', userId, 'user'), async ({ tx }) => {
      found(await findUser(tx, userId));
      return permissionsOf({ tx }, userId);
    });
  }

  /** A grant, or a denial that beats every role. @throws AppError `not-found` | `level-too-low` */
  putGrant(
    call: AdminCall,
    grant: {
      readonly userId: string;
      readonly permission: string;
      readonly isGranted: boolean;
      readonly expiresAt: Date | undefined;
    },
  ): Promise<UserPermissions> {
    return this.#changeGrant(call, grant, async ({ tx, actor }) => {
      if (!(await putGrant(tx, { ...grant, assignedBy: actor.userId }))) throw new AppError('not-found');
    });
  }

  /** @throws AppError `not-found` | `level-too-low` */
  deleteGrant(
    call: AdminCall,
    grant: { readonly userId: string; readonly permission: string },
  ): Promise<UserPermissions> {
    return this.#changeGrant(call, grant, async ({ tx }) => {
      if (!(await deleteGrant(tx, grant.userId, grant.permission))) throw new AppError('not-found');
    });
  }

  #changeGrant(
    call: AdminCall,
    { userId, permission }: { readonly userId: string; readonly permission: string },
    write: (scope: AdminScope) => Promise<void>,
  ): Promise<UserPermissions> {
    return this.#scopes.run(call, changing('users.permissions.change', userId, 'user'), async (scope) => {
      const user = found(await findUser(scope.tx, userId));
      demand(mayChangePermission(scope.actor, { userId, level: user.level }, permission));
      const before = await permissionsOf(scope, userId);
      await write(scope);
      const after = await permissionsOf(scope, userId);
      const details = { permission };
      await scope.record({
        eventType: 'permission_changed',
        userId,
        before: before.direct,
        after: after.direct,
        details,
      });
      return after;
    });
  }
}

const action =
  (kind: AdminAction['kind']) =>
  (name: string, id?: string, type = 'role'): AdminAction => ({
    name,
    kind,
    resource: { type, id },
  });
const reading = action('read');
const changing = action('change');

const recordRoles = async (scope: AdminScope, userId: string, before: User): Promise<User> => {
  const after = userOf(found(await findUser(scope.tx, userId)));
  await scope.record({ eventType: 'role_changed', userId, before: before.roles, after: after.roles });
  return after;
};

const permissionsOf = async ({ tx }: Pick<AdminScope, 'tx'>, userId: string): Promise<UserPermissions> => {
  const direct = directOf(await listGrants(tx, userId));
  const { permissions } = await readAuthority(tx, userId);
  return { effective: [...permissions], direct };
};
