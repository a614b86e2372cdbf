/** Puts the parts together: configuration in, a service that can be stopped out. Called by main.ts, dev.ts and the tests. */
import { type AppDeps, type AppOptions, createApp } from './app.ts';
import { Liveness } from './cache/liveness.ts';
import { connectRedis, type RedisConnections } from './cache/redis.ts';
import { type Config, ConfigError, type Secrets } from './config.ts';
import { createAccessTokens } from './crypto/access-token.ts';
import { createAuditKeys } from './crypto/audit-keys.ts';
import { HashQueue, hashWidth } from './crypto/hash-queue.ts';
import { createPasswords } from './crypto/passwords.ts';
import { createRefreshTokens } from './crypto/refresh-token.ts';
import { Database } from './db/database.ts';
import { isSessionLive } from './db/sessions.ts';
import { createIdentify } from './http/authenticate.ts';
import { createBrowsers } from './http/browsers.ts';
import { createCsrf } from './http/csrf.ts';
import { requirePermission, requireRecentSession } from './http/permissions.ts';
import { createRateLimits } from './http/rate-limit.ts';
import { Lifetime } from './lifetime.ts';
import type { Log } from './log.ts';
import { createMailing, type Mailing } from './mail/mailing.ts';
import { createMetrics, type Metrics } from './metrics.ts';
import { startMetricsRefresh } from './metrics-refresh.ts';
import { createReference } from './openapi/served.ts';
import { createHealth } from './routes/health.ts';
import { Accounts } from './services/accounts.ts';
import { createAdministration } from './services/administration.ts';
import { startAuditSealing } from './services/audit-sealing.ts';
import { startLockoutNotices } from './services/lockout-notices.ts';
import { createLogins } from './services/logins.ts';
import { createModes, type Modes } from './services/modes.ts';
import { createPermissions } from './services/permissions.ts';
import { createRateLimitAudit } from './services/rate-limit-audit.ts';
import { Sessions } from './services/sessions.ts';

export interface ServiceDeps extends AppOptions {
  readonly config: Config;
  readonly secrets: Secrets;
  readonly log: Log;
  readonly nowMs?: () => number;
}

export interface Service {
  readonly port: number;
  /** Drains, finishes hashes, closes pools; done within the configured grace. */
  stop(): Promise<void>;
}

/** What is open and must be closed. */
interface Resources {
  readonly database: Database;
  readonly redis: RedisConnections | undefined;
  readonly queue: HashQueue;
  readonly lifetime: Lifetime;
  readonly metrics: Metrics;
  readonly modes: Modes;
  readonly mailing: Mailing;
}

/** @throws ConfigError when the database role would see every tenant's rows. A database that is away is no reason not to start. */
export const startService = async (deps: ServiceDeps): Promise<Service> => {
  const { config, secrets, log } = deps;
  const resources = open(deps);
  const { database, redis, queue, lifetime, metrics, modes, mailing } = resources;
  const state = await database.state();
  if (state === 'unsafe-role') {
    await database.close();
    throw new ConfigError([
      'DATABASE_URL: the role is a superuser or bypasses row level security; use one that is neither',
    ]);
  }
  // A pod that starts during maintenance must not open for the blink of an eye.
  if (state === 'up')
    await modes.refresh().catch((error: unknown) => log.warn({ error }, 'the modes are not known yet'));
  const port = await lifetime.listen(createApp(assemble(deps, resources), deps), config.port);
  const stopRefresh = startMetricsRefresh(database, metrics, log);
  const stopModes = modes.start();
  const stopSealing = startAuditSealing({
    ...config,
    database,
    keys: createAuditKeys(secrets.auditKeys),
    log,
    metrics,
  });
  const stopMail = mailing.start();
  const stopNotices = startLockoutNotices({
    database,
    enqueueMail: mailing.enqueueMail,
    log,
    nowMs: deps.nowMs ?? Date.now,
  });
  log.info({ port, hashWidth: queue.width, appEnv: config.appEnv }, 'listening');
  return {
    port,
    stop: async () => {
      await lifetime.drain(config.shutdownGraceMs);
      stopRefresh();
      stopModes();
      await stopMail();
      await stopNotices();
      await queue.idle();
      await stopSealing();
      await database.close();
      redis?.close();
    },
  };
};

const open = ({ config, secrets, log, nowMs = Date.now }: ServiceDeps): Resources => {
  const metrics = createMetrics();
  const onIdleError = (error: unknown): void => log.warn({ error }, 'an idle database connection was lost');
  const database = new Database({ url: secrets.databaseUrl, metrics, onIdleError });
  return {
    metrics,
    database,
    modes: createModes({ ...config, database, metrics, log }),
    mailing: createMailing({ config, secrets, database, metrics, log, nowMs }),
    redis: secrets.redisUrl === undefined ? undefined : connectRedis(secrets.redisUrl, log),
    queue: new HashQueue(hashWidth()),
    lifetime: new Lifetime(log),
  };
};

const assemble = (deps: ServiceDeps, resources: Resources): AppDeps => {
  const { database, redis, queue, lifetime, metrics, modes } = resources;
  const { config, secrets, log, nowMs = Date.now } = deps;
  const readTruth = (sessionId: string, tenantId: string): Promise<boolean> =>
    database.inTenant(tenantId, (tx) => isSessionLive(tx, sessionId, nowMs()));
  const liveness = new Liveness({ redis, readTruth });
  const accessTokens = createAccessTokens({ ...config, keys: secrets.signingKeys, nowMs });
  const refreshTokens = createRefreshTokens(secrets.refreshTokenKey);
  const sessions = new Sessions({ database, liveness, accessTokens, refreshTokens, metrics, nowMs });
  const passwords = createPasswords({
    pepper: secrets.passwordPepper,
    previousPeppers: secrets.previousPeppers,
    cost: config.bcryptCost,
    queue,
  });
  const accounts = new Accounts({ ...config, database, passwords });
  const logins = createLogins({ ...deps, ...resources, ...resources.mailing, passwords, sessions, nowMs });
  const health = createHealth({
    databaseState: () => database.state(),
    isRedisReady: redis === undefined ? undefined : () => redis.isReady(),
    isDraining: () => lifetime.isDraining(),
  });
  const csrf = createCsrf({ ...secrets, ...config });
  const permissions = createPermissions(database, nowMs);
  const onViolation = createRateLimitAudit({ ...config, database, redis, log, nowMs });
  const rateLimits = createRateLimits({ redis, limits: config, metrics, nowMs, onViolation });
  return {
    ...config,
    log,
    metrics,
    sessions,
    accounts,
    ...logins,
    modes,
    ...createAdministration({ ...resources, config, liveness, sessions, nowMs }),
    reference: createReference(),
    health,
    lifetime,
    browsers: createBrowsers(csrf, nowMs),
    identify: createIdentify({ tokens: accessTokens, liveness, csrf }),
    requirePermission: requirePermission(permissions),
    requireRecentSession: requireRecentSession(permissions),
    generalLimit: rateLimits.general,
    limitBy: rateLimits.limitBy,
  };
};
