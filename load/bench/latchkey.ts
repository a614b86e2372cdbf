/** Our API as a subject: its processes, its sessions, its requests. Called by the scenarios. */
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { generateKeys } from '../../api/src/embedded/keys.ts';
import { type Answer, Connection, requestBytes } from './connection.ts';
import { imageEnvironment } from './image.ts';
import type { Conversation } from './load.ts';
import { PinnedProcess } from './pinned-process.ts';
import type { BenchDatabase, Stores } from './stores.ts';

const MAIN = fileURLToPath(new URL('../../api/src/main.ts', import.meta.url));
export const PASSWORD = 'Correct-Horse-9-Staple';
const MAX_PER_MINUTE = '10000000';

const pair = z.object({ accessToken: z.string(), refreshToken: z.string() });

/** A session as its client keeps it: a refresh changes both tokens. */
export interface ClientSession {
  accessToken: string;
  refreshToken: string;
}

export interface Latchkey {
  readonly database: BenchDatabase;
  readonly sessions: readonly ClientSession[];
  /** A server on these stores, as in production. */
  serve(options?: {
    readonly name?: string;
    readonly cores?: string;
    readonly flags?: readonly string[];
    readonly env?: Readonly<Record<string, string>>;
  }): Promise<PinnedProcess>;
}

const { databasePassword: _unused, ...KEYS } = generateKeys();

const environment = (database: BenchDatabase, redisUrl: string): Readonly<Record<string, string>> => ({
  NODE_ENV: 'production',
  APP_ENV: 'production',
  DATABASE_URL: database.url,
  REDIS_URL: redisUrl,
  RATE_LIMIT_PER_MINUTE: MAX_PER_MINUTE, // counted like any other, since counting is part of the price; refused never
  EMAIL_VERIFICATION: 'optional',
  ...KEYS,
});

const send = async (connection: Connection, path: string, body: unknown): Promise<Answer> => {
  const answer = await connection.exchange(requestBytes({ method: 'POST', path: `/api/v1/auth/${path}`, body }));
  if (answer.status >= 300) throw new Error(`${path}: ${answer.status} ${answer.body.toString()}`);
  return answer;
};

export const emailOf = (index: number): string => `bench-${index}@example.com`;

/** Opens accounts and logs them in at a server whose hashes are cheap: what is measured later is not the seed. */
const seed = async (port: number, count: number): Promise<readonly ClientSession[]> => {
  const connection = await Connection.open(port);
  const sessions: ClientSession[] = [];
  for (let index = 0; index < count; index += 1) {
    const account = { email: emailOf(index), password: PASSWORD };
    await send(connection, 'register', account);
    sessions.push(sessionFrom(await send(connection, 'login', account)));
  }
  connection.close();
  return sessions;
};

const sessionFrom = ({ body }: Answer): ClientSession => pair.parse(JSON.parse(body.toString()));

export const createLatchkey = async (stores: Stores, sessionCount: number): Promise<Latchkey> => {
  const database = await stores.latchkeyDatabase('latchkey_bench');
  const env = environment(database, stores.redisUrl);
  const image = await imageEnvironment(MAIN, join(stores.folder, 'compile-cache'));
  const probe = '/api/health/ready';
  const cheap = { ...env, APP_ENV: 'development', BCRYPT_COST: '4' };
  const seeding = await PinnedProcess.start({ name: 'seed', args: [MAIN], env: cheap, probe, cores: '1' });
  const sessions = await seed(seeding.port, sessionCount);
  await seeding.stop();
  return {
    database,
    sessions,
    serve: ({ name = 'latchkey', cores, flags = [], env: given = {} } = {}) =>
      PinnedProcess.start({
        name,
        args: [...flags, MAIN],
        env: { ...env, ...image, ...given },
        probe,
        ...(cores === undefined ? {} : { cores }),
      }),
  };
};

/** Access tokens live a quarter of an hour, and a run may take longer. */
export const renew = async (port: number, sessions: readonly ClientSession[]): Promise<void> => {
  const connection = await Connection.open(port);
  for (const session of sessions) {
    const { refreshToken } = session;
    Object.assign(session, sessionFrom(await send(connection, 'refresh', { refreshToken })));
  }
  connection.close();
};

/** GETs with the tokens of all sessions in turn, each connection beginning elsewhere. */
export const reads = (
  path: string,
  sessions: readonly ClientSession[],
  connections: number,
): readonly Conversation[] => {
  const requests = sessions.map(({ accessToken }) =>
    requestBytes({ method: 'GET', path, headers: { authorization: `Bearer ${accessToken}` } }),
  );
  return Array.from({ length: connections }, (_, connection) => {
    let turn = connection * 7;
    return { next: () => requests[(turn += 1) % requests.length] ?? Buffer.alloc(0) };
  });
};

/** Refreshes, each connection with the chain of a session of its own. */
export const refreshes = (sessions: readonly ClientSession[], connections: number): readonly Conversation[] =>
  sessions.slice(0, connections).map((session) => ({
    next: () =>
      requestBytes({
        method: 'POST',
        path: '/api/v1/auth/refresh',
        body: { refreshToken: session.refreshToken },
      }),
    heard: (answer) => {
      if (answer.status === 200) Object.assign(session, sessionFrom(answer));
    },
  }));

/** Logins with the right password, spread over these accounts. */
export const logins = (emails: readonly string[]): (() => Buffer) => {
  let turn = 0;
  return () => {
    const email = emails[(turn += 1) % emails.length] ?? '';
    return requestBytes({ method: 'POST', path: '/api/v1/auth/login', body: { email, password: PASSWORD } });
  };
};

/** Accounts whose hashes have the full cost: made by the measured server itself. */
export const registerAtFullCost = async (port: number, count: number): Promise<readonly string[]> => {
  const connection = await Connection.open(port);
  const emails = Array.from({ length: count }, () => `full-cost-${randomUUID()}@example.com`);
  for (const email of emails) await send(connection, 'register', { email, password: PASSWORD });
  connection.close();
  return emails;
};
