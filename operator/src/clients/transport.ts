/**
 * One HTTP exchange with the apiserver: who we are, TLS, deadline, abort, Retry-After. Used by kubernetes.ts only.
 *
 * `@kubernetes/client-node` resolves the kubeconfig and the credentials (files, tokens that rotate, exec plugins). The requests
 * are ours: its generated clients build a new connection pool per call and neither stream, nor bound a call, nor read
 * Retry-After (docs/adr/0008-reflector-queue-fencing.md).
 */
import http from 'node:http';
import https from 'node:https';
import { setTimeout as delay } from 'node:timers/promises';
import type { KubeConfig } from '@kubernetes/client-node';
import { z } from 'zod';
import { ApiError, apiErrorFor, isApiError } from './api-error.ts';
import { ClusterClock } from './cluster-clock.ts';

export interface Exchange {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly path: string;
  readonly body?: unknown;
  readonly contentType?: string;
  readonly accept?: string;
  /** Covers every try, not each: the caller's patience is what counts. */
  readonly deadlineMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** Credentials live this long: a projected token is renewed by the kubelet long before it expires. */
const IDENTITY_TTL_MS = 60_000;
const MAX_TRIES = 4;
/** Without a bound one broken list would take the process's memory; the largest real answer here is a page of 250 objects. */
const MAX_BODY_BYTES = 32 * 1024 * 1024;

interface Identity {
  readonly agent: http.Agent;
  readonly headers: Readonly<Record<string, string>>;
  readonly fingerprint: string;
}

const statusBody = z.object({ reason: z.string().catch('Unknown'), message: z.string().catch('') });

export class Transport {
  readonly clock = new ClusterClock();
  readonly #kubeConfig: KubeConfig;
  readonly #server: URL;
  #identity: Promise<Identity> | undefined;
  #readAt = 0;

  constructor(kubeConfig: KubeConfig) {
    const cluster = kubeConfig.getCurrentCluster();
    if (cluster === null) throw new ApiError('ERR_API_REFUSED', 'the kubeconfig names no current cluster');
    this.#kubeConfig = kubeConfig;
    this.#server = new URL(cluster.server);
  }

  /**
   * Sends once, and again when the server says "later" (429, 503 with Retry-After) and the deadline leaves room for it.
   * Neither answer has processed the request, so repeating a write is as safe as a read.
   * @throws {ApiError} with its code; ERR_API_ABORTED when the caller's signal fired, ERR_API_DEADLINE when ours did.
   */
  async send(exchange: Exchange): Promise<unknown> {
    const giveUpAt = performance.now() + exchange.deadlineMs;
    const deadline = AbortSignal.timeout(exchange.deadlineMs);
    const signal = exchange.signal === undefined ? deadline : AbortSignal.any([deadline, exchange.signal]);
    for (let attempt = 1; ; attempt++) {
      try {
        const response = await this.#open(exchange, signal);
        return parseJson(await readBody(response));
      } catch (error) {
        const failure = named(error, exchange);
        const waitMs = failure.retryAfterMs;
        if (waitMs === undefined || attempt === MAX_TRIES || performance.now() + waitMs >= giveUpAt) throw failure;
        await delay(waitMs, undefined, { signal }).catch((stopped: unknown) => {
          throw named(stopped, exchange);
        });
      }
    }
  }

  /**
   * Opens an answer that does not end (a watch). The deadline covers the head only; the caller owns the body and its idle time.
   * @throws {ApiError} when the head is not 200.
   */
  async open(exchange: Exchange & { readonly signal: AbortSignal }): Promise<http.IncomingMessage> {
    const head = new AbortController();
    const timer = setTimeout(
      () => head.abort(new DOMException('no answer in time', 'TimeoutError')),
      exchange.deadlineMs,
    );
    try {
      return await this.#open(exchange, AbortSignal.any([head.signal, exchange.signal]));
    } catch (error) {
      throw named(error, exchange);
    } finally {
      clearTimeout(timer);
    }
  }

  close(): void {
    void this.#identity?.then((identity) => identity.agent.destroy()).catch(() => undefined);
  }

  async #open(exchange: Exchange, signal: AbortSignal): Promise<http.IncomingMessage> {
    const identity = await this.#whoWeAre();
    const body = exchange.body === undefined ? undefined : jsonAsGoWritesIt(exchange.body);
    const sentAt = performance.now();
    const response = await request({ server: this.#server, identity, exchange, body, signal });
    this.clock.heard(response.headers.date, sentAt);
    const status = response.statusCode ?? 0;
    if (status >= 200 && status < 300) return response;
    const parsed = statusBody.safeParse(tryJson(await readBody(response)));
    throw apiErrorFor(
      status,
      response.headers['retry-after'],
      parsed.data ?? { reason: 'Unknown', message: 'no status object' },
    );
  }

  #whoWeAre(): Promise<Identity> {
    const now = performance.now();
    if (this.#identity === undefined || now - this.#readAt > IDENTITY_TTL_MS) {
      this.#readAt = now;
      const previous = this.#identity;
      const next = readIdentity(this.#kubeConfig, previous);
      this.#identity = next;
      // A failed read must not be remembered for a minute: the next call tries again.
      next.catch(() => {
        if (this.#identity === next) this.#identity = undefined;
      });
    }
    return this.#identity;
  }
}

/**
 * JSON with <, > and & escaped. The `test` of a JSON Patch compares the text of a string with what Go's encoder has stored, and Go
 * escapes these: a status that said "> 10s" would fail the test of every further status write, for ever.
 */
function jsonAsGoWritesIt(value: unknown): string {
  return JSON.stringify(value).replaceAll(
    /[<>&\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

async function readIdentity(kubeConfig: KubeConfig, previous: Promise<Identity> | undefined): Promise<Identity> {
  const options: https.RequestOptions = {};
  await kubeConfig.applyToHTTPSOptions(options);
  const { ca, cert, key, rejectUnauthorized, servername } = options;
  const headers = z.record(z.string(), z.string()).parse(options.headers ?? {});
  if (options.auth) headers['Authorization'] = `Basic ${Buffer.from(options.auth).toString('base64')}`;
  const fingerprint = JSON.stringify([ca, cert, key, rejectUnauthorized, servername]);
  const before = await previous?.catch(() => undefined);
  if (before?.fingerprint === fingerprint) return { ...before, headers };
  const cluster = kubeConfig.getCurrentCluster();
  const pool = { keepAlive: true, keepAliveMsecs: 15_000, maxSockets: 64 };
  // Behind an egress proxy the library's own agent is the only one that knows the way, at the price of no connection reuse.
  const agent =
    cluster?.proxyUrl !== undefined && options.agent instanceof http.Agent
      ? options.agent
      : cluster?.server.startsWith('http:')
        ? new http.Agent(pool)
        : new https.Agent({ ...pool, ca, cert, key, servername, rejectUnauthorized: rejectUnauthorized ?? true });
  return { agent, headers, fingerprint };
}

interface Sending {
  readonly server: URL;
  readonly identity: Identity;
  readonly exchange: Exchange;
  readonly body: string | undefined;
  readonly signal: AbortSignal;
}

function request({ server, identity, exchange, body, signal }: Sending): Promise<http.IncomingMessage> {
  const headers: Record<string, string> = {
    ...identity.headers,
    accept: exchange.accept ?? 'application/json',
    'user-agent': 'latchkey-operator',
  };
  if (body !== undefined) {
    headers['content-type'] = exchange.contentType ?? 'application/json';
    headers['content-length'] = String(Buffer.byteLength(body));
  }
  const client = server.protocol === 'http:' ? http : https;
  const path = server.pathname.replace(/\/$/, '') + exchange.path;
  return new Promise((resolve, reject) => {
    const sent = client.request(
      {
        host: server.hostname.replace(/^\[|\]$/g, ''),
        port: server.port,
        method: exchange.method,
        path,
        headers,
        agent: identity.agent,
        signal,
      },
      resolve,
    );
    sent.on('error', reject);
    sent.end(body);
  });
}

async function readBody(response: http.IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response) {
    const buffer = z.instanceof(Buffer).parse(chunk);
    bytes += buffer.length;
    if (bytes > MAX_BODY_BYTES) {
      response.destroy();
      throw new ApiError('ERR_API_MALFORMED', `the answer is longer than ${MAX_BODY_BYTES} bytes`);
    }
    chunks.push(buffer);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new ApiError('ERR_API_MALFORMED', 'the answer is not JSON', { cause });
  }
}

function tryJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return { message: text.slice(0, 200) };
  }
}

function named(error: unknown, exchange: Exchange): ApiError {
  if (isApiError(error)) return error;
  const what = `${exchange.method} ${exchange.path.split('?')[0]}`;
  if (exchange.signal?.aborted)
    return new ApiError('ERR_API_ABORTED', `${what} was aborted`, { cause: exchange.signal.reason });
  const name = error instanceof Error ? error.name : '';
  if (name === 'AbortError' || name === 'TimeoutError') {
    return new ApiError('ERR_API_DEADLINE', `${what} had no answer in ${exchange.deadlineMs} ms`, { cause: error });
  }
  return new ApiError('ERR_API_UNREACHABLE', `${what}: ${error instanceof Error ? error.message : 'failed'}`, {
    cause: error,
  });
}
