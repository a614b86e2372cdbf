/** Which flags are on for whom. Called by routes/feature-flags.ts and services/modes.ts; statements in db/feature-flags.ts. */
import { isReached, ROLLOUT_FLAG } from '../core/bucket.ts';
import type { Database } from '../db/database.ts';
import { listFlags } from '../db/feature-flags.ts';
import type { RolloutFlag } from '../db/system-config.ts';
import type { Caller } from '../http/authenticate.ts';
import type { RolloutPercentage } from './rollout-percentage.ts';

/** A flag that is off reaches nobody, whatever its percentage. */
export const effectivePercentage = ({ isFeatureEnabled, rolloutPercentage }: RolloutFlag): number =>
  isFeatureEnabled ? rolloutPercentage : 0;

export interface FeatureFlagDeps {
  readonly database: Database;
  readonly rollout: Pick<RolloutPercentage, 'current'>;
}

export class FeatureFlags {
  readonly #deps: FeatureFlagDeps;

  constructor(deps: FeatureFlagDeps) {
    this.#deps = deps;
  }

  /** Every flag's name with whether it is on for this account: its organization's own setting, else the installation's. @throws AppError `database-unavailable` */
  async evaluate({
    tenantId,
    userId,
  }: Pick<Caller, 'tenantId' | 'userId'>): Promise<Readonly<Record<string, boolean>>> {
    const rows = await this.#deps.database.inTenant(tenantId, listFlags);
    const percentages = new Map([[ROLLOUT_FLAG, effectivePercentage(this.#deps.rollout.current())]]);
    // The installation's rows come first, so an organization's own row replaces it.
    for (const row of rows) {
      percentages.set(
        row.name,
        effectivePercentage({ isFeatureEnabled: row.is_enabled, rolloutPercentage: row.rollout_percentage }),
      );
    }
    return Object.fromEntries([...percentages].map(([name, share]) => [name, isReached(name, userId, share)]));
  }
}
