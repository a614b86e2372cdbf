/** Administration of feature flags and of the system's configuration. Called by routes/admin-config.ts; statements in db/feature-flags.ts and db/system-config.ts. */
import { deleteFlag, type Flag, type FlagRow, findFlag, listFlags, putFlag } from '../db/feature-flags.ts';
import {
  type ConfigRow,
  deleteInstallationValue,
  installationValue,
  listConfig,
  putInstallationValue,
} from '../db/system-config.ts';
import { AppError } from '../errors.ts';
import { type AdminCall, type AdminScope, type AdminScopes, demand, found } from './admin-scope.ts';
import type { Modes } from './modes.ts';

/** Whose flag it is: the organization's, or everybody's, which only a super administrator sets. */
export type FlagOwner = 'organization' | 'installation';

export interface FeatureFlag {
  readonly name: string;
  readonly owner: FlagOwner;
  readonly isEnabled: boolean;
  readonly rolloutPercentage: number;
  readonly description: string | null;
  readonly updatedAt: string;
}

const flagOf = (row: FlagRow): FeatureFlag => ({
  name: row.name,
  owner: row.is_installation ? 'installation' : 'organization',
  isEnabled: row.is_enabled,
  rolloutPercentage: row.rollout_percentage,
  description: row.description,
  updatedAt: row.updated_at.toISOString(),
});

export interface ConfigEntry {
  readonly key: string;
  readonly owner: FlagOwner;
  readonly value: unknown;
  readonly updatedAt: string;
}

const entryOf = (row: ConfigRow): ConfigEntry => ({
  key: row.key,
  owner: row.is_installation ? 'installation' : 'organization',
  value: row.value,
  updatedAt: row.updated_at.toISOString(),
});

export interface AdminConfigDeps {
  readonly scopes: AdminScopes;
  readonly modes: Modes;
}

export class AdminConfig {
  readonly #deps: AdminConfigDeps;

  constructor(deps: AdminConfigDeps) {
    this.#deps = deps;
  }

  flags(call: AdminCall): Promise<readonly FeatureFlag[]> {
    return this.#run(call, 'read', 'feature-flags.list', async ({ tx }) => (await listFlags(tx)).map(flagOf));
  }

  /** @throws AppError `level-too-low` for the installation's, unless a super administrator asks */
  async putFlag(call: AdminCall, owner: FlagOwner, flag: Flag): Promise<FeatureFlag> {
    const put = await this.#run(call, 'change', 'feature-flags.put', async (scope) => {
      const ownerId = ownerIdOf(scope, owner);
      const before = await findFlag(scope.tx, ownerId, flag.name);
      await putFlag(scope.tx, ownerId, flag);
      const after = flagOf(found(await findFlag(scope.tx, ownerId, flag.name)));
      await scope.record({ eventType: 'feature_flag_changed', before: before && flagOf(before), after });
      return after;
    });
    if (owner === 'installation') await this.#deps.modes.refresh();
    return put;
  }

  /** @throws AppError `not-found` | `level-too-low` */
  async deleteFlag(call: AdminCall, owner: FlagOwner, name: string): Promise<void> {
    await this.#run(call, 'change', 'feature-flags.delete', async (scope) => {
      const ownerId = ownerIdOf(scope, owner);
      const before = flagOf(found(await findFlag(scope.tx, ownerId, name)));
      await deleteFlag(scope.tx, ownerId, name);
      await scope.record({ eventType: 'feature_flag_changed', before });
    });
    if (owner === 'installation') await this.#deps.modes.refresh();
  }

  config(call: AdminCall): Promise<readonly ConfigEntry[]> {
    return this.#run(call, 'read', 'system-config.list', async ({ tx }) => (await listConfig(tx)).map(entryOf));
  }

  /** This pod follows at once, the others within a second. @throws AppError `level-too-low` */
  async putConfig(call: AdminCall, key: string, value: unknown): Promise<void> {
    await this.#run(call, 'change', 'system-config.put', async (scope) => {
      demand(scope.actor.isSuperAdmin);
      const before = await installationValue(scope.tx, key);
      await putInstallationValue(scope.tx, key, value);
      await scope.record({ eventType: 'config_changed', before: { [key]: before ?? null }, after: { [key]: value } });
    });
    await this.#deps.modes.refresh();
  }

  /** Back to what the environment says. @throws AppError `not-found` | `level-too-low` */
  async deleteConfig(call: AdminCall, key: string): Promise<void> {
    await this.#run(call, 'change', 'system-config.delete', async (scope) => {
      demand(scope.actor.isSuperAdmin);
      const before = await installationValue(scope.tx, key);
      if (!(await deleteInstallationValue(scope.tx, key))) throw new AppError('not-found');
      await scope.record({ eventType: 'config_changed', before: { [key]: before } });
    });
    await this.#deps.modes.refresh();
  }

  #run<T>(call: AdminCall, kind: 'read' | 'change', name: string, work: (scope: AdminScope) => Promise<T>): Promise<T> {
    return this.#deps.scopes.run(call, { name, kind, resource: { type: 'configuration', id: undefined } }, work);
  }
}

/** undefined: the whole installation's. @throws AppError `level-too-low` */
const ownerIdOf = ({ actor, tenantId }: AdminScope, owner: FlagOwner): string | undefined => {
  if (owner === 'organization') return tenantId;
  demand(actor.isSuperAdmin);
  return undefined;
};
