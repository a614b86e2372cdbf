/**
 * The rate limits: the general one of http/guard.ts, and those of single endpoints, which http/mount.ts asks for by policy. Assembled by service.ts.
 * express-rate-limit counts, tells (`RateLimit`, `RateLimit-Policy`) and refuses; the stores in cache/ say by what.
 */
import { hash } from 'node:crypto';
import type { Request, RequestHandler, Response } from 'express';
import { type ClientRateLimitInfo, rateLimit, type Store } from 'express-rate-limit';
import { LRUCache } from 'lru-cache';
import { ExactLimit } from '../cache/exact-limit.ts';
import type { RedisConnections } from '../cache/redis.ts';
import { SharedLimit } from '../cache/shared-limit.ts';
import type { LimitConfig } from '../config/limits.ts';
import type { Policy } from '../core/sliding-window.ts';
import { AppError } from '../errors.ts';
import type { Metrics } from '../metrics.ts';
import { clientAddress, clientOf } from './client-address.ts';
import type { LimitPolicy } from './endpoint.ts';
import { localsOf } from './locals.ts';

/** A request that was refused for coming too often. */
export interface Violation {
  readonly policy: LimitPolicy | 'api';
  /** The address or the prefix that is counted. */
  readonly client: string;
  readonly windowMs: number;
  readonly method: string;
  readonly route: string;
}

export interface RateLimitDeps {
  readonly redis: RedisConnections | undefined;
  readonly limits: LimitConfig;
  readonly metrics: Metrics;
  readonly nowMs: () => number;
  /** Hears of every refusal; must not throw and is not waited for. */
  readonly onViolation: (violation: Violation) => void;
}

export interface RateLimits {
  readonly generalLimit: RequestHandler;
  readonly limitBy: (policy: LimitPolicy) => RequestHandler;
}

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

const policiesOf = (limits: LimitConfig): Readonly<Record<LimitPolicy | 'api', Policy>> => ({
  api: { limit: limits.rateLimitPerMinute, windowMs: MINUTE_MS },
  login: { limit: limits.loginLimitPerMinute, windowMs: MINUTE_MS },
  registration: { limit: limits.registrationLimitPerHour, windowMs: HOUR_MS },
  reset: { limit: limits.resetLimitPerHour, windowMs: HOUR_MS },
});

export const createRateLimits = (deps: RateLimitDeps): RateLimits => {
  const policies = policiesOf(deps.limits);
  const storeDeps = (name: LimitPolicy | 'api') => ({ ...deps, name, policy: policies[name] });
  const exact = (name: LimitPolicy): RequestHandler =>
    limiterOf(name, policies[name], new ExactLimit(storeDeps(name)), deps);
  const byPolicy = { login: exact('login'), registration: exact('registration'), reset: exact('reset') };
  const generalLimit = generalLimiter(new SharedLimit(storeDeps('api')), policies.api, deps);
  return { generalLimit, limitBy: (policy) => byPolicy[policy] };
};

/** What express-rate-limit calls a client in the headers of draft 8. */
const partitionKey = (client: string): string =>
  Buffer.from(hash('sha256', client, 'hex').slice(0, 12)).toString('base64');

/** A text for each client, made once while the client keeps coming. */
const remembered = (make: (client: string) => string): ((client: string) => string) => {
  const texts = new LRUCache<string, string>({ maxSize: 10_000, sizeCalculation: () => 1 });
  return (client) => {
    const before = texts.get(client);
    if (before !== undefined) return before;
    const text = make(client);
    texts.set(client, text);
    return text;
  };
};

/**
 * The limit that every request passes: what express-rate-limit does with the same store, header by header, without its six promises and its
 * hash a request (a test holds the two against each other).
 */
const generalLimiter = (store: SharedLimit, { limit, windowMs }: Policy, deps: RateLimitDeps): RequestHandler => {
  const policyText = remembered((client) => `"api"; q=${limit}; w=${windowMs / 1000}; pk=:${partitionKey(client)}:`);
  const judge = (info: ClientRateLimitInfo, client: string, request: Request, response: Response): void => {
    const { totalHits, resetTime } = info;
    const resetSeconds = Math.max(0, Math.ceil(((resetTime?.getTime() ?? 0) - Date.now()) / 1000));
    response.setHeader('RateLimit', `"api"; r=${Math.max(limit - totalHits, 0)}; t=${resetSeconds}`);
    response.setHeader('RateLimit-Policy', policyText(client));
    if (totalHits <= limit) return;
    response.setHeader('Retry-After', String(resetSeconds));
    refuse('api', deps)(request, response);
  };
  return (request, response, next) => {
    const client = clientOf(clientAddress(request));
    const counted = store.increment(client);
    if (!(counted instanceof Promise)) {
      judge(counted, client, request, response);
      return next();
    }
    counted.then((info) => judge(info, client, request, response)).then(() => next(), next);
  };
};

/** @throws AppError `rate-limited` */
const refuse =
  (policy: LimitPolicy | 'api', { limits, metrics, onViolation }: RateLimitDeps) =>
  (request: Request, response: Response): never => {
    metrics.auth.rateLimitExceeded.inc();
    onViolation({
      policy,
      client: clientOf(clientAddress(request)),
      windowMs: policiesOf(limits)[policy].windowMs,
      method: request.method,
      route: localsOf(response).route ?? 'unmatched',
    });
    throw new AppError('rate-limited');
  };

const limiterOf = (name: LimitPolicy, { limit, windowMs }: Policy, store: Store, deps: RateLimitDeps): RequestHandler =>
  rateLimit({
    windowMs,
    limit,
    standardHeaders: 'draft-8',
    legacyHeaders: false,
    identifier: name,
    store,
    keyGenerator: (request) => clientOf(clientAddress(request)),
    handler: refuse(name, deps), // `Retry-After` is set by then, from the store's resetTime
    validate: false, // its checks guess at the trust-proxy setting and write to the console; ours is an explicit list
  });
