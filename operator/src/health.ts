/**
 * /livez, /readyz, /metrics, and the doors to alert-hook.ts and percentage.ts. Started by main.ts; asked by the kubelet, Prometheus,
 * Alertmanager and the API's pods.
 *
 * Liveness follows the watches, not the process: an operator that is deaf is worse than one that restarts. An apiserver that is away
 * does not count against us, since restarting would not bring it back: only silence on a connection that should speak does.
 */
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Registry } from 'prom-client';
import { ALERT_HOOK_PATH, type AlertHookOptions, answerAlerts } from './alert-hook.ts';
import type { Answer } from './answer.ts';
import { answerPercentage, type PercentageOptions, rolloutOf } from './percentage.ts';

export interface Vitals {
  /** Reasons why this process should be restarted; empty when alive. */
  readonly livez: () => readonly string[];
  /** Reasons why it is not ready; a warm standby is ready. */
  readonly readyz: () => readonly string[];
  /** Called before each scrape. */
  readonly refresh: () => void;
  readonly registry: Registry;
  readonly alerts: AlertHookOptions;
  readonly percentages: PercentageOptions;
}

export interface HealthServer {
  readonly port: number;
  close(): Promise<void>;
}

export async function serveHealth(port: number, vitals: Vitals): Promise<HealthServer> {
  const server = http.createServer((request, response) => {
    void answer(request, vitals).then(
      ({ status, headers, body }) => response.writeHead(status, { 'cache-control': 'no-store', ...headers }).end(body),
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

async function answer(request: http.IncomingMessage, vitals: Vitals): Promise<Answer> {
  const [path = '/'] = (request.url ?? '/').split('?');
  if (path === '/livez') return verdict(vitals.livez());
  if (path === '/readyz') return verdict(vitals.readyz());
  if (path === ALERT_HOOK_PATH) return await answerAlerts(vitals.alerts, request);
  const rollout = rolloutOf(path);
  if (rollout !== undefined) return answerPercentage(vitals.percentages, request.method, rollout);
  if (path !== '/metrics') return { status: 404, headers: PLAIN, body: 'not found\n' };
  vitals.refresh();
  const headers = { 'content-type': vitals.registry.contentType };
  return { status: 200, headers, body: await vitals.registry.metrics() };
}

const PLAIN = { 'content-type': 'text/plain' } as const;

function verdict(reasons: readonly string[]): Answer {
  const body = reasons.length === 0 ? 'ok\n' : `${reasons.join('\n')}\n`;
  return { status: reasons.length === 0 ? 200 : 503, headers: PLAIN, body };
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
