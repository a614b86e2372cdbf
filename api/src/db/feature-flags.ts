/** The statements on auth.feature_flags. Called by services/feature-flags.ts and services/admin-config.ts, inside a tenant's transaction. */
import { z } from 'zod';
import type { Transaction } from './database.ts';

const flagRow = z.object({
  name: z.string(),
  is_enabled: z.boolean(),
  rollout_percentage: z.int(),
  description: z.string().nullable(),
  is_installation: z.boolean(),
  updated_at: z.date(),
});

export type FlagRow = Readonly<z.infer<typeof flagRow>>;

/** The installation's flags first, then the tenant's own. */
export const listFlags = async (tx: Transaction): Promise<readonly FlagRow[]> => {
  const { rows } = await tx.query(
    `SELECT name, is_enabled, rollout_percentage, description, org_id IS NULL AS is_installation, updated_at
     FROM auth.feature_flags ORDER BY org_id NULLS FIRST, name LIMIT 1000`,
  );
  return z.array(flagRow).parse(rows);
};

export interface Flag {
  readonly name: string;
  readonly isEnabled: boolean;
  readonly rolloutPercentage: number;
  readonly description: string | undefined;
}

/** undefined: the flag of the whole installation. */
type Owner = string | undefined;

export const findFlag = async (tx: Transaction, owner: Owner, name: string): Promise<FlagRow | undefined> => {
  const { rows } = await tx.query(
    `SELECT name, is_enabled, rollout_percentage, description, org_id IS NULL AS is_installation, updated_at
     FROM auth.feature_flags WHERE org_id IS NOT DISTINCT FROM $1 AND name = $2`,
    [owner ?? null, name],
  );
  return rows[0] === undefined ? undefined : flagRow.parse(rows[0]);
};

export const putFlag = async (tx: Transaction, owner: Owner, flag: Flag): Promise<void> => {
  const values = [flag.name, flag.isEnabled, flag.rolloutPercentage, flag.description ?? null];
  if (owner === undefined) {
    await tx.query('SELECT latchkey.put_installation_flag($1, $2, $3, $4)', values);
    return;
  }
  await tx.query(
    `INSERT INTO auth.feature_flags (name, is_enabled, rollout_percentage, description, org_id) VALUES ($1, $2, $3, $4, $5)
     ON CONFLICT (org_id, name) DO UPDATE
     SET is_enabled = excluded.is_enabled, rollout_percentage = excluded.rollout_percentage,
         description = coalesce(excluded.description, auth.feature_flags.description)`,
    [...values, owner],
  );
};

/** True where there was one. */
export const deleteFlag = async (tx: Transaction, owner: Owner, name: string): Promise<boolean> => {
  if (owner === undefined) {
    const { rows } = await tx.query('SELECT latchkey.delete_installation_flag($1) AS deleted', [name]);
    return rows[0]?.['deleted'] === true;
  }
  const { rowCount } = await tx.query('DELETE FROM auth.feature_flags WHERE org_id = $1 AND name = $2', [owner, name]);
  return rowCount === 1;
};
