/**
 * One real PostgreSQL a mocha process, a database of its own for each file, cloned from a migrated template in about 50 ms.
 * Called by the integration tests; stopped with the process.
 */
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { ensureLoginRole } from '../../api/src/db/login-role.ts';
import { migrate, withOwner } from '../../api/src/db/migrate.ts';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../api/src/embedded/postgres.ts';

const TEMPLATE = 'latchkey_template';
/** The login role of every test's database; of the server, so whoever changes it puts it back. */
export const APPLICATION_ROLE = 'latchkey_test_app';

export interface TestDatabase {
  readonly name: string;
  /** Superuser: sees and breaks everything. */
  readonly ownerUrl: string;
  /** The API's login role: neither owner nor superuser. */
  readonly url: string;
  /** One statement as superuser. */
  query(statement: string, values?: readonly unknown[]): Promise<readonly Record<string, unknown>[]>;
  drop(): Promise<void>;
}

export interface TestServer {
  readonly server: EmbeddedPostgres;
  readonly dataFolder: string;
  stop(): Promise<void>;
}

/** A server of its own, for tests that stop it. Durability is off: a crash of this server loses nothing anybody wants. */
export const startTestServer = async (port?: number): Promise<TestServer> => {
  const folder = await mkdtemp(join(tmpdir(), 'latchkey-pg-'));
  const dataFolder = join(folder, 'data');
  const server = await startEmbeddedPostgres({
    dataFolder,
    password: 'test',
    settings: ['fsync=off', 'synchronous_commit=off', 'full_page_writes=off', 'max_connections=200'],
    ...(port === undefined ? {} : { port }),
  });
  return {
    server,
    dataFolder,
    stop: async () => {
      await server.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
};

const urlOf = (server: EmbeddedPostgres, database: string, role = 'postgres'): string =>
  `postgres://${role}:test@127.0.0.1:${server.port}/${database}`;

let shared: Promise<TestServer> | undefined;

const sharedServer = async (): Promise<EmbeddedPostgres> => {
  shared ??= startTemplateServer();
  return (await shared).server;
};

const startTemplateServer = async (): Promise<TestServer> => {
  const started = await startTestServer();
  await withOwner(started.server.url, (client) => client.query(`CREATE DATABASE ${TEMPLATE}`));
  await prepareDatabase(started.server, TEMPLATE);
  return started;
};

/** Schema and login role, as `db.ts migrate` makes them. */
export const prepareDatabase = (server: EmbeddedPostgres, name: string): Promise<string> =>
  withOwner(urlOf(server, name), async (client) => {
    await migrate(client);
    return ensureLoginRole(client, urlOf(server, name, APPLICATION_ROLE));
  });

const describeDatabase = (server: EmbeddedPostgres, name: string): TestDatabase => ({
  name,
  ownerUrl: urlOf(server, name),
  url: urlOf(server, name, APPLICATION_ROLE),
  query: async (statement, values = []) => {
    const client = new Client({ connectionString: urlOf(server, name) });
    await client.connect();
    try {
      return (await client.query<Record<string, unknown>>(statement, [...values])).rows;
    } finally {
      await client.end();
    }
  },
  drop: async () => {
    await withOwner(server.url, (client) => client.query(`DROP DATABASE ${name} WITH (FORCE)`));
  },
});

/** A migrated database for one test file. */
export const createTestDatabase = async (): Promise<TestDatabase> => {
  const server = await sharedServer();
  const name = `test_${randomBytes(6).toString('hex')}`;
  await withOwner(server.url, (client) => client.query(`CREATE DATABASE ${name} TEMPLATE ${TEMPLATE}`));
  return describeDatabase(server, name);
};

/** An empty database, for tests of the migrations themselves. */
export const createEmptyDatabase = async (): Promise<TestDatabase> => {
  const server = await sharedServer();
  const name = `test_${randomBytes(6).toString('hex')}`;
  await withOwner(server.url, (client) => client.query(`CREATE DATABASE ${name}`));
  return describeDatabase(server, name);
};

/** The database `postgres` of a server of one's own, migrated. */
export const ownDatabase = async (server: EmbeddedPostgres): Promise<TestDatabase> => {
  await prepareDatabase(server, 'postgres');
  return describeDatabase(server, 'postgres');
};

/** Root hook of the suite (mocha calls it once, after the last test of the process). */
export const stopSharedServer = async (): Promise<void> => {
  const running = shared;
  shared = undefined;
  await (await running)?.stop();
};

after(stopSharedServer);
