/**
 * PostgreSQL 18 and Redis on the bridge's address, for the host and for pods. cluster.ts calls `startDataStores`; the
 * URLs go into the cluster's state file.
 */
import { randomBytes } from 'node:crypto';
import { chownSync, cpSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { z } from 'zod';
import { canConnect } from './control-plane.ts';
import { bridge, paths, ports } from './layout.ts';
import { startProcess, waitUntilUp } from './processes.ts';
import { run } from './run.ts';

type Binaries = Readonly<Record<'postgres' | 'redis-server', string>>;

export interface DataStores {
  readonly postgresUrl: string;
  readonly redisUrl: string;
}

/** `nobody`: PostgreSQL refuses to run as root. */
const unprivileged = { uid: 65534, gid: 65534 } as const;
const startTimeoutMs = 60_000;
const linksSchema = z.array(z.object({ source: z.string(), target: z.string() }));

/** Starts both; their passwords are new with every cluster. */
export async function startDataStores(binaries: Binaries): Promise<DataStores> {
  const [postgresUrl, redisUrl] = await Promise.all([startPostgres(binaries), startRedis(binaries)]);
  return { postgresUrl, redisUrl };
}

async function startPostgres(binaries: Binaries): Promise<string> {
  const password = randomBytes(18).toString('base64url');
  const data = join(paths.postgres, 'data');
  const programs = copyForEverybody(join(binaries.postgres, '..', '..'));
  const passwordFile = join(paths.postgres, 'password');
  mkdirSync(data, { recursive: true, mode: 0o700 });
  writeFileSync(passwordFile, password, { mode: 0o600 });
  for (const path of [data, passwordFile]) chownSync(path, unprivileged.uid, unprivileged.gid);
  const identity = ['--username=postgres', `--pwfile=${passwordFile}`, '--auth=scram-sha-256'];
  const locale = ['--encoding=UTF8', '--locale=C', '--no-sync'];
  const initdb = [`--pgdata=${data}`, ...identity, ...locale];
  await run(join(programs, 'bin', 'initdb'), initdb, { ...unprivileged, cwd: data, timeoutMs: startTimeoutMs });
  writeFileSync(join(data, 'pg_hba.conf'), `host all all ${bridge.podCidr} scram-sha-256\n`);
  await startProcess({
    name: 'postgres',
    command: join(programs, 'bin', 'postgres'),
    args: ['-D', data, ...postgresSettings()],
    cwd: data,
    ...unprivileged,
  });
  await waitUntilUp('postgres', startTimeoutMs, async () => await canConnect(bridge.address, ports.postgres));
  return `postgres://postgres:${password}@${bridge.address}:${ports.postgres}/postgres`;
}

/** A package folder below a home directory is closed to other users, so PostgreSQL gets a copy (60 MB). */
function copyForEverybody(native: string): string {
  const programs = join(paths.postgres, 'programs');
  cpSync(native, programs, { recursive: true, verbatimSymlinks: true });
  // npm packages carry no links: the package's install script makes them, where install scripts are allowed.
  for (const link of linksSchema.parse(JSON.parse(readFileSync(join(programs, 'pg-symlinks.json'), 'utf8')))) {
    const target = join(programs, link.target.replace(/^native\//, ''));
    if (!existsSync(target)) symlinkSync(basename(link.source), target);
  }
  return programs;
}

function postgresSettings(): string[] {
  const settings = {
    listen_addresses: bridge.address,
    port: ports.postgres,
    unix_socket_directories: '',
    max_connections: 200,
    dynamic_shared_memory_type: 'mmap', // in the data folder, not in /dev/shm, where a killed server leaves it
    fsync: 'off', // the three: the data is thrown away with the cluster
    synchronous_commit: 'off',
    full_page_writes: 'off',
  };
  return Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
}

async function startRedis(binaries: Binaries): Promise<string> {
  const password = randomBytes(18).toString('base64url');
  mkdirSync(paths.config, { recursive: true });
  const config = join(paths.config, 'redis.conf');
  const lines = [
    `bind ${bridge.address}`,
    `port ${ports.redis}`,
    `requirepass ${password}`,
    'save ""',
    'appendonly no',
    'maxmemory 256mb',
    'dir /tmp',
  ];
  writeFileSync(config, lines.join('\n'), { mode: 0o600 });
  await startProcess({ name: 'redis', command: binaries['redis-server'], args: [config] });
  await waitUntilUp('redis', startTimeoutMs, async () => await canConnect(bridge.address, ports.redis));
  return `redis://:${password}@${bridge.address}:${ports.redis}`;
}
