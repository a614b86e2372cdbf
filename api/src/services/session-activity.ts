/**
 * That a session is used, written down so that it slides: collected in memory, written now and then in one statement a tenant, and not again
 * for a session that was written within the last minute. http/authenticate.ts notes, service.ts starts and stops. What a killed pod had
 * not written yet costs its sessions that minute of their day.
 */
import { SLIDING_MS } from '../core/rotation.ts';
import type { Database } from '../db/database.ts';
import { slideSessions } from '../db/session-list.ts';
import type { Log } from '../log.ts';

const EVERY_MS = 30_000;
const QUIET_MS = 60_000;
/** A statement locks at most so many rows at once. */
const MAX_ROWS = 500;
/** Beyond it, the rest is noted again with its next request. */
const MAX_NOTED = 100_000;

export interface SessionActivityDeps {
  readonly database: Database;
  readonly log: Log;
  readonly nowMs: () => number;
}

export class SessionActivity {
  readonly #deps: SessionActivityDeps;
  #seen = new Map<string, string>();

  constructor(deps: SessionActivityDeps) {
    this.#deps = deps;
  }

  note(sessionId: string, tenantId: string): void {
    if (this.#seen.size < MAX_NOTED) this.#seen.set(sessionId, tenantId);
  }

  /** Writes what was noted. @throws AppError `database-unavailable`; what was not written waits for the sessions' next request. */
  async flush(): Promise<void> {
    const byTenant = Map.groupBy(this.#seen, ([, tenantId]) => tenantId);
    this.#seen = new Map();
    const nowMs = this.#deps.nowMs();
    for (const [tenantId, entries] of byTenant) {
      for (let from = 0; from < entries.length; from += MAX_ROWS) {
        const sessionIds = entries.slice(from, from + MAX_ROWS).map(([sessionId]) => sessionId);
        const slide = { sessionIds, nowMs, slidingMs: SLIDING_MS, quietMs: QUIET_MS };
        await this.#deps.database.inTenant(tenantId, (tx) => slideSessions(tx, slide));
      }
    }
  }

  /** Returns the function that stops it and writes the rest. */
  start(): () => Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    let isStopped = false;
    const flush = (): Promise<void> =>
      this.flush().catch((error: unknown) => this.#deps.log.debug({ error }, 'session activity was not written'));
    const plan = (): void => {
      const wait = EVERY_MS * (0.8 + Math.random() * 0.4);
      timer = setTimeout(() => void flush().finally(() => !isStopped && plan()), wait);
    };
    plan();
    return async () => {
      isStopped = true;
      clearTimeout(timer);
      await flush();
    };
  }
}
