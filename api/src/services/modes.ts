/**
 * The modes of the whole installation: what the environment says and what a super administrator switched at runtime, which is
 * auth.system_config with PostgreSQL as its truth. Asked twice a second in the background, so that no request waits for it and every pod follows
 * within a second. Made by service.ts; read by http/mode-gate.ts and routes/health.ts; written by services/admin-config.ts.
 */
import { combineModes, type ModeState } from '../core/modes.ts';
import type { Database } from '../db/database.ts';
import { readInstallation } from '../db/system-config.ts';
import type { ModeSource } from '../http/mode-gate.ts';
import type { Log } from '../log.ts';
import type { Metrics } from '../metrics.ts';
import { poll } from '../poll.ts';
import { effectivePercentage } from './feature-flags.ts';
import type { RolloutPercentage } from './rollout-percentage.ts';

const EVERY_MS = 500;
/** A database that is away gets asked less: these errors count in the metrics that a rollout is judged by. */
const AFTER_FAILURE_MS = 10_000;
const RETRY_AFTER_SECONDS = 60;

export interface ModeDeps {
  readonly database: Database;
  readonly metrics: Metrics;
  readonly log: Log;
  readonly rollout: Pick<RolloutPercentage, 'current'>;
  readonly isAuthDisabled: boolean;
  readonly isInMaintenance: boolean;
}

export interface Modes extends ModeSource {
  /** Reads PostgreSQL now, so that whoever switched sees it at once. @throws AppError `database-unavailable` */
  refresh(): Promise<void>;
  /** Begins to follow the database; returns the function that stops it. While the database is away the last value holds. */
  start(): () => void;
}

export const createModes = (deps: ModeDeps): Modes => {
  const { database, metrics, log } = deps;
  const environment: ModeState = { ...deps, retryAfterSeconds: RETRY_AFTER_SECONDS };
  let state = environment;
  metrics.auth.rolloutPercentage.set(effectivePercentage(deps.rollout.current()));
  const refresh = async (): Promise<void> => {
    const { modes, rollout = deps.rollout.current() } = await readInstallation(database);
    state = combineModes(environment, modes);
    metrics.auth.rolloutPercentage.set(effectivePercentage(rollout));
  };
  return { current: () => state, refresh, start: () => follow(refresh, log) };
};

const follow = (refresh: () => Promise<void>, log: Log): (() => void) =>
  poll(() =>
    refresh().then(
      () => EVERY_MS,
      (error: unknown) => {
        log.debug({ error }, 'the modes keep their last value');
        return AFTER_FAILURE_MS;
      },
    ),
  );
