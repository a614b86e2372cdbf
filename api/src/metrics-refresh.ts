/**
 * Sets the gauges that only the database knows, in the background, so that no scrape ever waits for a query. Started by main.ts.
 * Every pod shows the same installation-wide number: dashboards take max(), not sum().
 */
import { z } from 'zod';
import type { Database } from './db/database.ts';
import { countActiveSessions } from './db/sessions.ts';
import type { Log } from './log.ts';
import type { Metrics } from './metrics.ts';
import { poll } from './poll.ts';

const EVERY_MS = 15_000;
/** Beyond so many organizations the gauge counts the first ones only: a dashboard figure must not become a load. */
const MAX_ORGANIZATIONS = 200;

const organization = z.object({ id: z.uuid() });

export const refreshActiveSessions = async (database: Database, metrics: Metrics, nowMs: number): Promise<void> => {
  const rows = await database.query('SELECT id FROM public.organization ORDER BY id LIMIT $1', [MAX_ORGANIZATIONS]);
  let total = 0;
  for (const { id } of z.array(organization).parse(rows)) {
    total += await database.inTenant(id, (tx) => countActiveSessions(tx, nowMs));
  }
  metrics.auth.activeSessions.set(total);
};

/** Returns the function that stops it. A failed round keeps the last value. */
export const startMetricsRefresh = (database: Database, metrics: Metrics, log: Log): (() => void) =>
  poll(async () => {
    await refreshActiveSessions(database, metrics, Date.now()).catch((error: unknown) =>
      log.debug({ error }, 'gauges keep their last value'),
    );
    return EVERY_MS;
  });
