/**
 * Hears of every session that ends, from the database itself: migration 0024 notifies with the commit that ended it. Started by service.ts;
 * cache/liveness.ts asks it how far it has heard and is told each id.
 *
 * It must know when it is deaf. A heartbeat on the same connection proves that everything sent before it has arrived; a notification to
 * itself at the start proves that notifications come through at all, which they do not behind a pooler in transaction mode.
 * @see docs/adr/0009-sessions-heard-from-postgresql.md
 */
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import type { Log } from '../log.ts';

const CHANNEL = 'latchkey_session_ended';
const HEARTBEAT_MS = 300;
const DEADLINE_MS = 600;
const CONNECT_MS = 2_000;
const MAX_RETRY_MS = 5_000;

export interface RevocationFeedDeps {
  readonly url: string;
  readonly log: Log;
}

export class RevocationFeed {
  readonly #deps: RevocationFeedDeps;
  readonly #over = new AbortController();
  #onEnded: (sessionId: string) => void = () => undefined;
  #client: Client | undefined;
  #hearsSinceMs: number | undefined;
  #heardUntilMs = Number.NEGATIVE_INFINITY;
  #wasDeaf = false;

  constructor(deps: RevocationFeedDeps) {
    this.#deps = deps;
  }

  /** Calls back with the id of every session that ends, until `stop`. */
  start(onEnded: (sessionId: string) => void): void {
    this.#onEnded = onEnded;
    void this.#listenForever();
  }

  /** Since when nothing was missed, by performance.now(); undefined while deaf. */
  hearsSinceMs(): number | undefined {
    return this.#hearsSinceMs;
  }

  /** Everything that ended before this moment has been heard. */
  heardUntilMs(): number {
    return this.#heardUntilMs;
  }

  stop(): void {
    this.#over.abort();
    this.#deafen();
  }

  async #listenForever(): Promise<void> {
    const { signal } = this.#over;
    for (let attempt = 0; !signal.aborted; attempt += 1) {
      try {
        await this.#listen(() => (attempt = 0));
      } catch (error) {
        this.#tell(error);
      }
      this.#deafen();
      const retryMs = Math.min(100 * 2 ** Math.min(attempt, 6), MAX_RETRY_MS) * (0.75 + Math.random() / 2);
      await sleep(retryMs, undefined, { signal }).catch(() => undefined);
    }
  }

  /** Listens until the connection or a heartbeat fails. */
  async #listen(onHearing: () => void): Promise<never> {
    const client = new Client({
      connectionString: this.#deps.url,
      application_name: 'latchkey-revocations',
      connectionTimeoutMillis: CONNECT_MS,
      query_timeout: DEADLINE_MS,
      keepAlive: true,
    });
    this.#client = client;
    const fall = (): void => {
      if (this.#client === client) this.#deafen(); // the heartbeat rejects too, and the loop goes on from there
    };
    client.on('error', fall).on('end', fall);
    await client.connect();
    await this.#subscribe(client);
    this.#hearsSinceMs = performance.now();
    this.#tell(undefined);
    onHearing();
    for (;;) {
      const sentMs = performance.now();
      await client.query('SELECT 1');
      this.#heardUntilMs = sentMs;
      await sleep(HEARTBEAT_MS, undefined, { signal: this.#over.signal });
    }
  }

  /** @throws Error when notifications do not come through. */
  async #subscribe(client: Client): Promise<void> {
    const probe = `latchkey_probe_${randomBytes(8).toString('hex')}`;
    let isHeard = false;
    client.on('notification', ({ channel, payload }) => {
      if (channel === probe) isHeard = true;
      else if (payload !== undefined) this.#onEnded(payload);
    });
    await client.query(`LISTEN ${CHANNEL}`);
    await client.query(`LISTEN ${probe}`);
    await client.query(`NOTIFY ${probe}`);
    await client.query(`UNLISTEN ${probe}`); // what the server had for us came before this answer
    if (!isHeard) throw new Error('notifications do not come through: is there a pooler in transaction mode?');
  }

  #deafen(): void {
    this.#hearsSinceMs = undefined;
    const client = this.#client;
    this.#client = undefined;
    void client?.end().catch(() => undefined);
  }

  /** One line a change, not one a retry. */
  #tell(error: unknown): void {
    const isDeaf = error !== undefined;
    if (isDeaf === this.#wasDeaf || this.#over.signal.aborted) return;
    this.#wasDeaf = isDeaf;
    if (isDeaf) this.#deps.log.warn({ error }, 'revocations are not heard: sessions are checked in the database');
    else this.#deps.log.info('revocations are heard again');
  }
}
