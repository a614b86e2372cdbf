/**
 * Whether the session behind an access token is still live: this process, then Redis, then PostgreSQL, which is the truth.
 * Called by http/authenticate.ts on every hot path; services/sessions.ts tells it of every session that it ends.
 *
 * The process believes itself only while it hears the revocations of the others (a subscription that works). Redis keeps `live` for 30 s
 * and `ended` for as long as any access token can live; `live` is written only where nothing stands (NX), so a reader that was overtaken
 * by a revocation cannot bury it. A tombstone that Redis missed is written again when it is back.
 */
import { LRUCache } from 'lru-cache';
import { ACCESS_TOKEN_SECONDS } from '../crypto/access-token.ts';
import type { RedisConnections } from './redis.ts';

const CHANNEL = 'latchkey:session-ended';
const LIVE_SECONDS = 30;
const LOCAL_LIVE_MS = 10_000;
const MAX_LOCAL = 50_000;
const MAX_MISSED = 10_000;

type Verdict = 'live' | 'ended';

export interface Liveness {
  isLive(sessionId: string, tenantId: string): Promise<boolean>;
  /** Called after the transaction that ended the session; never throws, since the truth is written already. */
  markEnded(sessionId: string): Promise<void>;
}

export interface LivenessDeps {
  readonly redis: RedisConnections | undefined;
  /** Reads PostgreSQL. @throws AppError `database-unavailable` */
  readonly readTruth: (sessionId: string, tenantId: string) => Promise<boolean>;
}

const keyOf = (sessionId: string): string => `latchkey:session:${sessionId}`;

/** This process's memory of verdicts, which trusts `live` only while the subscription works. */
const createMemory = (redis: RedisConnections | undefined) => {
  const verdicts = new LRUCache<string, Verdict>({ max: MAX_LOCAL });
  let isListening = false;
  const deafen = (): void => {
    isListening = false;
    for (const [sessionId, verdict] of verdicts.entries()) if (verdict === 'live') verdicts.delete(sessionId);
  };
  redis?.subscriber.on('ready', () => {
    redis.subscriber.subscribe(CHANNEL).then(
      () => {
        isListening = true;
      },
      () => deafen(),
    );
  });
  redis?.subscriber.on('close', deafen);
  const end = (sessionId: string): void => {
    verdicts.set(sessionId, 'ended', { ttl: ACCESS_TOKEN_SECONDS * 1000 });
  };
  redis?.subscriber.on('message', (_channel: string, sessionId: string) => end(sessionId));
  return {
    recall: (sessionId: string) => verdicts.get(sessionId),
    end,
    remember: (sessionId: string) => {
      if (isListening && verdicts.get(sessionId) !== 'ended') verdicts.set(sessionId, 'live', { ttl: LOCAL_LIVE_MS });
    },
  };
};

export const createLiveness = ({ redis, readTruth }: LivenessDeps): Liveness => {
  const memory = createMemory(redis);
  const missed = new Set<string>();

  const ask = async (sessionId: string): Promise<Verdict | undefined> => {
    if (redis === undefined || !redis.isReady()) return undefined;
    const found = await redis.commands.get(keyOf(sessionId)).catch(() => null);
    return found === 'live' || found === 'ended' ? found : undefined;
  };

  const publish = async (sessionId: string): Promise<void> => {
    if (redis === undefined) return;
    try {
      await Promise.all([
        redis.commands.set(keyOf(sessionId), 'ended', 'EX', ACCESS_TOKEN_SECONDS),
        redis.commands.publish(CHANNEL, sessionId),
      ]);
      missed.delete(sessionId);
    } catch {
      if (missed.size < MAX_MISSED) missed.add(sessionId); // told again when Redis is back
    }
  };

  redis?.commands.on('ready', () => {
    for (const sessionId of missed) void publish(sessionId);
  });

  return {
    isLive: async (sessionId, tenantId) => {
      const known = memory.recall(sessionId) ?? (await ask(sessionId));
      if (known === 'ended') {
        memory.end(sessionId);
        return false;
      }
      if (known === undefined) {
        if (!(await readTruth(sessionId, tenantId))) return false;
        if (redis?.isReady() === true) {
          await redis.commands.set(keyOf(sessionId), 'live', 'EX', LIVE_SECONDS, 'NX').catch(() => null);
        }
      }
      memory.remember(sessionId);
      return memory.recall(sessionId) !== 'ended'; // ended while we were asking
    },
    markEnded: async (sessionId) => {
      memory.end(sessionId);
      await publish(sessionId);
    },
  };
};
