/**
 * What this service keeps in Redis, key by key, in Redis's own form. Called by write.ts and restore.ts. None of it is the truth: after a
 * loss, counters and used nonces come back, so that nobody guesses afresh, and what was cached of sessions does not.
 */
import type { Redis } from 'ioredis';
import { PREFIX, scanKeys } from '../cache/command-redis.ts';
import type { Record } from './contents.ts';

const SESSIONS = `${PREFIX}session:`;

export type RedisKey = Extract<Record, { readonly kind: 'redis' }>;

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
  for await (const keys of scanKeys(redis, `${SESSIONS}*`)) await redis.unlink(...keys);
};
