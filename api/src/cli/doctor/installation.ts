/**
 * What the checks of `latchkey doctor` look at: the environment that the service reads, variable by variable, so that one that is wrong hides no other,
 * and the connections that follow from it. Opened at the first question and closed by ../doctor.ts.
 */
import { Redis } from 'ioredis';
import { type Client, Pool } from 'pg';
import type { z } from 'zod';
import { environment } from '../../config.ts';
import { connectionOf } from '../../db/connection.ts';
import type { Ask } from '../../db/signing-keys.ts';
import { Skip } from './check.ts';

type Shape = typeof environment.shape;
type Name = keyof Shape;

export interface Installation {
  readonly env: Readonly<NodeJS.ProcessEnv>;
  readonly appEnv: 'development' | 'staging' | 'production';
  readonly deadlineMs: number;
  /** How long a connection or an answer may take. */
  readonly waitMs: number;
  /** How many pods share the database, a rollout's canary included. */
  readonly pods: number;
  readonly nowMs: () => number;
  /** A variable as the service reads it. @throws Skip where the service would not take it; the check `configuration` says why */
  readonly read: <N extends Name>(name: N) => z.infer<Shape[N]>;
  /** Connects as the service does, once. @throws the driver's error, which the checks `database` and `database-login` read */
  readonly connect: () => Promise<void>;
  /** One statement as the service's role. @throws Skip while the database cannot be asked */
  readonly ask: Ask;
  /** One statement as the schema's owner. @throws Skip without MIGRATION_DATABASE_URL */
  readonly askOwner: Ask;
  /** One statement that sees what the worker `mail` or a tenant sees. @throws Skip */
  readonly askAs: (who: { readonly setting: 'app.worker' | 'app.tenant_id'; readonly value: string }) => Ask;
  /** @throws the server's error, which the checks `redis` and `redis-login` read; Skip without REDIS_URL */
  readonly redis: () => Promise<Redis>;
  readonly close: () => Promise<void>;
}

export interface InstallationOptions {
  readonly env: Readonly<NodeJS.ProcessEnv>;
  readonly deadlineMs: number;
  readonly pods: number;
  readonly nowMs: () => number;
}

/** As many as the slowest checks need side by side. */
const CONNECTIONS = 4;

const rowsOf = async (client: Pick<Client, 'query'>, statement: string, values: readonly unknown[] = []) =>
  (await client.query<Record<string, unknown>>(statement, [...values])).rows;

const createPool = (url: string, waitMs: number): Pool => {
  const pool = new Pool({
    ...connectionOf(url),
    application_name: 'latchkey-doctor',
    max: CONNECTIONS,
    connectionTimeoutMillis: waitMs,
    statement_timeout: waitMs,
    query_timeout: waitMs,
  });
  pool.on('error', () => undefined); // whoever asks next is told
  return pool;
};

const createRedis = (url: string, waitMs: number): Redis => {
  const redis = new Redis(url, {
    lazyConnect: true,
    enableReadyCheck: false, // it asks INFO, which a server that wants a password refuses
    connectTimeout: waitMs,
    commandTimeout: waitMs,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
  });
  return redis;
};

/** What is made at the first question, and thrown away at the end if there was one. */
const once = <T>(make: () => T, end: (made: T) => Promise<unknown>) => {
  let made: { readonly value: T } | undefined;
  return {
    get: (): T => (made ??= { value: make() }).value,
    close: async (): Promise<void> => {
      if (made !== undefined) await end(made.value);
    },
  };
};

const isAppEnv = (text: unknown): text is Installation['appEnv'] =>
  text === 'development' || text === 'staging' || text === 'production';

const inTransactionAs = async (
  pool: Pool,
  [setting, value]: readonly [string, string],
  ask: (client: Pick<Client, 'query'>) => ReturnType<Ask>,
): ReturnType<Ask> => {
  const client = await pool.connect();
  try {
    await client.query('BEGIN READ ONLY');
    await client.query('SELECT set_config($1, $2, true)', [setting, value]);
    return await ask(client);
  } finally {
    await client.query('ROLLBACK').catch(() => undefined);
    client.release();
  }
};

/** A variable's reader; @see Installation.read */
const readerOf =
  (env: InstallationOptions['env']): Installation['read'] =>
  <N extends Name>(name: N): z.infer<Shape[N]> => {
    const parsed = environment.shape[name].safeParse(env[name]);
    if (!parsed.success) throw new Skip(`${name} cannot be read: see configuration`);
    // The schema of this very name made it.
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    return parsed.data as z.infer<Shape[N]>;
  };

interface Parts {
  readonly env: InstallationOptions['env'];
  readonly read: Installation['read'];
  readonly waitMs: number;
}

const openDatabase = ({ env, read, waitMs }: Parts) => {
  const pool = once(
    () => createPool(read('DATABASE_URL'), waitMs),
    (made) => made.end(),
  );
  const owner = once(
    () => createPool(env['MIGRATION_DATABASE_URL'] ?? '', waitMs),
    (made) => made.end(),
  );
  let connecting: Promise<void> | undefined;
  const connect = async (): Promise<void> => {
    connecting ??= rowsOf(pool.get(), 'SELECT 1').then(() => undefined);
    await connecting;
  };
  /** The other checks have nothing to say where these two have. */
  const connected = async (): Promise<Pool> => {
    await connect().catch((error: unknown) => {
      throw error instanceof Skip ? error : new Skip('the database cannot be asked: see database, database-login');
    });
    return pool.get();
  };
  const ask: Ask = async (statement, values) => rowsOf(await connected(), statement, values);
  const askOwner: Ask = async (statement, values) => {
    if ((env['MIGRATION_DATABASE_URL'] ?? '') === '') throw new Skip('MIGRATION_DATABASE_URL is not set');
    return rowsOf(owner.get(), statement, values);
  };
  const askAs: Installation['askAs'] =
    ({ setting, value }) =>
    async (statement, values) =>
      inTransactionAs(await connected(), [setting, value], (client) => rowsOf(client, statement, values));
  return { connect, ask, askOwner, askAs, close: () => Promise.allSettled([pool.close(), owner.close()]) };
};

/** A refused login arrives as an event; what is rejected says only that the connection is closed. */
const greetRedis = async (redis: Redis): Promise<void> => {
  let said: unknown;
  redis.on('error', (error) => {
    said ??= error;
  });
  try {
    await redis.connect();
    await redis.ping();
  } catch (error) {
    throw said ?? error;
  }
};

const openRedis = ({ read, waitMs }: Parts) => {
  const client = once(
    () => createRedis(read('REDIS_URL'), waitMs),
    async (made) => made.disconnect(),
  );
  let greeting: Promise<unknown> | undefined;
  const greet = async (): Promise<Redis> => {
    if (read('REDIS_URL') === '') throw new Skip('REDIS_URL is not set');
    const redis = client.get();
    greeting ??= greetRedis(redis);
    await greeting;
    return redis;
  };
  return { greet, close: client.close };
};

/** A connection gives up before its check does, whose sentence would say less. */
const waitOf = (deadlineMs: number): number => Math.ceil(deadlineMs * 0.8);

export const openInstallation = ({ env, deadlineMs, pods, nowMs }: InstallationOptions): Installation => {
  const waitMs = waitOf(deadlineMs);
  const read = readerOf(env);
  const { close: closeDatabase, ...database } = openDatabase({ env, read, waitMs });
  const { greet, close: closeRedis } = openRedis({ env, read, waitMs });
  const appEnv = env['APP_ENV'];
  return {
    env,
    deadlineMs,
    waitMs,
    pods,
    appEnv: isAppEnv(appEnv) ? appEnv : 'production',
    nowMs,
    read,
    ...database,
    redis: greet,
    close: async () => {
      await Promise.allSettled([closeDatabase(), closeRedis()]);
    },
  };
};
