/**
 * Runs the operator as a child process, as its image does, and reads its log. Used by test/integration/operator.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { eventually } from './eventually.ts';

const MAIN = fileURLToPath(new URL('../../operator/src/main.ts', import.meta.url));

const logLine = z.looseObject({ msg: z.string().default(''), time: z.string().default('') });
export type LogLine = z.infer<typeof logLine>;

export interface OperatorOptions {
  readonly kubeconfig: string;
  readonly namespace: string;
  readonly podName?: string;
  readonly leaseNamespace?: string;
  /** Empty: all. Default: the namespace. */
  readonly watchNamespace?: string;
  /** What node runs; the source unless told otherwise. */
  readonly program?: string;
  /** Beyond what every operator gets. */
  readonly env?: Readonly<Record<string, string>>;
}

const running = new Set<OperatorProcess>();

afterEach(async function stopOperators() {
  for (const operator of running) {
    if (this.currentTest?.state === 'failed' || process.env['OPERATOR_LOG'] === '1') console.error(operator.tail(60));
    await operator.kill('SIGKILL');
  }
  running.clear();
});

export class OperatorProcess {
  readonly lines: LogLine[] = [];
  readonly stderr: string[] = [];
  readonly #child: ChildProcess;
  /** The exit code; null after a signal. */
  readonly exited: Promise<number | null>;

  constructor(options: OperatorOptions) {
    const env = {
      PATH: process.env['PATH'],
      WATCH_NAMESPACE: options.watchNamespace ?? options.namespace,
      POD_NAME: options.podName ?? 'operator',
      POD_NAMESPACE: options.leaseNamespace ?? options.namespace,
      PORT: '0',
      LOG_LEVEL: 'debug',
      ...options.env,
    };
    this.#child = spawn(process.execPath, [options.program ?? MAIN, '--kubeconfig', options.kubeconfig], {
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.exited = new Promise((resolve) => this.#child.once('exit', (code) => resolve(code)));
    const { stdout, stderr } = this.#child;
    if (stdout !== null) {
      createInterface({ input: stdout }).on('line', (line) => {
        if (line.startsWith('{')) this.lines.push(logLine.parse(JSON.parse(line)));
      });
    }
    stderr?.on('data', (chunk: Buffer) => this.stderr.push(chunk.toString()));
    running.add(this);
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  /** Sends the signal and waits for the end. */
  async kill(name: NodeJS.Signals): Promise<number | null> {
    running.delete(this);
    if (this.isRunning) {
      // A stopped process takes no other signal than these two.
      if (name === 'SIGKILL') this.#child.kill('SIGCONT');
      this.#child.kill(name);
    }
    return await this.exited;
  }

  async logged(matches: (line: LogLine) => boolean, withinMs = 10_000): Promise<LogLine> {
    return await eventually('the operator logs it', withinMs, () => this.lines.find(matches));
  }

  async isLeading(withinMs = 15_000): Promise<void> {
    await this.logged((line) => line.msg === 'leadership' && line['leading'] === true, withinMs);
  }

  /** Where it serves, once it does. */
  async address(): Promise<string> {
    const started = await this.logged((line) => line.msg === 'started');
    return `http://127.0.0.1:${String(started['port'])}`;
  }

  async get(path: '/metrics' | '/livez' | '/readyz'): Promise<{ status: number; body: string }> {
    const response = await fetch(`${await this.address()}${path}`, { signal: AbortSignal.timeout(5_000) });
    return { status: response.status, body: await response.text() };
  }

  tail(count: number): string {
    const lines = this.lines.slice(-count).map((line) => JSON.stringify(line));
    return [`operator ${this.pid}:`, ...lines, ...this.stderr].join('\n');
  }
}
