/**
 * /livez, /readyz and /metrics. Started by main.ts; asked by the kubelet and by Prometheus.
 *
 * Liveness follows the watches, not the process: an operator that is deaf is worse than one that restarts. An apiserver that is away
 * does not count against us, since restarting would not bring it back: only silence on a connection that should speak does.
 */
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Registry } from 'prom-client';

export interface Vitals {
  /** Reasons why this process should be restarted; empty when alive. */
  readonly livez: () => readonly string[];
  /** Reasons why it is not ready; a warm standby is ready. */
  readonly readyz: () => readonly string[];
  /** Called before each scrape. */
  readonly refresh: () => void;
  readonly registry: Registry;
}

export interface HealthServer {
  readonly port: number;
  close(): Promise<void>;
}

export async function serveHealth(port: number, vitals: Vitals): Promise<HealthServer> {
  const server = http.createServer((request, response) => {
    void answer(request.url ?? '/', vitals).then(
      ({ status, type, body }) =>
        response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' }).end(body),
      () => response.writeHead(500).end(),
    );
  });
  // A probe or a scrape is one short request; anything slower is not one.
  server.requestTimeout = 5_000;
  server.headersTimeout = 5_000;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, () => resolve());
  });
  return { port: portOf(server.address()), close: () => closeServer(server) };
}

async function answer(url: string, vitals: Vitals): Promise<{ status: number; type: string; body: string }> {
  const [path] = url.split('?');
  if (path === '/livez') return verdict(vitals.livez());
  if (path === '/readyz') return verdict(vitals.readyz());
  if (path !== '/metrics') return { status: 404, type: 'text/plain', body: 'not found\n' };
  vitals.refresh();
  return { status: 200, type: vitals.registry.contentType, body: await vitals.registry.metrics() };
}

function verdict(reasons: readonly string[]): { status: number; type: string; body: string } {
  const body = reasons.length === 0 ? 'ok\n' : `${reasons.join('\n')}\n`;
  return { status: reasons.length === 0 ? 200 : 503, type: 'text/plain', body };
}

function portOf(address: AddressInfo | string | null): number {
  return typeof address === 'object' && address !== null ? address.port : 0;
}

function closeServer(server: http.Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
