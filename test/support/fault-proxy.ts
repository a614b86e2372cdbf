/**
 * Stands between the operator and the apiserver and breaks what a test tells it to: answers 409, 410, 429 or 500, drops watches,
 * goes silent. Speaks plain HTTP to the operator, which sends its bearer token along. Used by test/integration/operator.
 */
import http from 'node:http';
import https from 'node:https';
import type { TestApiserver } from './apiserver.ts';

export interface Fault {
  readonly matches: (method: string, path: string) => boolean;
  /** How many requests it hits; undefined: all, until cleared. */
  times?: number;
  readonly status?: number;
  readonly retryAfterSeconds?: number;
  /** Accepts the request and never answers. */
  readonly hangs?: boolean;
  /** Lets the apiserver do it and loses the answer: the caller cannot know. */
  readonly losesAnswer?: boolean;
}

export interface Passed {
  readonly method: string;
  readonly path: string;
  readonly at: number;
  readonly status: number;
}

const REASONS: Readonly<Record<number, string>> = {
  409: 'Conflict',
  410: 'Expired',
  429: 'TooManyRequests',
  500: 'InternalError',
  503: 'ServiceUnavailable',
};

export class FaultProxy {
  readonly faults: Fault[] = [];
  readonly passed: Passed[] = [];
  readonly #target: TestApiserver;
  readonly #server: http.Server;
  readonly #watches = new Set<http.ServerResponse>();
  readonly #agent: https.Agent;

  private constructor(target: TestApiserver) {
    this.#target = target;
    this.#agent = new https.Agent({ keepAlive: true, ca: target.ca });
    this.#server = http.createServer((request, response) => this.#handle(request, response));
  }

  static async start(target: TestApiserver): Promise<FaultProxy> {
    const proxy = new FaultProxy(target);
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get url(): string {
    const address = this.#server.address();
    return `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;
  }

  get openWatches(): number {
    return this.#watches.size;
  }

  /** Cuts every watch without a farewell. */
  dropWatches(): void {
    for (const watch of this.#watches) watch.destroy();
  }

  /** Sends a line into every open watch, as the apiserver does with an ERROR object. */
  injectIntoWatches(event: object): void {
    for (const watch of this.#watches) watch.write(`${JSON.stringify(event)}\n`);
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    this.#agent.destroy();
    await closed;
  }

  #handle(request: http.IncomingMessage, response: http.ServerResponse): void {
    const { method = 'GET', url = '/' } = request;
    const fault = this.faults.find(({ matches, times }) => times !== 0 && matches(method, url));
    if (fault?.times !== undefined) fault.times--;
    if (fault?.hangs) return;
    if (fault?.status !== undefined) return this.#refuse(request, response, fault);
    this.#forward(request, response, fault?.losesAnswer === true);
  }

  #refuse(
    request: http.IncomingMessage,
    response: http.ServerResponse,
    { status = 500, retryAfterSeconds }: Fault,
  ): void {
    request.resume();
    this.#note(request, status);
    const headers = {
      'content-type': 'application/json',
      ...(retryAfterSeconds === undefined ? {} : { 'retry-after': String(retryAfterSeconds) }),
    };
    const body = {
      kind: 'Status',
      apiVersion: 'v1',
      status: 'Failure',
      reason: REASONS[status] ?? 'Unknown',
      message: 'broken by the test',
      code: status,
    };
    response.writeHead(status, headers).end(JSON.stringify(body));
  }

  #forward(request: http.IncomingMessage, response: http.ServerResponse, losesAnswer: boolean): void {
    const { method = 'GET', url = '/', headers } = request;
    const onward = https.request(
      `${this.#target.url}${url}`,
      { method, headers: { ...headers, host: '127.0.0.1' }, agent: this.#agent },
      (answer) => {
        this.#note(request, answer.statusCode ?? 0);
        if (losesAnswer) {
          answer.resume();
          response.destroy();
          return;
        }
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        if (url.includes('watch=true')) {
          response.flushHeaders();
          this.#watches.add(response);
          response.once('close', () => {
            this.#watches.delete(response);
            onward.destroy();
          });
        }
        answer.pipe(response);
        answer.once('error', () => response.destroy());
      },
    );
    onward.once('error', () => response.destroy());
    request.pipe(onward);
  }

  #note(request: http.IncomingMessage, status: number): void {
    this.passed.push({ method: request.method ?? 'GET', path: request.url ?? '/', at: performance.now(), status });
  }
}
