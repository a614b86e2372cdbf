/** A command's own connection to Redis, which fails rather than waits. Called by cli/cache.ts and by backup/. */
import { Redis } from 'ioredis';

/** What every key of this service begins with. */
export const PREFIX = 'latchkey:';
const BATCH = 500;
const CONNECT_MS = 5_000;
const COMMAND_MS = 30_000;

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

/** SCAN, not KEYS: the server goes on serving meanwhile. A key that SCAN shows twice comes once. */
export const scanKeys = async function* (redis: Redis, pattern: string): AsyncGenerator<readonly string[]> {
  const seen = new Set<string>();
  let cursor = '0';
  do {
    const [next, found] = await redis.scan(cursor, 'MATCH', pattern, 'COUNT', BATCH);
    const keys = found.filter((key) => !seen.has(key));
    for (const key of keys) seen.add(key);
    if (keys.length > 0) yield keys;
    cursor = next;
  } while (cursor !== '0');
};
