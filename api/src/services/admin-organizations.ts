/** Administration of organizations. Called by routes/admin-organizations.ts; statements in db/organizations.ts. */
import { randomUUID } from 'node:crypto';
import type { Database } from '../db/database.ts';
import { insertOrganization, listOrganizations, type OrganizationRow } from '../db/organizations.ts';
import { isUniqueViolation } from '../db/sqlstate.ts';
import { AppError } from '../errors.ts';
import { type AdminCall, type AdminScopes, demand, found } from './admin-scope.ts';

export interface Organization {
  readonly id: string;
  readonly slug: string | null;
  readonly name: string;
  readonly createdAt: string;
}

const organizationOf = (row: OrganizationRow): Organization => ({
  id: row.id,
  slug: row.slug,
  name: row.name,
  createdAt: row.created_at.toISOString(),
});

export interface OrganizationDraft {
  readonly slug: string;
  readonly name: string;
}

export interface AdminOrganizationDeps {
  readonly scopes: AdminScopes;
  readonly database: Database;
}

export class AdminOrganizations {
  readonly #deps: AdminOrganizationDeps;

  constructor(deps: AdminOrganizationDeps) {
    this.#deps = deps;
  }

  /** A super administrator sees all, everybody else his own. */
  list(call: AdminCall): Promise<readonly Organization[]> {
    const action = {
      name: 'organizations.list',
      kind: 'read',
      resource: { type: 'organization', id: undefined },
    } as const;
    return this.#deps.scopes.run(call, action, async ({ tx, tenantId, actor }) =>
      (await listOrganizations(tx, actor.isSuperAdmin ? undefined : tenantId)).map(organizationOf),
    );
  }

  /** With the five system roles. @throws AppError `level-too-low` | `conflict` when the slug is taken */
  async create(call: AdminCall, draft: OrganizationDraft): Promise<Organization> {
    const organization = { id: randomUUID(), ...draft };
    const action = {
      name: 'organizations.create',
      kind: 'change',
      resource: { type: 'organization', id: organization.id },
    } as const;
    try {
      return await this.#deps.scopes.run(call, action, async (scope) => {
        demand(scope.actor.isSuperAdmin);
        // Its rows belong to a tenant of its own, so a transaction of its own; should ours fail, its name remains and the trail does not.
        await this.#deps.database.inTenant(organization.id, (tx) => insertOrganization(tx, organization));
        const [opened] = await listOrganizations(scope.tx, organization.id);
        await scope.record({ eventType: 'config_changed', after: organization });
        return organizationOf(found(opened));
      });
    } catch (error) {
      throw isUniqueViolation(error) ? new AppError('conflict', { cause: error }) : error;
    }
  }
}
