/**
 * The Redis connection. Made by service.ts. Redis is never the truth, so nothing waits for it:
 * no offline queue, one try, 250 ms; whoever asks falls back (http/rate-limit.ts in the process, cache/liveness.ts to PostgreSQL).
 */
import { Redis } from 'ioredis';
import type { Log } from '../log.ts';
import type { Metrics } from '../metrics.ts';

export const REDIS_DEADLINE_MS = 250;
/** So long may an asked server say nothing at all; then its connection is given up, and it has to answer on a new one. */
const SILENCE_MS = 2_000;

export interface RedisConnections {
  readonly commands: Redis;
  isReady(): boolean;
  close(): void;
}

export const connectRedis = (url: string, log: Log): RedisConnections => {
  const options = {
    lazyConnect: true,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    connectTimeout: 1_000,
    commandTimeout: REDIS_DEADLINE_MS,
    // A server that hangs keeps its connections: without this it would count as there, and every command would wait for its deadline.
    socketTimeout: SILENCE_MS,
    enableAutoPipelining: true,
    retryStrategy: (attempt: number) => Math.min(50 * 2 ** Math.min(attempt, 6), 1_000) * (0.75 + Math.random() / 2),
  };
  const commands = new Redis(url, options);
  let wasReady: boolean | undefined;
  const tell = (isReady: boolean, error?: unknown): void => {
    if (wasReady === isReady) return; // one line a change, not one a retry
    wasReady = isReady;
    if (isReady) log.info('redis is reachable');
    else log.warn({ error }, 'redis is away: limits count in the process, sessions are read from the database');
  };
  commands.on('ready', () => tell(true));
  commands.on('error', (error) => tell(false, error));
  commands.on('close', () => tell(false));
  commands.connect().catch(() => undefined); // the retry strategy goes on

  return {
    commands,
    isReady: () => commands.status === 'ready',
    close: () => commands.disconnect(),
  };
};

/** Shows in the metrics whether it is there and how often it went. */
export const watchRedis = (connections: RedisConnections, { redis }: Metrics): void => {
  redis.watch(() => (connections.isReady() ? 1 : 0));
  let wasReady = false;
  connections.commands.on('ready', () => {
    wasReady = true;
  });
  connections.commands.on('close', () => {
    if (wasReady) redis.lost.inc();
    wasReady = false;
  });
};
