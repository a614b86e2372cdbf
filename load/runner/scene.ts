/**
 * The server that is put under load, and who asks it: PostgreSQL, Redis and the API as its image runs it, with accounts and sessions, or a
 * server that runs already. Called by main.ts.
 */
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { z } from 'zod';
import {
  type ClientSession,
  createLatchkey,
  emailOf,
  type Latchkey,
  PASSWORD,
  reads,
  registerAtFullCost,
  renew,
} from '../bench/latchkey.ts';
import { after, closedLoop } from '../bench/load.ts';
import type { PinnedProcess } from '../bench/pinned-process.ts';
import { type BenchDatabase, startStores } from '../bench/stores.ts';
import type { StageName } from '../service-levels.ts';
import type { RunOptions } from './options.ts';
import { LIMITS } from './stages.ts';

export interface Scene {
  readonly baseUrl: string;
  /** What the scripts must know of it. */
  readonly settings: Readonly<Record<string, string>>;
  /** Undefined: the server is not ours. */
  readonly own: { readonly server: PinnedProcess; readonly database: BenchDatabase } | undefined;
  stop(): Promise<void>;
}

export interface SeededSession extends ClientSession {
  readonly email: string;
}

export interface SceneNeeds {
  readonly options: RunOptions;
  readonly users: number;
  /** Nobody else's: a refresh of theirs would be a replay to others. */
  readonly sessions: readonly SeededSession[];
  readonly folder: string;
  readonly say: (line: string) => void;
}

/** Accounts that log in with hashes of the full cost. Users beyond them share them: a login costs the same. */
const MAX_FULL_COST_ACCOUNTS = 16;
const WARM_SECONDS = { smoke: 0.2, average: 4, stress: 4, soak: 4 } as const satisfies Record<StageName, number>;
const CONNECTIONS = 16;

const HASH_LIMIT = new URL('../bench/hash-limit.ts', import.meta.url).pathname;
const hashed = z.object({ hashes: z.number(), seconds: z.number() });

/** Hashes of cost 12 a second that all cores make when they do nothing else. */
export const hashesPerSecond = async (forSeconds: number): Promise<number> => {
  const cores = availableParallelism();
  const env = { ...process.env, UV_THREADPOOL_SIZE: String(cores + 1) };
  const { stdout } = await promisify(execFile)(process.execPath, [HASH_LIMIT, String(forSeconds), String(cores)], {
    env,
  });
  const { hashes, seconds } = hashed.parse(JSON.parse(stdout));
  return hashes / seconds;
};

const environmentOf = ({ scenario, stage }: RunOptions): Readonly<Record<string, string>> => {
  if (scenario !== 'rate-limit') return {};
  const { limit, loginLimit } = LIMITS[stage];
  return {
    RATE_LIMIT_PER_MINUTE: String(limit),
    RATE_LIMIT_LOGIN_PER_MINUTE: String(loginLimit),
    TRUST_PROXY: '127.0.0.1',
  };
};

/** Written for k6, which cannot reach a database: accounts, and for most scenarios a session each. */
const writeSeeds = async (server: PinnedProcess, needs: SceneNeeds): Promise<string> => {
  const file = join(needs.folder, 'seeds.json');
  const { scenario } = needs.options;
  const isLogin = scenario === 'login' || scenario === 'rate-limit';
  if (!isLogin) await renew(server.port, needs.sessions);
  const count = scenario === 'rate-limit' ? 1 : Math.min(needs.users, MAX_FULL_COST_ACCOUNTS);
  const seeds = isLogin ? (await registerAtFullCost(server.port, count)).map((email) => ({ email })) : needs.sessions;
  await writeFile(file, JSON.stringify(seeds), { mode: 0o600 });
  return file;
};

/** What is measured is a server that has been running, not the compiler. Refreshes and logins come with the first seconds of load. */
const warmUp = async (server: PinnedProcess, { options, sessions }: SceneNeeds): Promise<void> => {
  if (options.scenario === 'rate-limit') return;
  for (const path of ['/api/v1/auth/me', '/api/v1/auth/validate']) {
    await closedLoop(server.port, reads(path, sessions, CONNECTIONS), after(WARM_SECONDS[options.stage] / 2));
  }
};

/** PostgreSQL, Redis, and in them accounts with sessions: one for all scenarios of a run. */
export interface House {
  readonly latchkey: Latchkey;
  /** Sessions that nobody has used yet. @throws RangeError when there are not so many left */
  readonly takeSessions: (count: number) => readonly SeededSession[];
  readonly stop: () => Promise<void>;
}

export const openHouse = async (sessionCount: number, say: (line: string) => void): Promise<House> => {
  say('starting PostgreSQL and Redis');
  const stores = await startStores();
  try {
    say('making accounts and sessions');
    const latchkey = await createLatchkey(stores, sessionCount);
    const fresh = latchkey.sessions.map((session, index) => ({ email: emailOf(index), ...session }));
    const takeSessions = (count: number): readonly SeededSession[] => {
      if (count > fresh.length) throw new RangeError(`${count} sessions are wanted, and ${fresh.length} are left`);
      return fresh.splice(0, count);
    };
    return { latchkey, takeSessions, stop: () => stores.stop() };
  } catch (error) {
    await stores.stop();
    throw error;
  }
};

/** A server of this scenario's own in the house, warm, and what k6 must know of it. */
export const setScene = async ({ latchkey }: House, needs: SceneNeeds): Promise<Scene> => {
  const { scenario } = needs.options;
  needs.say('starting the API as in production');
  const cores = `0-${availableParallelism() - 1}`;
  const server = await latchkey.serve({ cores, env: environmentOf(needs.options) });
  try {
    const seeds = scenario === 'smoke' ? {} : { SEEDS: await writeSeeds(server, needs), PASSWORD };
    await warmUp(server, needs);
    const baseUrl = `http://127.0.0.1:${server.port}`;
    return { baseUrl, settings: seeds, own: { server, database: latchkey.database }, stop: () => server.stop() };
  } catch (error) {
    await server.stop();
    throw error;
  }
};

/** A server that runs already: users register and log in by themselves. */
export const sceneAt = (baseUrl: string): Scene => ({
  baseUrl,
  settings: {},
  own: undefined,
  stop: () => Promise.resolve(),
});
