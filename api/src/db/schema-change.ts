/**
 * A transaction that changes the schema under a service that works. Called by migrate.ts.
 * Whatever asks for a table waits behind whoever waits for it, and a change of many tables holds some while it waits for others, which is how
 * deadlocks come about. So the change gives way: it waits for no lock longer than a moment, lets all of them go and begins anew.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from 'pg';
import { z } from 'zod';
import { isConflict } from './sqlstate.ts';
import { inTransaction } from './transaction.ts';

/** What a request may have to wait behind one lock. Far below PostgreSQL's deadlock_timeout (1 s), which would end either of the two. */
const LOCK_WAIT_MS = 50;
const BEGIN = `BEGIN; SET LOCAL lock_timeout = ${LOCK_WAIT_MS}`;
const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 500;
const GIVE_UP_AFTER_MS = 120_000;
const SAY_AFTER_MS = 5_000;

export interface Patience {
  /** Until it is said that the locks cannot be had. 120,000 by default. */
  readonly giveUpAfterMs?: number;
  /** Until `onBlocked` is told: longer than people expect it to take. 5,000 by default. */
  readonly sayAfterMs?: number;
  /** Told once, who may be in the way. */
  readonly onBlocked?: (who: string) => void;
}

interface Change extends Patience {
  /** A rehearsal: whatever comes of it, nothing stays. */
  readonly isUndone?: boolean;
}

/**
 * Runs `work` in a transaction, again from the start as often as a lock could not be had.
 * @throws what `work` throws; an Error that names the oldest transactions where the locks could not be had in time. Everything is undone then.
 */
export const changeSchema = async <T>(client: Client, work: () => Promise<T>, change: Change = {}): Promise<T> => {
  const { giveUpAfterMs = GIVE_UP_AFTER_MS, sayAfterMs = SAY_AFTER_MS, onBlocked, isUndone = false } = change;
  const startedMs = performance.now();
  let hasSaid = false;
  for (let tries = 0; ; tries += 1) {
    try {
      return await inTransaction(client, work, { begin: BEGIN, end: isUndone ? 'ROLLBACK' : 'COMMIT' });
    } catch (error) {
      if (!isConflict(error)) throw error;
      const waitedMs = performance.now() - startedMs;
      if (waitedMs >= giveUpAfterMs) throw await blocked(client, waitedMs, error);
      if (!hasSaid && waitedMs >= sayAfterMs) {
        hasSaid = true;
        onBlocked?.(await inTheWay(client));
      }
    }
    await sleep(Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** tries) * (0.5 + Math.random() / 2));
  }
};

const blocked = async (client: Client, waitedMs: number, cause: unknown): Promise<Error> =>
  new Error(`its locks could not be had in ${Math.round(waitedMs / 1_000)} s; ${await inTheWay(client)}`, { cause });

const openRow = z.object({ pid: z.int(), application: z.string(), seconds: z.coerce.number() });

/** Locks end with their transaction, so the oldest are the likely ones. */
const inTheWay = async (client: Client): Promise<string> => {
  const { rows } = await client.query(
    `SELECT pid, coalesce(nullif(application_name, ''), usename, 'unnamed') AS application,
       extract(epoch FROM clock_timestamp() - xact_start)::int AS seconds
     FROM pg_stat_activity
     WHERE datname = current_database() AND pid <> pg_backend_pid() AND clock_timestamp() - xact_start > interval '1 second'
     ORDER BY xact_start LIMIT 3`,
  );
  const open = z.array(openRow).parse(rows);
  if (open.length === 0) return 'no transaction is older than a second: the tables are too busy just now';
  const named = open.map(({ pid, application, seconds }) => `process ${pid} (${application}) for ${seconds} s`);
  return `the oldest open transactions: ${named.join(', ')}`;
};
