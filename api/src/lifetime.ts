/**
 * From listening to exit, without dropping a request. Called by service.ts and main.ts.
 *
 * SIGTERM → `/ready` says 503 and answers carry `Connection: close`, but everything is served: Kubernetes and the gateway need some seconds
 * to hear that this pod leaves. Then the listener closes, requests in flight finish, pools close. What is still open at the end of the
 * grace is cut: the kubelet would do the same with a kill.
 */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Express, RequestHandler, Response } from 'express';
import { guardWire, SERVER_OPTIONS } from './http/wire.ts';
import type { Log } from './log.ts';

/** Endpoint removal reaches a gateway in one or two seconds; five leave room, and more would only slow every rollout. */
const MAX_ANNOUNCE_MS = 5_000;

export class Lifetime {
  readonly #log: Log;
  readonly #open = new Set<Response>();
  #isDraining = false;
  #server: Server | undefined;

  constructor(log: Log) {
    this.#log = log;
  }

  isDraining(): boolean {
    return this.#isDraining;
  }

  /** First in the chain: a draining pod answers, and asks for no more requests on this connection. */
  track(): RequestHandler {
    return (_request, response, next) => {
      this.#open.add(response);
      response.on('close', () => this.#open.delete(response));
      if (this.#isDraining) response.setHeader('Connection', 'close');
      next();
    };
  }

  /** Resolves with the port, which is the kernel's choice for port 0. */
  async listen(app: Express, port: number): Promise<number> {
    const server = createServer(SERVER_OPTIONS, app);
    guardWire(server, this.#open);
    this.#server = server.listen(port);
    await once(server, 'listening');
    const address = server.address();
    return address === null || typeof address === 'string' ? port : address.port;
  }

  /** Resolves when the last request is answered, or the grace is over. */
  async drain(graceMs: number): Promise<void> {
    this.#isDraining = true;
    for (const response of this.#open) if (!response.headersSent) response.setHeader('Connection', 'close');
    const server = this.#server;
    if (server === undefined) return;
    const announceMs = Math.min(MAX_ANNOUNCE_MS, graceMs * 0.4);
    this.#log.info({ announceMs, graceMs }, 'draining');
    await sleep(announceMs);
    await this.#close(server, graceMs * 0.9 - announceMs);
  }

  async #close(server: Server, limitMs: number): Promise<void> {
    const cut = setTimeout(() => {
      this.#log.warn({ limitMs }, 'requests were still open at the end of the grace');
      server.closeAllConnections();
    }, limitMs);
    const closed = once(server, 'close');
    server.close(); // closes idle connections too
    await closed;
    clearTimeout(cut);
  }
}

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
