/**
 * Probes and metrics. Mounted by app.ts before the guard: they are neither counted nor limited, so a canary without users shows no traffic.
 * `live` says that the process answers; `ready` says that it should get requests; `health` says the same to people.
 */
import { type RequestHandler, Router } from 'express';
import type { Metrics } from '../metrics.ts';

export interface HealthDeps {
  readonly isDatabaseReachable: () => Promise<boolean>;
  /** undefined: no Redis is configured, which is no degradation. */
  readonly isRedisReady: (() => boolean) | undefined;
  readonly isDraining: () => boolean;
  readonly metrics: Metrics;
}

type Status = 'ok' | 'degraded' | 'draining' | 'unavailable';

/** Probes come every second from several sides; PostgreSQL is asked twice a second at most. */
const CHECK_MS = 500;

/** One question at a time, its answer shared for CHECK_MS. */
const shared = (ask: () => Promise<boolean>): (() => Promise<boolean>) => {
  let answer: Promise<boolean> | undefined;
  let askedMs = Number.NEGATIVE_INFINITY;
  return () => {
    const nowMs = performance.now();
    if (answer === undefined || nowMs - askedMs > CHECK_MS) {
      askedMs = nowMs;
      answer = ask();
    }
    return answer;
  };
};

const createReport = ({ isDatabaseReachable, isRedisReady, isDraining }: HealthDeps) => {
  const isReachable = shared(isDatabaseReachable);
  return async () => {
    const hasDatabase = await isReachable();
    const hasRedis = isRedisReady?.();
    const redis = hasRedis === undefined ? 'unused' : hasRedis ? 'up' : 'down';
    const working: Status = hasRedis === false ? 'degraded' : 'ok';
    const status: Status = isDraining() ? 'draining' : hasDatabase ? working : 'unavailable';
    return { status, checks: { database: hasDatabase ? 'up' : 'down', redis } } as const;
  };
};

const statusCodeOf = (status: Status): number => {
  switch (status) {
    case 'ok':
    case 'degraded':
      return 200;
    case 'draining':
    case 'unavailable':
      return 503;
  }
};

export const probeRoutes = (deps: HealthDeps): Router => {
  const report = createReport(deps);
  return Router()
    .get('/api/health/live', (_request, response) => {
      response.json({ status: 'live' });
    })
    .get('/api/health/ready', async (_request, response) => {
      const found = await report();
      response.status(statusCodeOf(found.status)).json(found);
    })
    .get('/api/metrics', async (_request, response) => {
      response.type(deps.metrics.registry.contentType).send(await deps.metrics.registry.metrics());
    });
};

/** For people and uptime checks: through the guard, like any other request. */
export const healthRoute = (deps: HealthDeps): RequestHandler => {
  const report = createReport(deps);
  return async (_request, response) => {
    const found = await report();
    response.status(statusCodeOf(found.status)).json({ ...found, auth: 'enabled' });
  };
};
