/**
 * Takes the service's database connections away for a while, as other services do that share a server's slots: what `pool` is about.
 * Called by main.ts beside k6. ../pool.ts knows by the same shares of the run what to expect when.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { asOwner, type BenchDatabase } from '../bench/stores.ts';

/** Shares of the run: when it begins, when it ends, and by when the service must be well again. */
export const SHORTAGE = { from: 0.3, until: 0.55, goodFrom: 0.8 } as const;
/** Fewer than the users who ask at once, and more than none: some are served meanwhile. */
const LEFT = 2;

const limitConnections = async (database: BenchDatabase, count: number): Promise<void> => {
  const role = new URL(database.url).username;
  // Our own names and numbers: ALTER ROLE takes no parameters.
  await asOwner(database, `ALTER ROLE "${role}" CONNECTION LIMIT ${count}`);
};

/** Lasts from now for its part of `durationMs`. @throws the signal's reason when it is aborted; the connections are given back all the same */
export const takeConnections = async (
  database: BenchDatabase,
  durationMs: number,
  signal: AbortSignal,
): Promise<void> => {
  await sleep(durationMs * SHORTAGE.from, undefined, { signal });
  await limitConnections(database, LEFT);
  try {
    const role = new URL(database.url).username;
    await asOwner(database, 'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1', [role]);
    await sleep(durationMs * (SHORTAGE.until - SHORTAGE.from), undefined, { signal });
  } finally {
    await limitConnections(database, -1);
  }
};
