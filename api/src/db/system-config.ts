/**
 * The statements on auth.system_config. Called by services/modes.ts and services/admin-config.ts. Every key we know belongs to the whole
 * installation (org_id NULL), which every tenant reads; it is written through two functions of the schema's owner (migration 0025), since no
 * tenant may write what is everybody's.
 */
import { z } from 'zod';
import type { ModeState } from '../core/modes.ts';
import type { Database, Transaction } from './database.ts';

export interface RolloutFlag {
  readonly isFeatureEnabled: boolean;
  readonly rolloutPercentage: number;
}

/** What the installation's own rows say; a value that is not what its key should hold counts as not there. */
export interface Installation {
  readonly modes: Partial<ModeState>;
  readonly rollout: RolloutFlag | undefined;
}

const installationRow = z.object({
  maintenance: z.boolean().nullable().catch(null),
  disabled: z.boolean().nullable().catch(null),
  retry_after: z.int().min(1).max(86_400).nullable().catch(null),
  rollout_enabled: z.boolean().nullable(),
  rollout_percentage: z.int().nullable(),
});

/** One statement, no tenant: without one, row level security shows the installation's rows and no others. */
export const readInstallation = async (database: Database): Promise<Installation> => {
  const [found] = await database.query(
    `SELECT (SELECT value FROM auth.system_config WHERE org_id IS NULL AND key = 'maintenance_mode') AS maintenance,
            (SELECT value FROM auth.system_config WHERE org_id IS NULL AND key = 'auth_disabled') AS disabled,
            (SELECT value FROM auth.system_config WHERE org_id IS NULL AND key = 'maintenance_retry_after_seconds') AS retry_after,
            f.is_enabled AS rollout_enabled, f.rollout_percentage
     FROM (SELECT 1) AS one LEFT JOIN auth.feature_flags f ON f.org_id IS NULL AND f.name = 'auth_rollout'`,
  );
  const row = installationRow.parse(found);
  const rollout =
    row.rollout_enabled === null || row.rollout_percentage === null
      ? undefined
      : { isFeatureEnabled: row.rollout_enabled, rolloutPercentage: row.rollout_percentage };
  return {
    modes: {
      ...(row.maintenance === null ? {} : { isInMaintenance: row.maintenance }),
      ...(row.disabled === null ? {} : { isAuthDisabled: row.disabled }),
      ...(row.retry_after === null ? {} : { retryAfterSeconds: row.retry_after }),
    },
    rollout,
  };
};

const configRow = z.object({
  key: z.string(),
  value: z.unknown(),
  description: z.string().nullable(),
  is_installation: z.boolean(),
  updated_at: z.date(),
});

export type ConfigRow = Readonly<z.infer<typeof configRow>>;

/** The installation's rows and the tenant's own. */
export const listConfig = async (tx: Transaction): Promise<readonly ConfigRow[]> => {
  const { rows } = await tx.query(
    `SELECT key, value, description, org_id IS NULL AS is_installation, updated_at
     FROM auth.system_config ORDER BY key, org_id NULLS FIRST LIMIT 500`,
  );
  return z.array(configRow).parse(rows);
};

/** The value before; undefined where there was none. */
export const installationValue = async (tx: Transaction, key: string): Promise<unknown> => {
  const { rows } = await tx.query('SELECT value FROM auth.system_config WHERE org_id IS NULL AND key = $1', [key]);
  return rows[0]?.['value'];
};

export const putInstallationValue = async (tx: Transaction, key: string, value: unknown): Promise<void> => {
  await tx.query('SELECT latchkey.put_installation_config($1, $2)', [key, JSON.stringify(value)]);
};

/** True where there was one. */
export const deleteInstallationValue = async (tx: Transaction, key: string): Promise<boolean> => {
  const { rows } = await tx.query('SELECT latchkey.delete_installation_config($1) AS deleted', [key]);
  return rows[0]?.['deleted'] === true;
};
