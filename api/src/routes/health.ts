/**
 * Probes and metrics. Mounted by app.ts before the guard: they are neither counted nor limited, so a canary without users shows no traffic.
 * `live` says that the process answers; `ready` says that it should get requests; `health` says the same to people.
 */
import type { RequestHandler, Response } from 'express';
import type { DatabaseState } from '../db/database.ts';
import type { ModeSource } from '../http/mode-gate.ts';
import type { Metrics } from '../metrics.ts';

export interface Health {
  /** Read, judge, say: what `ready` and `health` answer. */
  report(): Promise<HealthReport>;
}

interface HealthReport {
  readonly status: Status;
  readonly checks: {
    readonly database: DatabaseState;
    readonly redis: 'up' | 'down' | 'unused';
    /** Only where there is an auth service behind this one. */
    readonly upstream?: 'up' | 'down' | 'unknown';
  };
}

export interface HealthDeps {
  readonly databaseState: () => Promise<DatabaseState>;
  /** undefined: no Redis is configured, which is no degradation. */
  readonly isRedisReady: (() => boolean) | undefined;
  readonly isDraining: () => boolean;
  /** undefined: there is no auth service behind this one. Away, it is no reason to take a pod out: it would be one for every pod. */
  readonly upstreamState: (() => 'up' | 'away' | 'unknown') | undefined;
}

type Status = 'ok' | 'degraded' | 'draining' | 'unavailable';

/** Probes come every second from several sides; PostgreSQL is asked twice a second at most. */
const CHECK_MS = 500;

/** One question at a time, its answer shared for CHECK_MS. */
const shared = <T>(ask: () => Promise<T>): (() => Promise<T>) => {
  let answer: Promise<T> | undefined;
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

export const createHealth = ({ databaseState, isRedisReady, isDraining, upstreamState }: HealthDeps): Health => {
  const sharedState = shared(databaseState);
  return {
    report: async () => {
      const database = await sharedState();
      const hasRedis = isRedisReady?.();
      const redis = hasRedis === undefined ? 'unused' : hasRedis ? 'up' : 'down';
      const upstream = upstreamState?.();
      const working: Status = hasRedis === false || upstream === 'away' ? 'degraded' : 'ok';
      return {
        status: isDraining() ? 'draining' : database === 'up' ? working : 'unavailable',
        checks: { database, redis, ...(upstream && { upstream: upstream === 'away' ? 'down' : upstream }) },
      };
    },
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

const answer = (response: Response, body: HealthReport): void => {
  const statusCode = statusCodeOf(body.status);
  if (statusCode === 503) response.setHeader('Retry-After', '2');
  response.status(statusCode).json(body);
};

/** Found by their paths, not by a router: every request passes here, and nearly none is one of them. */
export const probeRoutes = (health: Health, { registry }: Metrics): RequestHandler => {
  const probes = new Map<string, RequestHandler>([
    [
      '/api/health/live',
      (_request, response) => {
        response.json({ status: 'live' });
      },
    ],
    ['/api/health/ready', async (_request, response) => answer(response, await health.report())],
    [
      '/api/metrics',
      async (_request, response) => {
        response.type(registry.contentType).send(await registry.metrics());
      },
    ],
  ]);
  return (request, response, next) => {
    const probe = probes.get(request.path);
    const isRead = request.method === 'GET' || request.method === 'HEAD';
    return probe === undefined || !isRead ? next() : probe(request, response, next);
  };
};

/** For people and uptime checks: through the guard, like any other request. */
export const healthRoute =
  (health: Health, modes: ModeSource): RequestHandler =>
  async (_request, response) => {
    // The runbook's exact words: somebody switched it off, and nothing is wrong with that.
    if (modes.current().isAuthDisabled) response.json({ status: 'ok', auth: 'disabled' });
    else answer(response, await health.report());
  };
