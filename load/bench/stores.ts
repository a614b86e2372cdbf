/** The PostgreSQL and the Redis that all subjects of a run share. Called by main.ts. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { Client, escapeIdentifier } from 'pg';
import { ensureLoginRole } from '../../api/src/db/login-role.ts';
import { migrate, withOwner } from '../../api/src/db/migrate.ts';
import { freePort } from '../../api/src/embedded/free-port.ts';
import { startEmbeddedPostgres } from '../../api/src/embedded/postgres.ts';

export interface BenchDatabase {
  /** Superuser. */
  readonly ownerUrl: string;
  /** The role that a service uses. */
  readonly url: string;
}

export interface Stores {
  /** Gone when they stop. */
  readonly folder: string;
  readonly redisUrl: string;
  /** Latchkey's schema, and its login role. */
  latchkeyDatabase(name: string): Promise<BenchDatabase>;
  /** Empty; the role owns it. */
  emptyDatabase(name: string): Promise<BenchDatabase>;
  stop(): Promise<void>;
}

const startRedis = async (folder: string): Promise<{ readonly url: string; readonly process: ChildProcess }> => {
  const port = await freePort();
  const flags = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', folder];
  const server = spawn('redis-server', flags, { stdio: 'ignore' });
  const failed = once(server, 'error').then(([cause]) => {
    throw new Error('redis-server is missing: install the package redis-server', { cause });
  });
  process.once('exit', () => server.kill('SIGKILL'));
  const url = `redis://127.0.0.1:${port}`;
  await Promise.race([failed, untilRedis(url)]);
  return { url, process: server };
};

const untilRedis = async (url: string): Promise<void> => {
  const client = new Redis(url, { retryStrategy: () => 50 });
  client.on('error', () => undefined);
  await client.ping();
  client.disconnect();
};

/** Durable, as a production server is: what is measured is the service's CPU, and it may not profit from a database that forgets. */
export const startStores = async (): Promise<Stores> => {
  const folder = await mkdtemp(join(tmpdir(), 'latchkey-bench-'));
  const postgres = await startEmbeddedPostgres({
    dataFolder: join(folder, 'data'),
    password: 'bench',
    settings: ['max_connections=200', 'shared_buffers=256MB'],
  });
  const redis = await startRedis(folder);
  const urlOf = (database: string, role: string): string =>
    `postgres://${role}:bench@127.0.0.1:${postgres.port}/${database}`;
  const create = async (name: string): Promise<string> => {
    await withOwner(postgres.url, (client) => client.query(`CREATE DATABASE ${escapeIdentifier(name)}`));
    return urlOf(name, 'postgres');
  };
  return {
    folder,
    redisUrl: redis.url,
    latchkeyDatabase: async (name) => {
      const ownerUrl = await create(name);
      const url = urlOf(name, 'latchkey_bench');
      await withOwner(ownerUrl, async (client) => {
        await migrate(client);
        await ensureLoginRole(client, url);
      });
      return { ownerUrl, url };
    },
    emptyDatabase: async (name) => {
      const ownerUrl = await create(name);
      return { ownerUrl, url: ownerUrl };
    },
    stop: async () => {
      redis.process.kill('SIGKILL');
      await postgres.stop();
      await sleep(100);
      await rm(folder, { recursive: true, force: true });
    },
  };
};

/** One statement as the owner. */
export const asOwner = async (
  { ownerUrl }: BenchDatabase,
  statement: string,
  values: readonly unknown[] = [],
): Promise<readonly Record<string, unknown>[]> => {
  const client = new Client({ connectionString: ownerUrl });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(statement, [...values])).rows;
  } finally {
    await client.end();
  }
};
