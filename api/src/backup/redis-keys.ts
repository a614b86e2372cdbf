/**
 * What this service keeps in Redis, key by key, in Redis's own form. Called by write.ts and restore.ts. None of it is the truth: after a
 * loss, counters and used nonces come back, so that nobody guesses afresh, and what was cached of sessions does not.
 */
import { Redis } from 'ioredis';
import type { Record } from './contents.ts';

const PREFIX = 'latchkey:';
const SESSIONS = 'latchkey:session:';
const BATCH = 500;
const CONNECT_MS = 5_000;
const COMMAND_MS = 30_000;

export type RedisKey = Extract<Record, { readonly kind: 'redis' }>;

/** One connection that fails rather than waits. */
export const withRedis = async <T>(url: string, work: (redis: Redis) => Promise<T>): Promise<T> => {
  const redis = new Redis(url, {
    lazyConnect: true,
    connectTimeout: CONNECT_MS,
    commandTimeout: COMMAND_MS,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
  });
  redis.on('error', () => undefined); // the rejected promise says it
  try {
    await redis.connect();
    return await work(redis);
  } finally {
    redis.disconnect();
  }
};

/** SCAN, not KEYS: the server goes on serving meanwhile. A key that SCAN shows twice comes twice, and is put back twice. */
export const scanKeys = async function* (redis: Redis, pattern: string): AsyncGenerator<readonly string[]> {
  let cursor = '0';
  do {
    const [next, found] = await redis.scan(cursor, 'MATCH', pattern, 'COUNT', BATCH);
    yield found;
    cursor = next;
  } while (cursor !== '0');
};

export const dumpKeys = async function* (redis: Redis): AsyncGenerator<RedisKey> {
  for await (const keys of scanKeys(redis, `${PREFIX}*`)) {
    for (const key of keys) {
      const [dump, leftMs] = await Promise.all([redis.dumpBuffer(key), redis.pttl(key)]);
      // It may have expired since SCAN showed it.
      if (dump !== null && leftMs !== -2) yield { kind: 'redis', key, dump: dump.toString('base64'), leftMs };
    }
  }
};

/** `ageMs` is the backup's: what would have expired since stays away. True where the key was put back. */
export const putKeyBack = async (redis: Redis, { key, dump, leftMs }: RedisKey, ageMs: number): Promise<boolean> => {
  const left = leftMs < 0 ? 0 : leftMs - ageMs;
  if (leftMs >= 0 && left <= 0) return false;
  await redis.restore(key, Math.ceil(left), Buffer.from(dump, 'base64'), 'REPLACE');
  return true;
};

export const isSessionKey = ({ key }: RedisKey): boolean => key.startsWith(SESSIONS);

/** What other instances remember of sessions is of another database now. */
export const forgetSessions = async (redis: Redis): Promise<void> => {
  for await (const keys of scanKeys(redis, `${SESSIONS}*`)) if (keys.length > 0) await redis.unlink(...keys);
};
