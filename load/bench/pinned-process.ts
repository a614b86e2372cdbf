/**
 * A process that serves on one core, and what the kernel says about it: CPU time and resident memory. Called by the subjects (latchkey.ts,
 * better-auth.ts, floor.ts) and read by measure.ts.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../../api/src/embedded/free-port.ts';

const START_MS = 60_000;
/** The kernel's unit in /proc/<pid>/stat. */
const TICKS_PER_SECOND = 100;

/** Servers on the first core, everything else on the second: with one core there is nothing to separate. */
export const SERVER_CORE = '0';
const isPinned = availableParallelism() > 1 && spawnSync('taskset', ['-c', SERVER_CORE, 'true']).status === 0;

/** What to say where servers cannot have a core of their own. */
export const pinWarning: string | undefined = isPinned
  ? undefined
  : 'taskset or a second core is missing: servers share their core with the client and the stores';

/** Puts this process (the client), and whatever it starts unpinned, on the other cores. */
export const pinClient = (): void => {
  if (!isPinned) return;
  spawnSync('taskset', ['-a', '-c', '-p', `1-${availableParallelism() - 1}`, String(process.pid)]);
};

export interface PinnedOptions {
  readonly name: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cores?: string;
  /** A path that answers 2xx or 4xx once the server is up; undefined: the process is no server. */
  readonly probe?: string;
}

export class PinnedProcess {
  readonly name: string;
  readonly port: number;
  readonly #child: ChildProcess;
  #output = '';

  private constructor(options: PinnedOptions, port: number, child: ChildProcess) {
    this.name = options.name;
    this.port = port;
    this.#child = child;
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (chunk: Buffer) => {
        this.#output = `${this.#output}${chunk.toString()}`.slice(-4_000);
      });
    }
  }

  /** Node with these arguments, its port in PORT. @throws with the process's last words when it does not come up. */
  static async start(options: PinnedOptions): Promise<PinnedProcess> {
    const port = await freePort();
    const command = [process.execPath, ...options.args];
    const line = isPinned ? ['taskset', '-c', options.cores ?? SERVER_CORE, ...command] : command;
    const child = spawn(line[0] ?? process.execPath, line.slice(1), {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: process.env['PATH'] ?? '', HOME: process.env['HOME'] ?? '', PORT: String(port), ...options.env },
    });
    const started = new PinnedProcess(options, port, child);
    const kill = (): void => void child.kill('SIGKILL');
    process.once('exit', kill);
    child.once('exit', () => process.removeListener('exit', kill));
    if (options.probe !== undefined) await started.#untilUp(options.probe);
    return started;
  }

  /** Stops and goes on as a process of the kernel does: runner/slow.ts takes time from it. */
  signal(name: 'SIGSTOP' | 'SIGCONT'): void {
    this.#child.kill(name);
  }

  /** User and system time of all threads, in seconds. */
  cpuSeconds(): number {
    const stat = readFileSync(`/proc/${this.#child.pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
  }

  /** Resident memory now, in MB of 10⁶ bytes. */
  residentMb(): number {
    const status = readFileSync(`/proc/${this.#child.pid}/status`, 'utf8');
    return (Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) * 1024) / 1e6;
  }

  /** Everything it wrote, once it has ended by itself. @throws when it failed. */
  async output(): Promise<string> {
    const [code] = (await once(this.#child, 'close')) as [number | null];
    if (code !== 0) throw new Error(`${this.name} ended with ${code}: ${this.#output}`);
    return this.#output;
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await gone;
  }

  async #untilUp(path: string): Promise<void> {
    const deadlineMs = performance.now() + START_MS;
    while (performance.now() < deadlineMs) {
      if (this.#child.exitCode !== null) break;
      const answer = await fetch(`http://127.0.0.1:${this.port}${path}`).catch(() => undefined);
      if (answer !== undefined && answer.status < 500) return;
      await sleep(50);
    }
    throw new Error(`${this.name} did not start: ${this.#output}`);
  }
}
