/**
 * From listening to exit, without dropping a request. Called by main.ts.
 *
 * SIGTERM → `/ready` says 503 and answers carry `Connection: close`, but everything is served: Kubernetes and the gateway need some seconds
 * to hear that this pod leaves. Then the listener closes, requests in flight finish, pools close. What is still open at the end of the
 * grace is cut: the kubelet would do the same with a kill.
 */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Express } from 'express';
import type { Log } from './log.ts';

/** Envoy keeps an idle upstream connection for an hour; whoever closes first must be Envoy, or a request meets a closed socket. */
const KEEP_ALIVE_MS = 3_620_000;
const REQUEST_MS = 30_000;
const MAX_DRAIN_MS = 5_000;

export interface Lifetime {
  isDraining(): boolean;
  listen(app: Express, port: number): Promise<number>;
  /** Resolves when the last request is answered, or the grace is over. */
  drain(graceMs: number): Promise<void>;
}

export const createLifetime = (log: Log): Lifetime => {
  let isDraining = false;
  let server: Server | undefined;
  return {
    isDraining: () => isDraining,
    listen: async (app, port) => {
      server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS, requestTimeout: REQUEST_MS }, app);
      server.listen(port);
      await once(server, 'listening');
      return (server.address() as AddressInfo).port;
    },
    drain: async (graceMs) => {
      isDraining = true;
      if (server === undefined) return;
      const announceMs = Math.min(MAX_DRAIN_MS, graceMs * 0.4);
      log.info({ announceMs, graceMs }, 'draining');
      await after(announceMs);
      await closeServer(server, graceMs * 0.9 - announceMs, log);
    },
  };
};

const after = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

const closeServer = async (server: Server, limitMs: number, log: Log): Promise<void> => {
  const cut = setTimeout(() => {
    log.warn({ limitMs }, 'requests were still open at the end of the grace');
    server.closeAllConnections();
  }, limitMs);
  server.close();
  server.closeIdleConnections();
  await once(server, 'close');
  clearTimeout(cut);
};

/** Resolves with the name of the first signal that asks to stop; a second one stops at once. */
export const untilSignal = (): Promise<NodeJS.Signals> =>
  new Promise((resolve) => {
    let isAsked = false;
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.on(signal, () => {
        if (isAsked) process.exit(1);
        isAsked = true;
        resolve(signal);
      });
    }
  });
