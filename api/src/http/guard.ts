/**
 * What every counted request gets, in this order: an id, security headers, its place in the metrics, a look at its head, HTTPS where that is
 * asked for, the rules for other origins, its API version, room to hash where it wants that, a rate limit.
 * Mounted by app.ts after the probes; the request goes on to routes/.
 */
import { randomUUID } from 'node:crypto';
import type { Request, RequestHandler, Response } from 'express';
import type { Metrics } from '../metrics.ts';
import { allowOrigins } from './cors.ts';
import { requireHttps } from './https.ts';
import { localsOf } from './locals.ts';
import { securityHeaders } from './security-headers.ts';
import { negotiateVersion } from './versions.ts';
import { checkHead } from './wire.ts';

export interface GuardDeps {
  readonly metrics: Metrics;
  readonly generalLimit: RequestHandler;
  /** Refuses at once what would hash and finds no room. */
  readonly refuseFlood: RequestHandler;
  readonly allowedOrigins: readonly string[];
  /** Plain HTTP is sent on to `publicUrl`, where that is HTTPS. */
  readonly redirectsToHttps: boolean;
  readonly publicUrl: string;
  /** Paths that exist: everything else shares one metric label, so that scanners cannot fill the memory with series. */
  readonly routes: ReadonlySet<string>;
}

const REQUEST_ID = /^[\w-]{8,64}$/;
const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);

const identify = (): RequestHandler => (request, response, next) => {
  const offered = request.headers['x-request-id'];
  const requestId = typeof offered === 'string' && REQUEST_ID.test(offered) ? offered : randomUUID();
  localsOf(response).requestId = requestId;
  response.setHeader('X-Request-Id', requestId);
  next();
};

/** The pattern that matched; for a request that was refused before it got there, the path, where a path is a pattern. */
const routeOf = (request: Request, response: Response, routes: ReadonlySet<string>): string => {
  const { route } = localsOf(response);
  if (route !== undefined) return route;
  return routes.has(request.path) ? request.path : 'unmatched';
};

const count =
  ({ http }: Metrics, routes: ReadonlySet<string>): RequestHandler =>
  (request, response, next) => {
    const startedMs = performance.now();
    const method = METHODS.has(request.method) ? request.method : 'OTHER';
    response.on('finish', () => {
      const seconds = (performance.now() - startedMs) / 1000;
      http.answered(method, routeOf(request, response, routes), response.statusCode, seconds);
    });
    next();
  };

export const guard = (deps: GuardDeps): readonly RequestHandler[] => [
  identify(),
  securityHeaders(deps.publicUrl.startsWith('https:')),
  count(deps.metrics, deps.routes),
  checkHead,
  ...(deps.redirectsToHttps ? [requireHttps(deps.publicUrl)] : []),
  ...allowOrigins(deps.allowedOrigins),
  negotiateVersion,
  deps.refuseFlood,
  deps.generalLimit,
];
