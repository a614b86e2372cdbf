/** The API as a process of its own, which a test may kill: a pod. Used by the tests that kill pods. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { Agent, request as httpRequest } from 'node:http';
import { fileURLToPath } from 'node:url';
import { freePort } from '../../api/src/embedded/free-port.ts';
import { TEST_KEYS } from './api.ts';
import { eventually } from './eventually.ts';

const MAIN = fileURLToPath(new URL('../../api/src/main.ts', import.meta.url));

export interface PodAnswer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

export interface PodRequest {
  readonly method?: 'GET' | 'POST' | 'DELETE';
  readonly path: string;
  readonly body?: unknown;
  readonly bearer?: string;
  /** Cuts the connection after so long, whether or not the answer is there. */
  readonly cutAfterMs?: number;
}

export class Pod {
  readonly port: number;
  readonly #env: Readonly<Record<string, string>>;
  #agent = new Agent({ keepAlive: true, maxSockets: 64 });
  #child: ChildProcess | undefined;

  private constructor(port: number, env: Readonly<Record<string, string>>) {
    this.port = port;
    this.#env = env;
  }

  static async start(env: Readonly<Record<string, string>>): Promise<Pod> {
    const pod = new Pod(await freePort(), env);
    await pod.start();
    return pod;
  }

  /** Comes back on the same port, ready. */
  async start(): Promise<void> {
    const { PATH = '' } = process.env;
    this.#child = spawn(process.execPath, [MAIN], {
      env: { PATH, PORT: String(this.port), ...TEST_KEYS, ...this.#env },
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    let last = 'nothing';
    const isReady = async (): Promise<boolean> => {
      const { status, body } = await this.ask({ path: '/api/health/ready' });
      last = `${status} ${JSON.stringify(body)}`;
      return status === 200;
    };
    await eventually('the pod is ready', 60_000, isReady).catch((cause: unknown) => {
      throw new Error(`the pod on port ${this.port} answers ${last}`, { cause });
    });
  }

  /** As a node that loses its power. */
  async kill(): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
    this.#agent.destroy();
    this.#agent = new Agent({ keepAlive: true, maxSockets: 64 });
  }

  /** @throws when the connection breaks, was cut, or nobody answers for 10 s. */
  ask({ method = 'GET', path, body, bearer, cutAfterMs }: PodRequest): Promise<PodAnswer> {
    const payload = body === undefined ? undefined : JSON.stringify(body);
    const headers = {
      ...(payload !== undefined && {
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(payload),
      }),
      ...(bearer !== undefined && { authorization: `Bearer ${bearer}` }),
    };
    return new Promise((resolve, reject) => {
      const options = {
        host: '127.0.0.1',
        port: this.port,
        method,
        path,
        headers,
        agent: this.#agent,
        timeout: 10_000,
      };
      const request = httpRequest(options, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString();
          const parsed = text.startsWith('{') ? (JSON.parse(text) as Record<string, unknown>) : {};
          resolve({ status: response.statusCode ?? 0, body: parsed });
        });
      });
      request.on('error', reject);
      request.on('timeout', () => request.destroy(new Error('no answer in 10 s')));
      if (cutAfterMs !== undefined) setTimeout(() => request.destroy(new Error('cut')), cutAfterMs);
      request.end(payload);
    });
  }
}
