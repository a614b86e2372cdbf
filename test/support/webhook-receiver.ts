/** A real HTTP server that keeps what it is sent and answers as it is told. Used by the tests of the notifications. */
import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { freePort } from '../../api/src/embedded/free-port.ts';
import { eventually } from './eventually.ts';

export interface Delivery {
  readonly path: string;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: string;
}

export interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
}

export class WebhookReceiver {
  readonly deliveries: Delivery[] = [];
  /** 'never': takes the message and says nothing. */
  answer: Answer | 'never' = { status: 200 };
  readonly #server: http.Server;

  private constructor() {
    this.#server = http.createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const body = Buffer.concat(chunks).toString();
        this.deliveries.push({ path: request.url ?? '', headers: request.headers, body });
        if (this.answer !== 'never') response.writeHead(this.answer.status, this.answer.headers).end('ok');
      });
    });
  }

  /** On a port that nobody is given while a test has it closed. */
  static async start(port?: number): Promise<WebhookReceiver> {
    const receiver = new WebhookReceiver();
    receiver.#server.listen(port ?? (await freePort()), '127.0.0.1');
    await once(receiver.#server, 'listening');
    return receiver;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/hook/token-in-the-path`;
  }

  async received(count: number): Promise<readonly Delivery[]> {
    return await eventually(`${count} deliveries`, 15_000, () => this.deliveries.length >= count && this.deliveries);
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
