/**
 * The chain that every request walks, from top to bottom. Called by main.ts with everything that it needs; listens nowhere by itself.
 */
import express, { type Express, type RequestHandler } from 'express';
import { type GuardDeps, guard } from './http/guard.ts';
import { nothingHere, problemHandler } from './http/problems.ts';
import type { Log } from './log.ts';
import { AUTH_METHODS, type AuthRouteDeps, authRoutes, hotRoutes } from './routes/auth.ts';
import { type HealthDeps, healthRoute, probeRoutes } from './routes/health.ts';

export interface AppDeps extends Omit<GuardDeps, 'routes'>, AuthRouteDeps, HealthDeps {
  readonly log: Log;
  readonly trustedProxies: readonly string[];
}

export interface AppOptions {
  /** Stands between the guard and the routes, so that what it answers is counted like an answer of ours: fault images use it. */
  readonly beforeRoutes?: RequestHandler;
}

const METHODS = new Map([...AUTH_METHODS, ['/api/health', ['GET']] as const]);

export const createApp = (deps: AppDeps, { beforeRoutes }: AppOptions = {}): Express => {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.enable('case sensitive routing');
  app.enable('strict routing');
  app.set('query parser', false);
  app.set('trust proxy', deps.trustedProxies.length === 0 ? false : [...deps.trustedProxies]);

  app.use(closeWhileDraining(deps.isDraining));
  app.use(probeRoutes(deps));
  app.use(guard({ ...deps, routes: new Set(METHODS.keys()) }));
  if (beforeRoutes !== undefined) app.use(beforeRoutes);
  app.use(hotRoutes(deps));
  app.get('/api/health', healthRoute(deps));
  app.use(authRoutes(deps));
  app.use(nothingHere(METHODS));
  app.use(problemHandler(deps.log, deps.metrics));
  return app;
};

/** A draining pod answers, and asks for no more requests on this connection. */
const closeWhileDraining =
  (isDraining: () => boolean): RequestHandler =>
  (_request, response, next) => {
    if (isDraining()) response.setHeader('Connection', 'close');
    next();
  };
