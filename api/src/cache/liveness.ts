/**
 * Whether the session behind an access token is still live: this process, then Redis, then PostgreSQL, which is the truth.
 * Called by http/authenticate.ts on every hot path; services/sessions.ts tells it of every session that it ends.
 *
 * What is remembered, here or in Redis, counts only as far as this process has heard every revocation since it was read; PostgreSQL tells of
 * them with the commit (db/revocation-feed.ts). Deaf, it asks PostgreSQL. So no revocation is later than a second, whoever of revoker, reader
 * and Redis was cut off: Redis may forget or miss one, and only speed is lost.
 * @see docs/adr/0009-sessions-heard-from-postgresql.md
 */
import { ACCESS_TOKEN_SECONDS } from '../crypto/access-token.ts';
import { type Hearing, LivenessMemory, type Verdict } from './liveness-memory.ts';
import type { RedisConnections } from './redis.ts';

/** Where servers of the release before listen. */
export const SESSION_ENDED_CHANNEL = 'latchkey:session-ended';
const LIVE_MS = 30_000;
/** A read that took longer is not passed on; so an entry is never older than its time in Redis and ENTRY_MARGIN_MS. */
const MAX_READ_MS = 500;
const ENTRY_MARGIN_MS = 1_000;
const MAX_MISSED = 10_000;

export interface LivenessDeps {
  readonly redis: RedisConnections | undefined;
  readonly hearing: Hearing;
  /** Reads PostgreSQL. @throws AppError `database-unavailable` */
  readonly readTruth: (sessionId: string, tenantId: string) => Promise<boolean>;
}

interface Session {
  readonly sessionId: string;
  readonly tenantId: string;
}

const keyOf = (sessionId: string): string => `latchkey:session:${sessionId}`;

const liveIn = (tenantId: string): string => `live ${tenantId}`;

export class Liveness {
  readonly #redis: RedisConnections | undefined;
  readonly #readTruth: LivenessDeps['readTruth'];
  readonly #memory: LivenessMemory;
  /** Sessions whose end Redis was not there to hear. */
  readonly #missed = new Set<string>();

  constructor({ redis, hearing, readTruth }: LivenessDeps) {
    this.#redis = redis;
    this.#readTruth = readTruth;
    this.#memory = new LivenessMemory(hearing);
    redis?.commands.on('ready', () => {
      for (const sessionId of this.#missed) void this.#publish(redis, sessionId);
    });
  }

  /** At once where this process knows, as it does for most requests. @throws AppError `database-unavailable` */
  isLive(sessionId: string, tenantId: string): boolean | Promise<boolean> {
    const known = this.#memory.recall(sessionId, tenantId);
    return known === undefined ? this.#ask({ sessionId, tenantId }) : known === 'live';
  }

  async #ask(session: Session): Promise<boolean> {
    return ((await this.#askRedis(session)) ?? (await this.#askDatabase(session))) === 'live';
  }

  /** Heard of from the database: the truth is written already. */
  hear(sessionId: string): void {
    this.#memory.end(sessionId);
  }

  /** Called after the transaction that ended the session; never throws, since the truth is written already. */
  async markEnded(sessionId: string): Promise<void> {
    this.#memory.end(sessionId);
    if (this.#redis !== undefined) await this.#publish(this.#redis, sessionId);
  }

  /** What Redis says, as far as it may be believed. */
  async #askRedis({ sessionId, tenantId }: Session): Promise<Verdict | undefined> {
    if (this.#redis === undefined || !this.#redis.isReady()) return undefined;
    const { commands } = this.#redis;
    const askedMs = performance.now();
    const key = keyOf(sessionId);
    const [found, leftMs] = await Promise.all([commands.get(key), commands.pttl(key)]).catch(() => [null, 0] as const);
    if (found === 'ended') {
      this.#memory.end(sessionId);
      return 'ended';
    }
    const liveAtMs = askedMs - (LIVE_MS - leftMs) - ENTRY_MARGIN_MS;
    if (found !== liveIn(tenantId) || !this.#memory.isCurrent(liveAtMs)) return undefined;
    return this.#memory.remember(sessionId, { tenantId, liveAtMs });
  }

  /** What it denies is not remembered: it may deny the tenant and not the session. */
  async #askDatabase({ sessionId, tenantId }: Session): Promise<Verdict> {
    const liveAtMs = performance.now();
    if (!(await this.#readTruth(sessionId, tenantId))) return 'ended';
    const verdict = this.#memory.remember(sessionId, { tenantId, liveAtMs }); // it may have ended while we were asking
    const isFresh = performance.now() - liveAtMs <= MAX_READ_MS;
    if (verdict === 'live' && isFresh) await this.#tellRedis(sessionId, tenantId);
    return verdict;
  }

  /** Only where nothing stands: a reader that was overtaken by a revocation must not bury it. */
  async #tellRedis(sessionId: string, tenantId: string): Promise<void> {
    if (this.#redis === undefined || !this.#redis.isReady()) return;
    await this.#redis.commands.set(keyOf(sessionId), liveIn(tenantId), 'PX', LIVE_MS, 'NX').catch(() => null);
  }

  async #publish({ commands }: RedisConnections, sessionId: string): Promise<void> {
    try {
      await Promise.all([
        commands.set(keyOf(sessionId), 'ended', 'EX', ACCESS_TOKEN_SECONDS),
        commands.publish(SESSION_ENDED_CHANNEL, sessionId), // in this order: both go out on one connection
      ]);
      this.#missed.delete(sessionId);
    } catch {
      if (this.#missed.size < MAX_MISSED) this.#missed.add(sessionId); // told again when Redis is back
    }
  }
}
