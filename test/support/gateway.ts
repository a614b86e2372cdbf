/**
 * Stands before an API as a gateway does, serves the page of a test beside it, and breaks what the test tells it to. It counts the refreshes that the
 * API carried out. Used by the tests of the client.
 */
import http from 'node:http';
import type { Api } from './api.ts';

export interface GatewayFault {
  readonly matches: (method: string, path: string) => boolean;
  /** How many requests it hits; undefined: all, until taken away. */
  times?: number;
  /** Answers itself, as a gateway does: no problem document. */
  readonly status?: number;
  readonly retryAfterSeconds?: number;
  /** Lets the API do it and loses the answer. */
  readonly losesAnswer?: boolean;
  /** Lets the API do it and holds the answer back until then. */
  readonly until?: Promise<unknown>;
  /** Called when the API has answered. */
  readonly onAnswered?: () => void;
}

export interface Served {
  readonly type: string;
  readonly text: string;
}

export class Gateway {
  readonly faults: GatewayFault[] = [];
  /** Status of each answer of the API, by `METHOD path`. */
  readonly answered: { readonly request: string; readonly status: number }[] = [];
  readonly #api: () => Api;
  readonly #files: ReadonlyMap<string, Served>;
  readonly #server: http.Server;
  readonly #agent = new http.Agent({ keepAlive: true });

  private constructor(api: () => Api, files: ReadonlyMap<string, Served>) {
    this.#api = api;
    this.#files = files;
    this.#server = http.createServer((request, response) => this.#handle(request, response));
  }

  static async start(api: () => Api, files: ReadonlyMap<string, Served> = new Map()): Promise<Gateway> {
    const gateway = new Gateway(api, files);
    await new Promise<void>((resolve) => gateway.#server.listen(0, '127.0.0.1', resolve));
    return gateway;
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  /** A name that browsers trust without HTTPS. */
  get url(): string {
    return `http://localhost:${this.port}`;
  }

  /** How often the API gave new tokens. */
  get refreshes(): number {
    return this.count('POST /api/v1/auth/refresh', 200);
  }

  count(request: string, status?: number): number {
    return this.answered.filter((each) => each.request === request && (status ?? each.status) === each.status).length;
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    this.#agent.destroy();
    await closed;
  }

  #handle(request: http.IncomingMessage, response: http.ServerResponse): void {
    const { method = 'GET', url = '/' } = request;
    const file = this.#files.get(url.split('?', 1)[0] ?? url);
    if (file !== undefined) {
      response.writeHead(200, { 'content-type': file.type, 'cache-control': 'no-store' }).end(file.text);
      return;
    }
    const fault = this.faults.find(({ matches, times }) => times !== 0 && matches(method, url));
    if (fault?.times !== undefined) fault.times -= 1;
    if (fault?.status !== undefined) {
      request.resume();
      const wait = fault.retryAfterSeconds;
      const headers = { 'content-type': 'text/html', ...(wait !== undefined && { 'retry-after': String(wait) }) };
      response.writeHead(fault.status, headers).end('<h1>not now</h1>');
      return;
    }
    this.#forward(request, response, fault);
  }

  #forward(request: http.IncomingMessage, response: http.ServerResponse, fault: GatewayFault | undefined): void {
    const { method = 'GET', url = '/', headers } = request;
    const target = { host: '127.0.0.1', port: this.#api().port, method, path: url, headers, agent: this.#agent };
    const onward = http.request(target, (answer) => {
      this.answered.push({ request: `${method} ${url}`, status: answer.statusCode ?? 0 });
      fault?.onAnswered?.();
      if (fault?.losesAnswer === true) {
        answer.resume();
        response.destroy();
        return;
      }
      void (fault?.until ?? Promise.resolve()).then(() => {
        if (response.destroyed) {
          answer.resume();
          return;
        }
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(response);
      });
      answer.once('error', () => response.destroy());
    });
    onward.once('error', () => response.destroy());
    request.pipe(onward);
  }
}
