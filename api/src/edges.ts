/** The limits and the door for other services, put together. Called by service.ts. */
import type { RequestHandler } from 'express';
import type { RedisConnections } from './cache/redis.ts';
import type { Config, Secrets } from './config.ts';
import type { Database } from './db/database.ts';
import { createRateLimits, type RateLimits } from './http/rate-limit.ts';
import { createRequireService } from './http/signature.ts';
import type { Log } from './log.ts';
import type { Metrics } from './metrics.ts';
import { type IntrospectionDeps, TokenIntrospection } from './services/introspection.ts';
import { createRateLimitAudit } from './services/rate-limit-audit.ts';

export interface EdgeDeps {
  readonly config: Config;
  readonly secrets: Secrets;
  readonly log: Log;
  readonly nowMs: () => number;
  readonly database: Database;
  readonly redis: RedisConnections | undefined;
  readonly metrics: Metrics;
  readonly sessionParts: IntrospectionDeps;
}

export interface Edges extends RateLimits {
  readonly requireService: RequestHandler;
  readonly introspection: TokenIntrospection;
}

export const createEdges = (deps: EdgeDeps): Edges => ({
  ...createRateLimits({
    ...deps,
    limits: deps.config,
    onViolation: createRateLimitAudit({ ...deps, organizationSlug: deps.config.organizationSlug }),
  }),
  requireService: createRequireService({ ...deps, serviceKeys: deps.secrets.serviceKeys }),
  introspection: new TokenIntrospection(deps.sessionParts),
});
