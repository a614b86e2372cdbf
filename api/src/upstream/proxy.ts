/**
 * The login proxy: with AUTH_UPSTREAM_URL set, `/api/auth/*` is answered by the auth service there (docs/login-proxy.md). Made by service.ts,
 * mounted by app.ts between the guard and the endpoints; asks through client.ts.
 *
 * The modes and the rate limits are this instance's own, by what its endpoint of the same name says. Everything else the auth service decides:
 * what it says to a user passes as it is, what goes wrong on the way becomes a problem document that tells one fault from another.
 */
import { createHash } from 'node:crypto';
import { type Request, type RequestHandler, type Response, raw } from 'express';
import type { UpstreamSettings } from '../config/upstream.ts';
import { FAULTS } from '../core/upstream-faults.ts';
import { AppError } from '../errors.ts';
import { chain } from '../http/chain.ts';
import { clientAddress } from '../http/client-address.ts';
import type { EndpointSpec, LimitPolicy } from '../http/endpoint.ts';
import { localsOf } from '../http/locals.ts';
import { type ModeSource, modeGate } from '../http/mode-gate.ts';
import type { Log } from '../log.ts';
import type { Metrics } from '../metrics.ts';
import { createClient, type Result, type UpstreamClient } from './client.ts';
import { type Answer, createExchange } from './exchange.ts';
import { hasBeenHere, headersDown, headersUp, type ServiceCredentials } from './headers.ts';
import { Preflight } from './preflight.ts';
import { PROXIED, PROXIED_METHODS, type Target, targetOf } from './target.ts';
import { Validations } from './validations.ts';

export interface LoginProxyDeps {
  readonly settings: UpstreamSettings;
  readonly serviceSecret: string;
  readonly metrics: Metrics;
  readonly log: Log;
}

export interface MountProxyDeps {
  readonly modes: ModeSource;
  readonly limitBy: (policy: LimitPolicy) => RequestHandler;
  /** Every endpoint of this instance: the one of the same name says which modes close it and how often it may be asked. */
  readonly specs: readonly EndpointSpec[];
}

/** What of an endpoint counts for a request that goes on. */
type Rules = Pick<EndpointSpec, 'limit' | 'openDuring'>;

const VERSIONED = '/api/v1/auth';
/** Of what this instance has no endpoint for. */
const OTHER = `${PROXIED}/*`;
/** Whatever the auth service says: nobody believes in more. */
const MAX_RETRY_AFTER_SECONDS = 3_600;
const MAX_BODY = '1mb';

export class LoginProxy {
  readonly preflight: Preflight;
  readonly #settings: UpstreamSettings;
  readonly #client: UpstreamClient;
  readonly #validations: Validations;
  readonly #metrics: Metrics;
  readonly #close: () => void;

  constructor({ settings, serviceSecret, metrics, log }: LoginProxyDeps) {
    const credentials: ServiceCredentials = { serviceId: settings.serviceId, serviceSecret };
    const exchange = createExchange(settings);
    const preflight = new Preflight({ exchange, healthPath: settings.healthPath, credentials, log });
    const isBack = async (): Promise<boolean> => isThere(await preflight.check());
    this.#settings = settings;
    this.#metrics = metrics;
    this.preflight = preflight;
    this.#client = createClient({ settings, credentials, exchange, isBack, metrics });
    this.#validations = new Validations({
      freshMs: settings.validationCacheMs,
      metrics,
      nowMs: () => performance.now(),
    });
    this.#close = exchange.close;
    metrics.upstream.watchBreaker(() => this.#client.breakerState());
    metrics.upstream.watchUp(() => this.state());
    // A series that begins with its first refusal has never grown, for who asks by how much it did.
    for (const category of ['answered', ...Object.keys(FAULTS)]) metrics.upstream.requests.inc({ category }, 0);
  }

  /** As it was seen last: by the question in the background, and by the breaker. */
  state(): 'up' | 'away' | 'unknown' {
    const { category } = this.preflight.last();
    if (this.#client.breakerState() === 'open') return 'away';
    return category === undefined ? 'unknown' : category === 'answered' ? 'up' : 'away';
  }

  /** For whoever operates this: no secret, but the address. */
  diagnose(): { readonly status: 'ok' | 'degraded'; readonly detail: Readonly<Record<string, unknown>> } {
    const { url, serviceId, healthPath, attempts } = this.#settings;
    const { category, checkedMs, latencyMs } = this.preflight.last();
    const ageSeconds = checkedMs === undefined ? undefined : Math.round((performance.now() - checkedMs) / 1000);
    return {
      status: this.state() === 'away' ? 'degraded' : 'ok',
      detail: {
        isConfigured: true,
        url,
        serviceId,
        attempts,
        breaker: this.#client.breakerState(),
        preflight: { path: healthPath, category: category ?? 'unknown', latencyMs, ageSeconds },
        ...(category === undefined || category === 'answered' ? {} : { suggestions: FAULTS[category].suggestions }),
      },
    };
  }

  /** Begins to ask how the auth service is; returns the function that stops it. */
  start(): () => void {
    const stopAsking = this.preflight.start();
    return () => {
      stopAsking();
      this.stop();
    };
  }

  /** Closes what is open. */
  stop(): void {
    this.#client.stop();
    this.#close();
  }

  /** Answers `/api/auth/*` and passes everything else by. */
  mount(deps: MountProxyDeps): RequestHandler {
    const chains = chainsOf(deps, (request, response) => this.#serve(request, response));
    const other = chains(undefined, OTHER);
    const known = new Map(
      deps.specs
        .filter(({ path }) => path.startsWith(`${VERSIONED}/`) && !path.includes('{'))
        .map((spec) => {
          const path = `${PROXIED}${spec.path.slice(VERSIONED.length)}`;
          return [`${spec.method.toUpperCase()} ${path}`, chains(spec, path)];
        }),
    );
    return (request, response, next) =>
      request.path === PROXIED || request.path.startsWith(`${PROXIED}/`)
        ? (known.get(`${request.method} ${request.path}`) ?? other)(request, response, next)
        : next();
  }

  async #serve(request: Request, response: Response): Promise<void> {
    if (!PROXIED_METHODS.includes(request.method)) response.setHeader('Allow', PROXIED_METHODS.join(', '));
    const target = targetOf(this.#settings.url, request.method, request.originalUrl);
    if (hasBeenHere(request.headers)) throw looped();
    const startedMs = performance.now();
    const result = await this.#ask(target, request, response);
    const { requests, duration } = this.#metrics.upstream;
    requests.inc({ category: result.category });
    duration.observe((performance.now() - startedMs) / 1000);
    if (result.category !== 'answered') {
      if (result.category !== 'rate-limited') this.preflight.suspect();
      throw refusalOf(result, this.#settings);
    }
    if (!response.closed) answer(response, result.answer, this.#settings);
  }

  async #ask(target: Target, request: Request, response: Response): Promise<Result> {
    const body = bodyOf(request);
    const ask = (): Promise<Result> => this.#send(target, body, { request, response });
    const key = keyOf(target, request, body);
    if (key !== undefined) return this.#validations.share(key, ask);
    if (!target.mayRevoke) return ask();
    try {
      return await ask();
    } finally {
      this.#validations.forget(); // also where the answer is lost: it may have been done
    }
  }

  #send(
    target: Target,
    body: Buffer | undefined,
    { request, response }: { readonly request: Request; readonly response: Response },
  ): Promise<Result> {
    const { headers, method, secure } = request;
    const forwarded = {
      address: clientAddress(request),
      protocol: secure ? 'https' : 'http',
      requestId: String(localsOf(response).requestId),
    } as const;
    const outgoing = {
      method,
      path: target.path,
      headers: headersUp(headers, forwarded, body),
      body,
      isRead: target.isRead,
    };
    return this.#client.send({ outgoing, target, isWaitedFor: () => !response.closed });
  }
}

/** A read has none of which anybody knows what it means: two servers that disagree about it are how requests are smuggled. */
const bodyOf = ({ method, body }: Request): Buffer | undefined =>
  method === 'GET' || method === 'HEAD' || !Buffer.isBuffer(body) || body.length === 0 ? undefined : body;

/** Whatever it says, it answers. */
const isThere = (category: string): boolean =>
  !['unreachable', 'connect-timeout', 'read-timeout', 'connection-lost', 'failed'].includes(category);

/** In the order of http/mount.ts: name, mode, limit, body. */
const chainsOf =
  ({ modes, limitBy }: MountProxyDeps, serve: (request: Request, response: Response) => Promise<void>) =>
  (rules: Rules | undefined, route: string): RequestHandler =>
    chain([
      (_request, response, next) => {
        localsOf(response).route = route;
        next();
      },
      modeGate(modes)({ openDuring: rules?.openDuring ?? [] }),
      ...(rules?.limit === undefined ? [] : [limitBy(rules.limit)]),
      raw({ type: () => true, limit: MAX_BODY }),
      serve,
    ]);

/** What `validate` says of a token, by nothing but the token; undefined where more than that may count. */
const keyOf = (
  { isValidation, hasQuery }: Target,
  { method, headers }: Request,
  body: Buffer | undefined,
): string | undefined => {
  const { authorization, cookie } = headers;
  if (!isValidation || hasQuery || body !== undefined || cookie !== undefined) return undefined;
  if (authorization === undefined || !/^bearer +\S+$/i.test(authorization)) return undefined;
  return createHash('sha256').update(`${method} ${authorization}`).digest('base64');
};

const looped = (): AppError =>
  new AppError('upstream-misconfigured', {
    cause: new Error('a login proxy was asked by a login proxy: AUTH_UPSTREAM_URL leads back here, or to another one'),
    suggestions: ['Let AUTH_UPSTREAM_URL name an instance without AUTH_UPSTREAM_URL'],
  });

const refusalOf = (
  { category, why, attempts, retryAfterSeconds }: Exclude<Result, { readonly category: 'answered' }>,
  { url, serviceId }: UpstreamSettings,
): AppError => {
  const { code, suggestions, retryAfterSeconds: usualSeconds } = FAULTS[category];
  const cause = new Error(`${category}: ${why}; ${attempts} attempt(s) at ${new URL(url).origin} as ${serviceId}`);
  return new AppError(code, {
    cause,
    suggestions,
    retryAfterSeconds:
      usualSeconds === undefined ? undefined : Math.min(retryAfterSeconds ?? usualSeconds, MAX_RETRY_AFTER_SECONDS),
  });
};

const answer = (response: Response, { status, headers, body }: Answer, { url }: UpstreamSettings): void => {
  response.status(status);
  for (const [name, value] of Object.entries(headersDown(headers, status, url))) response.setHeader(name, value);
  if (status !== 204 && status !== 205) response.setHeader('Content-Length', body.length);
  response.end(body);
};
