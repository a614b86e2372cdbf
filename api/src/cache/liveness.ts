/**
 * Whether the session behind an access token is still live: this process, then Redis, then PostgreSQL, which is the truth.
 * Called by http/authenticate.ts on every hot path; services/sessions.ts tells it of every session that it ends.
 *
 * The process believes itself only while it hears the revocations of the others (a subscription that works). Redis keeps `live` for 30 s
 * and `ended` for as long as any access token can live; `live` is written only where nothing stands (NX), so a reader that was overtaken
 * by a revocation cannot bury it. A tombstone that Redis missed is written again when it is back.
 */
import { ACCESS_TOKEN_SECONDS } from '../crypto/access-token.ts';
import { LivenessMemory } from './liveness-memory.ts';
import type { RedisConnections } from './redis.ts';

export const SESSION_ENDED_CHANNEL = 'latchkey:session-ended';
/** How long a pod that cannot hear revocations may be told `live` by Redis after Redis itself missed one. */
const LIVE_SECONDS = 30;
const MAX_MISSED = 10_000;

type Verdict = 'live' | 'ended';

export interface LivenessDeps {
  readonly redis: RedisConnections | undefined;
  /** Reads PostgreSQL. @throws AppError `database-unavailable` */
  readonly readTruth: (sessionId: string, tenantId: string) => Promise<boolean>;
}

const keyOf = (sessionId: string): string => `latchkey:session:${sessionId}`;

export class Liveness {
  readonly #redis: RedisConnections | undefined;
  readonly #readTruth: LivenessDeps['readTruth'];
  readonly #memory = new LivenessMemory();
  /** Sessions whose end Redis was not there to hear. */
  readonly #missed = new Set<string>();

  constructor({ redis, readTruth }: LivenessDeps) {
    this.#redis = redis;
    this.#readTruth = readTruth;
    if (redis === undefined) return;
    this.#memory.listenTo(redis.subscriber, SESSION_ENDED_CHANNEL);
    redis.commands.on('ready', () => {
      for (const sessionId of this.#missed) void this.#publish(redis, sessionId);
    });
  }

  /** @throws AppError `database-unavailable` */
  async isLive(sessionId: string, tenantId: string): Promise<boolean> {
    const known = this.#memory.recall(sessionId) ?? (await this.#askRedis(sessionId));
    if (known === 'ended') {
      this.#memory.end(sessionId);
      return false;
    }
    if (known === undefined) {
      if (!(await this.#readTruth(sessionId, tenantId))) return false;
      await this.#tellRedis(sessionId);
    }
    return this.#memory.remember(sessionId) !== 'ended'; // it may have ended while we were asking
  }

  /** Called after the transaction that ended the session; never throws, since the truth is written already. */
  async markEnded(sessionId: string): Promise<void> {
    this.#memory.end(sessionId);
    if (this.#redis !== undefined) await this.#publish(this.#redis, sessionId);
  }

  async #askRedis(sessionId: string): Promise<Verdict | undefined> {
    if (this.#redis === undefined || !this.#redis.isReady()) return undefined;
    const found = await this.#redis.commands.get(keyOf(sessionId)).catch(() => null);
    return found === 'live' || found === 'ended' ? found : undefined;
  }

  async #tellRedis(sessionId: string): Promise<void> {
    if (this.#redis === undefined || !this.#redis.isReady()) return;
    await this.#redis.commands.set(keyOf(sessionId), 'live', 'EX', LIVE_SECONDS, 'NX').catch(() => null);
  }

  async #publish({ commands }: RedisConnections, sessionId: string): Promise<void> {
    try {
      await commands.set(keyOf(sessionId), 'ended', 'EX', ACCESS_TOKEN_SECONDS);
      await commands.publish(SESSION_ENDED_CHANNEL, sessionId);
      this.#missed.delete(sessionId);
    } catch {
      if (this.#missed.size < MAX_MISSED) this.#missed.add(sessionId); // told again when Redis is back
    }
  }
}
