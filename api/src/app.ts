/**
 * The chain that every request walks, from top to bottom. Called by service.ts with everything that it needs; listens nowhere by itself.
 */
import express, { type Express, type RequestHandler } from 'express';
import { chain } from './http/chain.ts';
import { type GuardDeps, guard } from './http/guard.ts';
import { type MountDeps, methodsByPath, mountEndpoints, refuseFlood } from './http/mount.ts';
import { nothingHere, type ProblemDeps, problemHandler } from './http/problems.ts';
import { writeSecurityBlock } from './http/security-headers.ts';
import type { Lifetime } from './lifetime.ts';
import type { Log } from './log.ts';
import { enterRequestScope } from './request-scope.ts';
import { type EndpointDeps, endpointSpecs, endpoints, hot } from './routes/all.ts';
import { type Health, healthRoute, probeRoutes } from './routes/health.ts';
import type { LoginProxy } from './upstream/proxy.ts';

export interface AppDeps
  extends Omit<GuardDeps, 'routes' | 'refuseFlood'>,
    MountDeps,
    EndpointDeps,
    Pick<ProblemDeps, 'appEnv'> {
  readonly health: Health;
  readonly lifetime: Lifetime;
  readonly log: Log;
  /** Shown as `latchkey-version` on every answer where it is set. */
  readonly version: string | undefined;
  readonly trustedProxies: readonly string[];
  /** Answers `/api/auth/*` in place of the endpoints here. */
  readonly loginProxy: Pick<LoginProxy, 'mount'> | undefined;
}

export interface AppOptions {
  /** Stands between the guard and the routes, so that what it answers is counted like an answer of ours: fault images use it. */
  readonly beforeRoutes?: RequestHandler | undefined;
}

const createExpress = (trustedProxies: readonly string[]): Express => {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.enable('case sensitive routing');
  app.enable('strict routing');
  app.set('query parser', false);
  app.set('trust proxy', trustedProxies.length === 0 ? false : [...trustedProxies]);
  writeSecurityBlock(app);
  return app;
};

export const createApp = (deps: AppDeps, { beforeRoutes }: AppOptions = {}): Express => {
  const app = createExpress(deps.trustedProxies);
  const specs = endpointSpecs();
  const methods = new Map([...methodsByPath(specs), ['/api/health', ['GET']] as const]);

  app.use(
    chain([
      deps.lifetime.track(),
      ...(deps.version === undefined ? [] : [showVersion(deps.version)]),
      probeRoutes(deps.health, deps.metrics),
      ...guard({ ...deps, routes: new Set(methods.keys()), refuseFlood: refuseFlood(specs, deps.queue) }),
      ...(beforeRoutes === undefined ? [] : [beforeRoutes]),
      ...(deps.loginProxy === undefined ? [] : [deps.loginProxy.mount({ ...deps, specs })]),
      mountEndpoints(hot(deps), deps),
      enterRequestScope(),
    ]),
  );
  app.get('/api/health', healthRoute(deps.health, deps.modes));
  app.use(mountEndpoints(endpoints(deps), deps));
  app.use(nothingHere(methods));
  app.use(problemHandler(deps));
  return app;
};

const showVersion =
  (version: string): RequestHandler =>
  (_request, response, next) => {
    response.setHeader('latchkey-version', version);
    next();
  };
