/**
 * The rate limits: the general one of http/guard.ts, and those of single endpoints, which http/mount.ts asks for by policy. Assembled by service.ts.
 * express-rate-limit counts, tells (`RateLimit`, `RateLimit-Policy`) and refuses; the stores in cache/ say by what.
 */
import type { RequestHandler } from 'express';
import { rateLimit, type Store } from 'express-rate-limit';
import { ExactLimit } from '../cache/exact-limit.ts';
import type { RedisConnections } from '../cache/redis.ts';
import { SharedLimit } from '../cache/shared-limit.ts';
import type { LimitConfig } from '../config/limits.ts';
import type { Policy } from '../core/sliding-window.ts';
import { AppError } from '../errors.ts';
import type { Metrics } from '../metrics.ts';
import { clientAddress, clientOf } from './client-address.ts';
import type { LimitPolicy } from './endpoint.ts';

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
  const limiter = (name: LimitPolicy | 'api', store: Store): RequestHandler =>
    limiterOf(name, policies[name], store, deps);
  const exact = (name: LimitPolicy): RequestHandler => limiter(name, new ExactLimit(storeDeps(name)));
  const byPolicy = { login: exact('login'), registration: exact('registration'), reset: exact('reset') };
  return { generalLimit: limiter('api', new SharedLimit(storeDeps('api'))), limitBy: (policy) => byPolicy[policy] };
};

const limiterOf = (
  name: LimitPolicy | 'api',
  { limit, windowMs }: Policy,
  store: Store,
  { metrics, onViolation }: RateLimitDeps,
): RequestHandler =>
  rateLimit({
    windowMs,
    limit,
    standardHeaders: 'draft-8',
    legacyHeaders: false,
    identifier: name,
    store,
    keyGenerator: (request) => clientOf(clientAddress(request)),
    // `Retry-After` is set by then, from the store's resetTime.
    handler: (request, response) => {
      metrics.auth.rateLimitExceeded.inc();
      const { method } = request;
      const route: unknown = response.locals['route'];
      const client = clientOf(clientAddress(request));
      onViolation({ policy: name, client, windowMs, method, route: typeof route === 'string' ? route : 'unmatched' });
      throw new AppError('rate-limited');
    },
    validate: false, // its checks guess at the trust-proxy setting and write to the console; ours is an explicit list
  });
