/** The login proxy by itself, behind the real guard and before the real problem handler, with what it logs and counts. Used by the tests of it. */
import { once } from 'node:events';
import { Agent, createServer, request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import express, { type RequestHandler } from 'express';
import { readConfig } from '../../api/src/config.ts';
import type { ErrorContext } from '../../api/src/core/error-report.ts';
import type { AppError } from '../../api/src/errors.ts';
import { guard } from '../../api/src/http/guard.ts';
import { problemHandler } from '../../api/src/http/problems.ts';
import { writeSecurityBlock } from '../../api/src/http/security-headers.ts';
import { createLog } from '../../api/src/log.ts';
import { createMetrics, type Metrics } from '../../api/src/metrics.ts';
import { endpointSpecs } from '../../api/src/routes/all.ts';
import { LoginProxy } from '../../api/src/upstream/proxy.ts';
import { TEST_KEYS } from './api.ts';

export const SERVICE_SECRET = 'proxy-Secret-0123456789abcdef';

/** What makes an API a login proxy, but for the address. */
export const PROXY_ENV = {
  AUTH_UPSTREAM_SERVICE_ID: 'latchkey-proxy',
  AUTH_UPSTREAM_SERVICE_SECRET: SERVICE_SECRET,
} as const;

export type AppEnv = 'staging' | 'production';

export interface ProxyOptions {
  readonly upstreamUrl: string;
  readonly appEnv?: AppEnv;
  readonly env?: Readonly<Record<string, string>>;
}

export interface ProxyAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  readonly body: Readonly<Record<string, unknown>>;
  readonly tookMs: number;
}

export interface ProxyRequest {
  readonly method?: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string | string[]>>;
  readonly body?: string;
}

export interface TestProxy {
  readonly proxy: LoginProxy;
  readonly port: number;
  /** Every line that was logged. */
  readonly logged: string[];
  readonly tracked: { readonly error: AppError; readonly context: ErrorContext }[];
  readonly send: (request: ProxyRequest) => Promise<ProxyAnswer>;
  /** One metric's value; of those with labels the one that has this label text. */
  readonly metric: (name: string, labels?: string) => Promise<number>;
  readonly close: () => Promise<void>;
}

const PRODUCTION = {
  DATABASE_URL: 'postgres://user@db.example.com/auth?sslmode=verify-full',
  PUBLIC_URL: 'https://app.example.com',
  SMTP_URL: 'smtps://smtp.example.com',
  TRUST_PROXY: 'loopback',
} as const;

const configured = ({ upstreamUrl, appEnv = 'production', env = {} }: ProxyOptions) =>
  readConfig({ ...PRODUCTION, ...TEST_KEYS, ...PROXY_ENV, APP_ENV: appEnv, AUTH_UPSTREAM_URL: upstreamUrl, ...env });

const sendTo =
  (port: number, agent: Agent) =>
  ({ method = 'GET', path, headers = {}, body }: ProxyRequest): Promise<ProxyAnswer> =>
    new Promise((resolve, reject) => {
      const startedMs = performance.now();
      const length = body === undefined ? {} : { 'content-length': Buffer.byteLength(body) };
      const sent = { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...length, ...headers };
      const request = httpRequest({ host: '127.0.0.1', port, method, path, headers: sent, agent }, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString();
          const parsed: unknown = /json/.test(response.headers['content-type'] ?? '') && text ? JSON.parse(text) : {};
          const tookMs = performance.now() - startedMs;
          const { statusCode: status = 0, headers: got } = response;
          resolve({ status, headers: got, text, body: parsed as Readonly<Record<string, unknown>>, tookMs });
        });
      });
      request.on('error', reject);
      request.end(body);
    });

const metricOf =
  ({ registry }: Metrics) =>
  async (name: string, labels?: string): Promise<number> => {
    const wanted = labels === undefined ? name : `${name}{${labels}}`;
    const line = (await registry.metrics()).split('\n').find((each) => each.startsWith(`${wanted} `));
    return line === undefined ? 0 : Number(line.slice(line.lastIndexOf(' ') + 1));
  };

const pass: RequestHandler = (_request, _response, next) => next();

export const startProxy = async (options: ProxyOptions): Promise<TestProxy> => {
  const { config, secrets } = configured(options);
  const { upstream: settings, appEnv } = config;
  if (settings === undefined) throw new TypeError('the test gave no address');
  const logged: string[] = [];
  const tracked: TestProxy['tracked'] = [];
  const metrics = createMetrics();
  const log = createLog('debug', 'test', { write: (line: string) => void logged.push(line) });
  const proxy = new LoginProxy({ settings, serviceSecret: secrets.upstreamServiceSecret, metrics, log });
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.set('trust proxy', [...config.trustedProxies]);
  app.set('query parser', false);
  writeSecurityBlock(app);
  app.use(...guard({ ...config, metrics, generalLimit: pass, refuseFlood: pass, routes: new Set() }));
  const modes = { current: () => ({ isAuthDisabled: false, isInMaintenance: false, retryAfterSeconds: 60 }) };
  app.use(proxy.mount({ modes, limitBy: () => pass, specs: endpointSpecs() }));
  const errorTracker = { track: (error: AppError, context: ErrorContext) => void tracked.push({ error, context }) };
  app.use(problemHandler({ log, metrics, errorTracker, appEnv }));
  const server = createServer(app).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const agent = new Agent({ keepAlive: true });
  return {
    proxy,
    port,
    logged,
    tracked,
    send: sendTo(port, agent),
    metric: metricOf(metrics),
    close: async () => {
      agent.destroy();
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
      proxy.stop();
    },
  };
};
