/** Puts the parts together: configuration in, a service that can be started and stopped out. Called by main.ts, dev.ts and the tests. */
import type { RequestHandler } from 'express';
import { type AppDeps, createApp } from './app.ts';
import { createLiveness } from './cache/liveness.ts';
import { connectRedis } from './cache/redis.ts';
import type { Config, Secrets } from './config.ts';
import { createAccessTokens } from './crypto/access-token.ts';
import { createHashQueue, hashWidth } from './crypto/hash-queue.ts';
import { createPasswords } from './crypto/passwords.ts';
import { createRefreshTokens } from './crypto/refresh-token.ts';
import { createDatabase } from './db/database.ts';
import { findSession } from './db/sessions.ts';
import { createLifetime } from './lifetime.ts';
import type { Log } from './log.ts';
import { createMetrics } from './metrics.ts';
import { startMetricsRefresh } from './metrics-refresh.ts';
import { createAccounts } from './services/accounts.ts';
import { createSessions } from './services/sessions.ts';

export interface ServiceDeps {
  readonly config: Config;
  readonly secrets: Secrets;
  readonly log: Log;
  readonly nowMs?: () => number;
  readonly beforeRoutes?: RequestHandler;
}

export interface Service {
  readonly port: number;
  /** Drains, finishes hashes, closes pools; done within the configured grace. */
  stop(): Promise<void>;
}

export const startService = async ({
  config,
  secrets,
  log,
  nowMs = Date.now,
  beforeRoutes,
}: ServiceDeps): Promise<Service> => {
  const metrics = createMetrics();
  metrics.auth.rolloutPercentage.set(config.rolloutPercentage);
  const onIdleError = (error: unknown): void => log.warn({ error }, 'an idle database connection was lost');
  const database = createDatabase({ url: secrets.databaseUrl, metrics, onIdleError });
  const redis = secrets.redisUrl === undefined ? undefined : connectRedis(secrets.redisUrl, log);
  const queue = createHashQueue(hashWidth());
  const lifetime = createLifetime(log);

  const readTruth = (sessionId: string, tenantId: string): Promise<boolean> =>
    database.inTenant(tenantId, async (tx) => {
      const session = await findSession(tx, sessionId);
      return session?.status === 'active' && session.isAccountActive && session.expiresAtMs > nowMs();
    });
  const liveness = createLiveness({ redis, readTruth });
  const accessTokens = createAccessTokens({
    keys: secrets.signingKeys,
    issuer: config.issuer,
    audience: config.audience,
    nowMs,
  });
  const refreshTokens = createRefreshTokens(secrets.refreshTokenKey);
  const sessions = createSessions({ database, liveness, accessTokens, refreshTokens, metrics, nowMs });
  const passwords = createPasswords({ pepper: secrets.passwordPepper, cost: config.bcryptCost, queue });
  const accounts = createAccounts({
    database,
    passwords,
    sessions,
    metrics,
    organizationSlug: config.organizationSlug,
  });

  const deps: AppDeps = {
    ...config,
    log,
    metrics,
    redis,
    liveness,
    accessTokens,
    sessions,
    accounts,
    isDraining: lifetime.isDraining,
    isDatabaseReachable: database.isReachable,
    isRedisReady: redis?.isReady,
  };
  const port = await lifetime.listen(createApp(deps, beforeRoutes === undefined ? {} : { beforeRoutes }), config.port);
  const stopRefresh = startMetricsRefresh(database, metrics, log);
  log.info({ port, hashWidth: hashWidth(), appEnv: config.appEnv }, 'listening');

  return {
    port,
    stop: async () => {
      stopRefresh();
      await lifetime.drain(config.shutdownGraceMs);
      await queue.idle();
      await database.close();
      redis?.close();
    },
  };
};
