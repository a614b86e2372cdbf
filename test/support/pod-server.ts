/**
 * One pod of the API as the operator can see it: an HTTP server on a loopback address of its own, port 3000, that serves its
 * counters in the Prometheus text format. Made by workloads.ts, which tells it of each request; read by prometheus-source.ts.
 */
import { randomBytes } from 'node:crypto';
import http from 'node:http';
import type { Behaviour } from './workloads.ts';

const BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2.5, 5, 10];
export const POD_PORT = 3000;

let nextAddress = 0;

/** A real API that answers in the place of the played counters. */
export interface Behind {
  /** One request, of which nobody waits for the answer. */
  serve(): void;
  exposition(): Promise<string>;
  close(): Promise<void>;
}

/** Series without labels that the API exports as 0 from its first scrape. */
const PLAIN = [
  'auth_login_attempts_total',
  'auth_login_successes_total',
  'auth_login_failures_total',
  'auth_db_connection_errors_total',
  'auth_db_query_errors_total',
  'auth_user_complaints_total',
  'auth_data_loss_signals_total',
];

export class PodServer {
  readonly name: string;
  readonly deployment: string;
  readonly hash: string;
  readonly version: string;
  readonly address: string;
  labels: Readonly<Record<string, string>> = {};
  isUp = false;
  /** name{labels} → value */
  readonly series = new Map<string, number>(PLAIN.map((name) => [name, 0]));
  scrapes = 0;
  behind: Behind | undefined;
  #served = 0;
  readonly #behaviour: () => Behaviour;
  readonly #server: http.Server;

  private constructor(identity: { deployment: string; hash: string; version: string }, behaviour: () => Behaviour) {
    this.deployment = identity.deployment;
    this.hash = identity.hash;
    this.version = identity.version;
    this.name = `${identity.deployment}-${identity.hash}-${randomBytes(3).toString('hex')}`;
    // Each process its own range, so that test runs beside each other do not meet.
    const index = nextAddress++;
    this.address = `127.${16 + (process.pid % 200)}.${1 + (Math.floor(index / 250) % 250)}.${1 + (index % 250)}`;
    this.#behaviour = behaviour;
    this.#server = http.createServer((_request, response) => {
      // A hanging pod: the connection stands, no answer comes.
      if (this.#behaviour().silent) return;
      this.scrapes++;
      const text = this.behind?.exposition() ?? Promise.resolve(this.exposition());
      void text.then(
        (content) => response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4' }).end(content),
        () => response.destroy(),
      );
    });
  }

  static async start(
    deployment: string,
    hash: string,
    version: string,
    behaviour: () => Behaviour,
  ): Promise<PodServer> {
    const pod = new PodServer({ deployment, hash, version }, behaviour);
    await new Promise<void>((resolve, reject) => {
      pod.#server.once('error', reject);
      pod.#server.listen(POD_PORT, pod.address, () => resolve());
    });
    return pod;
  }

  async close(): Promise<void> {
    this.isUp = false;
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
    await this.behind?.close();
  }

  /** One request. */
  serve(): { isFault: boolean } {
    if (this.behind !== undefined) {
      this.behind.serve();
      return { isFault: false };
    }
    const { errorShare = 0, slowShare = 0, loginFailureShare = 0, isRandom = false } = this.#behaviour();
    const index = this.#served++;
    const hit = (share: number): boolean =>
      isRandom ? Math.random() < share : Math.floor((index + 1) * share) > Math.floor(index * share);
    const isFault = hit(errorShare);
    const seconds = hit(slowShare) ? 0.8 : 0.02;
    const status = isFault ? '500' : '200';
    this.add(`http_requests_total{method="POST",route="/api/v1/auth/login",status="${status}"}`);
    for (const bound of BUCKETS) {
      const le = `http_request_duration_seconds_bucket{le="${bound}",status_class="${status[0]}xx"}`;
      this.add(le, seconds <= bound ? 1 : 0);
    }
    this.add(`http_request_duration_seconds_count{status_class="${status[0]}xx"}`);
    this.add('auth_login_attempts_total');
    this.add(hit(loginFailureShare) ? 'auth_login_failures_total' : 'auth_login_successes_total');
    return { isFault };
  }

  add(series: string, by = 1): void {
    this.series.set(series, (this.series.get(series) ?? 0) + by);
  }

  exposition(): string {
    return [
      '# HELP latchkey generated for a test',
      ...[...this.series].map(([name, value]) => `${name} ${value}`),
      '',
    ].join('\n');
  }
}
