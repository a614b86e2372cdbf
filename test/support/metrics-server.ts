/** A process that shows the metrics it is told, as `/api/metrics` would: for figures that no healthy API has. Used by the tests of the command line. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

export class MetricsServer {
  /** `name{labels}` → value, as it stands in the text. */
  readonly series = new Map<string, number>();
  /** When the shown process began. */
  startedAt = 1_000;
  /** Called before each answer: what changes between two scrapes. */
  beforeAnswer: () => void = () => undefined;
  /** Shown instead, as it is: the metrics of a real process at one moment. */
  frozen: string | undefined;
  readonly #server: Server;

  private constructor() {
    this.#server = createServer((_request, response) => {
      this.beforeAnswer();
      const lines = [...this.series].map(([name, value]) => `${name} ${value}`);
      if (this.frozen !== undefined) response.end(this.frozen);
      else response.end(`# a comment\n${lines.join('\n')}\nprocess_start_time_seconds ${this.startedAt}\n`);
    });
  }

  static async start(): Promise<MetricsServer> {
    const server = new MetricsServer();
    server.#server.listen(0, '127.0.0.1');
    await once(server.#server, 'listening');
    return server;
  }

  get address(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  add(series: string, more: number): void {
    this.series.set(series, (this.series.get(series) ?? 0) + more);
  }

  /** Traffic of one scrape: so many requests, failed ones among them, each within so many seconds; a bucket bound. */
  requests(count: number, { failed = 0, le = 0.1 }: { readonly failed?: number; readonly le?: number } = {}): void {
    this.add('http_requests_total{method="GET",route="/api/v1/auth/me",status="200"}', count - failed);
    this.add('http_requests_total{method="GET",route="/api/v1/auth/me",status="503"}', failed);
    for (const bound of [0.1, 0.2, 0.3, 0.5, 1])
      this.add(`http_request_duration_seconds_bucket{le="${bound}",route="/api/v1/auth/me"}`, bound >= le ? count : 0);
    this.add('http_request_duration_seconds_bucket{le="+Inf",route="/api/v1/auth/me"}', count);
  }

  mails({ sent, givenUp }: { readonly sent: number; readonly givenUp: number }): void {
    this.add('auth_email_sent_total', sent);
    this.add('auth_email_given_up_total', givenUp);
  }

  async stop(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }
}
