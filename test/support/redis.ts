/** A real redis-server on a loopback port, which a test may kill and start again. Called by the integration tests. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { freePort } from '../../api/src/embedded/free-port.ts';
import { eventually } from './eventually.ts';

/** One command on a connection of its own, tried once. */
export const commandAt = async <T>(url: string, work: (client: Redis) => Promise<T>): Promise<T> => {
  const client = new Redis(url, { lazyConnect: true, maxRetriesPerRequest: 0, retryStrategy: () => null });
  client.on('error', () => undefined);
  try {
    await client.connect();
    return await work(client);
  } finally {
    client.disconnect();
  }
};

export class TestRedis {
  readonly port: number;
  readonly #folder: string;
  #process: ChildProcess | undefined;

  private constructor(port: number, folder: string) {
    this.port = port;
    this.#folder = folder;
  }

  static async start(): Promise<TestRedis> {
    const redis = new TestRedis(await freePort(), await mkdtemp(join(tmpdir(), 'latchkey-redis-')));
    await redis.start();
    return redis;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** On the same port, with an empty memory unless `save` was called. */
  async start(): Promise<void> {
    const process = spawn(
      'redis-server',
      ['--port', String(this.port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', this.#folder],
      {
        stdio: 'ignore',
      },
    );
    const failed = once(process, 'error').then(([error]) => {
      throw new Error('redis-server is missing: install the package redis-server', { cause: error });
    });
    this.#process = process;
    await Promise.race([failed, eventually('redis answers', 10_000, () => this.command((client) => client.ping()))]);
  }

  /** What it knows now, it will know after the next start. */
  async save(): Promise<void> {
    await this.command((client) => client.save());
  }

  /** Kills it for good. */
  async drop(): Promise<void> {
    await this.kill();
    await rm(this.#folder, { recursive: true, force: true });
  }

  /** It hangs: connections stay, and nothing answers, until `wake` or `kill`. */
  hang(): void {
    this.#process?.kill('SIGSTOP');
  }

  wake(): void {
    this.#process?.kill('SIGCONT');
  }

  async kill(): Promise<void> {
    const process = this.#process;
    if (process === undefined || process.exitCode !== null || process.signalCode !== null) return;
    const gone = once(process, 'exit');
    process.kill('SIGKILL');
    await gone;
  }

  /** One command from outside. */
  command<T>(work: (client: Redis) => Promise<T>): Promise<T> {
    return commandAt(this.url, work);
  }
}
