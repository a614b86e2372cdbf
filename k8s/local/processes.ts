/**
 * Starts the components as host processes and stops exactly these. cluster.ts and its parts start them; down.ts stops
 * them. A pid file holds the process's start time too, so that a pid that the kernel gave to somebody else is never
 * signalled.
 */
import { spawn } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { environmentWith } from './environment.ts';
import { LocalClusterError } from './failure.ts';
import { paths } from './layout.ts';
import { waitFor } from './wait.ts';

export interface ProcessSpec {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly uid?: number;
  readonly gid?: number;
}

const pidFileSchema = z.strictObject({ pid: z.int().positive(), startedTicks: z.string() });
type PidFile = z.infer<typeof pidFileSchema>;

const stopGraceMs = 8000;

/**
 * Starts a process that outlives this one, its output appended to `<logs>/<name>.log`.
 * @throws LocalClusterError COMMAND_FAILED when the program cannot be started
 */
export async function startProcess(spec: ProcessSpec): Promise<number> {
  mkdirSync(paths.logs, { recursive: true });
  mkdirSync(paths.pids, { recursive: true });
  const log = openSync(logFile(spec.name), 'a'); // append mode: the log stays whole when scrape-targets.ts cuts it
  try {
    const child = spawn(spec.command, [...spec.args], {
      detached: true,
      stdio: ['ignore', log, log],
      cwd: spec.cwd ?? '/',
      env: environmentWith(spec.env),
      ...(spec.uid === undefined ? {} : { uid: spec.uid }),
      ...(spec.gid === undefined ? {} : { gid: spec.gid }),
    });
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', reject);
    });
    child.unref();
    const pid = child.pid ?? 0;
    const record: PidFile = { pid, startedTicks: startedTicks(pid) ?? '' };
    writeFileSync(pidFile(spec.name), JSON.stringify(record));
    return pid;
  } catch (cause) {
    throw new LocalClusterError('COMMAND_FAILED', `${spec.name} could not be started from ${spec.command}`, { cause });
  } finally {
    closeSync(log);
  }
}

/** The pid of a component that runs, undefined when it does not. */
export function runningPid(name: string): number | undefined {
  const record = readPidFile(name);
  return record !== undefined && isAlive(record) ? record.pid : undefined;
}

/** Every component that has a pid file and runs. */
export function runningPids(): Readonly<Record<string, number>> {
  if (!existsSync(paths.pids)) return {};
  const entries = readdirSync(paths.pids).map((name) => [name, runningPid(name)] as const);
  return Object.fromEntries(entries.filter((entry): entry is readonly [string, number] => entry[1] !== undefined));
}

/** Ends a component: SIGTERM, then SIGKILL when it has not gone after `graceMs`. A component that is gone is fine. */
export async function stopProcess(name: string, graceMs = stopGraceMs): Promise<void> {
  const record = readPidFile(name);
  if (record !== undefined) {
    signal(record, 'SIGTERM');
    const isGone = async () => !isAlive(record);
    try {
      await waitFor(`the end of ${name}`, { timeoutMs: graceMs, everyMs: 50 }, isGone);
    } catch {
      signal(record, 'SIGKILL');
      await waitFor(`the end of ${name}`, { timeoutMs: graceMs, everyMs: 50 }, isGone);
    }
  }
  rmSync(pidFile(name), { force: true });
}

/** Ends processes that are known by pid only (container processes, their shims), at once. */
export async function killPids(pids: readonly number[]): Promise<void> {
  const records = pids.map((pid) => ({ pid, startedTicks: startedTicks(pid) ?? '' }));
  for (const record of records) signal(record, 'SIGKILL');
  const areGone = async () => records.every((record) => !isAlive(record));
  await waitFor('the end of the containers', { timeoutMs: 15_000, everyMs: 50 }, areGone);
}

/** Waits until a component is up; when its process has ended, says so with the last lines of its log. */
export async function waitUntilUp(name: string, timeoutMs: number, probe: () => Promise<boolean>): Promise<void> {
  let isDead = false;
  await waitFor(`the start of ${name}`, { timeoutMs, everyMs: 150 }, async () => {
    isDead = runningPid(name) === undefined;
    return isDead || (await probe());
  });
  if (!isDead) return;
  throw new LocalClusterError('CLUSTER_UNHEALTHY', `${name} ended right after its start: ${logTail(name)}`);
}

export function logFile(name: string): string {
  return join(paths.logs, `${name}.log`);
}

function logTail(name: string): string {
  return existsSync(logFile(name)) ? readFileSync(logFile(name), 'utf8').trim().slice(-600) : 'it left no log';
}

function pidFile(name: string): string {
  return join(paths.pids, name);
}

function readPidFile(name: string): PidFile | undefined {
  try {
    return pidFileSchema.parse(JSON.parse(readFileSync(pidFile(name), 'utf8')));
  } catch {
    return undefined; // never written, or cut off by a crash: nothing that could be stopped safely
  }
}

function isAlive(record: PidFile): boolean {
  const ticks = startedTicks(record.pid);
  return ticks !== undefined && ticks === record.startedTicks;
}

function signal(record: PidFile, name: 'SIGTERM' | 'SIGKILL'): void {
  if (!isAlive(record)) return;
  try {
    process.kill(record.pid, name);
  } catch {
    // ended between the look and the signal
  }
}

/** Field 22 of /proc/PID/stat; undefined when there is no such process or only its zombie. */
function startedTicks(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? undefined : fields[19];
  } catch {
    return undefined;
  }
}
