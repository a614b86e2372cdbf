/**
 * Better Auth as a subject: from npm, pinned, in a cache folder outside the project, since it is no dependency of it. Called by the scenarios;
 * without the registry they go on without it.
 */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { copyFile, mkdir } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Connection, requestBytes } from './connection.ts';
import type { Conversation } from './load.ts';
import { PinnedProcess } from './pinned-process.ts';
import type { Stores } from './stores.ts';

/** Its PostgreSQL and Redis drivers are the versions that we use. */
const PACKAGES = ['better-auth@1.7.24', 'pg@8.23.1', 'ioredis@6.0.0'];
const INSTALL_MS = 180_000;
const SESSIONS = 16;

export const BETTER_AUTH_MODES = ['database', 'cookie', 'redis'] as const;
export type BetterAuthMode = (typeof BETTER_AUTH_MODES)[number];

export interface BetterAuth {
  readonly process: PinnedProcess;
  readonly mode: BetterAuthMode;
  conversations(connections: number): readonly Conversation[];
}

const cacheFolder = (): string =>
  join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'latchkey', 'bench', 'better-auth-1.7.24');

/** The folder with the packages; undefined, with a line that says why, where they cannot be had. */
export const installBetterAuth = async (say: (line: string) => void): Promise<string | undefined> => {
  const folder = cacheFolder();
  try {
    await mkdir(folder, { recursive: true });
    if (!existsSync(join(folder, 'node_modules', 'better-auth', 'package.json'))) {
      say(`installing ${PACKAGES.join(', ')} into ${folder} (once)`);
      const args = ['install', '--prefix', folder, '--no-audit', '--no-fund', '--ignore-scripts', ...PACKAGES];
      await promisify(execFile)('npm', args, { timeout: INSTALL_MS, cwd: folder });
    }
    await copyFile(new URL('./better-auth-server.mjs', import.meta.url), join(folder, 'server.mjs'));
    return folder;
  } catch (error) {
    const reason = error instanceof Error ? error.message.split('\n')[0] : 'failed';
    say(`going on without Better Auth, which cannot be installed here: ${reason}`);
    return undefined;
  }
};

/** `name=value` of every cookie that an answer sets. */
const cookiesOf = (head: string): readonly string[] =>
  [...head.matchAll(/\r\nset-cookie: ([^;\r]+)/gi)].map((match) => match[1] ?? '');

const signUp = async (connection: Connection, index: number): Promise<string> => {
  const account = { name: 'Bench', email: `bench-${index}@example.com`, password: 'Correct-Horse-9-Staple' };
  const request = requestBytes({ method: 'POST', path: '/api/auth/sign-up/email', body: account });
  const answer = await connection.exchange(request);
  if (answer.status !== 200) throw new Error(`Better Auth sign-up: ${answer.status} ${answer.body.toString()}`);
  return cookiesOf(answer.head).join('; ');
};

export const startBetterAuth = async (folder: string, stores: Stores, mode: BetterAuthMode): Promise<BetterAuth> => {
  const database = await stores.emptyDatabase(`better_auth_${mode}`);
  const started = await PinnedProcess.start({
    name: `Better Auth, ${mode}`,
    args: [join(folder, 'server.mjs')],
    env: {
      NODE_ENV: 'production',
      DATABASE_URL: database.url,
      REDIS_URL: stores.redisUrl,
      MODE: mode,
      SECRET: randomBytes(32).toString('hex'),
    },
    probe: '/api/auth/ok',
  });
  const connection = await Connection.open(started.port);
  const cookies: string[] = [];
  for (let index = 0; index < SESSIONS; index += 1) cookies.push(await signUp(connection, index));
  connection.close();
  const requests = cookies.map((cookie) =>
    requestBytes({ method: 'GET', path: '/api/auth/get-session', headers: { cookie } }),
  );
  return {
    process: started,
    mode,
    conversations: (connections) =>
      Array.from({ length: connections }, (_, index) => {
        let turn = index;
        return { next: () => requests[(turn += 1) % requests.length] ?? Buffer.alloc(0) };
      }),
  };
};
