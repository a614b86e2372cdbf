/** Puts the parts together: configuration in, a service that can be stopped out. Called by main.ts, dev.ts and the tests. */
import { type AppDeps, type AppOptions, createApp } from './app.ts';
import { connectRedis, type RedisConnections, watchRedis } from './cache/redis.ts';
import { type Config, ConfigError, type Secrets } from './config.ts';
import { HashQueue, hashWidth } from './crypto/hash-queue.ts';
import { yieldToEventLoop } from './crypto/hash-threads.ts';
import { createPasswords } from './crypto/passwords.ts';
import { findOrganization } from './db/accounts.ts';
import { Database, type DatabaseState } from './db/database.ts';
import { createEdges } from './edges.ts';
import { requirePermission, requireRecentSession } from './http/permissions.ts';
import { Lifetime } from './lifetime.ts';
import type { Log } from './log.ts';
import { createMailing, type Mailing } from './mail/mailing.ts';
import { createMetrics, type Metrics } from './metrics.ts';
import { startMetricsRefresh } from './metrics-refresh.ts';
import { createReference } from './openapi/served.ts';
import { createHealth } from './routes/health.ts';
import { createAccounts } from './services/accounts.ts';
import { createAdministration } from './services/administration.ts';
import { Diagnostics } from './services/diagnostics.ts';
import { startLockoutNotices } from './services/lockout-notices.ts';
import { createLogins } from './services/logins.ts';
import { createModes, type Modes } from './services/modes.ts';
import { createOperation, type Operation } from './services/operation.ts';
import { createPermissions } from './services/permissions.ts';
import { RolloutPercentage } from './services/rollout-percentage.ts';
import { createSessionParts, type SessionParts } from './session-parts.ts';
import { LoginProxy } from './upstream/proxy.ts';

export interface ServiceDeps extends AppOptions {
  readonly config: Config;
  readonly secrets: Secrets;
  readonly log: Log;
  readonly nowMs?: () => number;
  /** The counters, for a caller that counts as well: the fault image does. */
  readonly metrics?: Metrics;
}

export interface Service {
  readonly port: number;
  /** Drains, finishes hashes, closes pools; done within the configured grace. */
  stop(): Promise<void>;
}

/** What is open and must be closed. */
interface Resources {
  readonly sessionParts: SessionParts;
  readonly database: Database;
  readonly redis: RedisConnections | undefined;
  readonly queue: HashQueue;
  readonly lifetime: Lifetime;
  readonly metrics: Metrics;
  readonly modes: Modes;
  readonly rollout: RolloutPercentage;
  readonly mailing: Mailing;
  readonly operation: Operation;
  readonly loginProxy: LoginProxy | undefined;
}

/** @throws ConfigError when the database role would see every tenant's rows, or knows no such organization. A database that is away is no reason not to start. */
export const startService = async (deps: ServiceDeps): Promise<Service> => {
  const { config, log } = deps;
  const resources = open(deps);
  const { database, redis, queue, lifetime, modes, sessionParts } = resources;
  const yieldingThreads = await yieldToEventLoop();
  const state = await database.state();
  const violation = await violationIn(state, database, config);
  if (violation !== undefined) {
    await database.close();
    throw new ConfigError([violation]);
  }
  // A pod that starts during maintenance must not open for the blink of an eye, nor believe a key that was retired.
  if (state === 'up') {
    await modes.refresh().catch((error: unknown) => log.warn({ error }, 'the modes are not known yet'));
    await sessionParts.prepare().catch((error: unknown) => log.warn({ error }, 'the signing keys are not known yet'));
    await database.warmUp();
  }
  const port = await lifetime.listen(createApp(assemble(deps, resources), deps), config.port);
  const stopBackground = startBackground(deps, resources);
  log.info({ port, hashWidth: queue.width, yieldingThreads, appEnv: config.appEnv }, 'listening');
  return {
    port,
    stop: async () => {
      await lifetime.drain(config.shutdownGraceMs);
      await queue.idle();
      await stopBackground();
      await database.close();
      redis?.close();
    },
  };
};

/** What only the database knows to be wrong with the configuration. */
const violationIn = async (
  state: DatabaseState,
  database: Database,
  { organizationSlug }: Config,
): Promise<string | undefined> => {
  if (state === 'unsafe-role') {
    return 'DATABASE_URL: the role is a superuser or bypasses row level security; use one that is neither';
  }
  if (state !== 'up') return undefined;
  // A database that went away since then is no reason not to start.
  const found = await findOrganization(database, organizationSlug).catch(() => 'not known yet');
  if (found !== undefined) return undefined;
  return 'DEFAULT_ORGANIZATION: no organization has this slug; for example DEFAULT_ORGANIZATION=default';
};

/** What works beside the requests. Returns the function that stops it, the sealing last: it seals what the others still wrote. */
const startBackground = (deps: ServiceDeps, resources: Resources): (() => Promise<void>) => {
  const { log, nowMs = Date.now } = deps;
  const { database, metrics, modes, rollout, mailing, sessionParts, operation, loginProxy } = resources;
  const stops: readonly (() => void | Promise<void>)[] = [
    startMetricsRefresh(database, metrics, log),
    modes.start(),
    rollout.start(),
    mailing.start(),
    loginProxy?.start() ?? (() => undefined),
    sessionParts.start(),
    startLockoutNotices({ database, enqueueMail: mailing.enqueueMail, log, nowMs }),
    operation.start(),
  ];
  return async () => {
    for (const stop of stops) await stop();
  };
};

const open = ({ config, secrets, log, nowMs = Date.now, metrics = createMetrics() }: ServiceDeps): Resources => {
  const onIdleError = (error: unknown): void => log.warn({ error }, 'an idle database connection was lost');
  const database = new Database({ url: secrets.databaseUrl, metrics, onIdleError });
  const rollout = new RolloutPercentage({ ...config, log });
  const redis = secrets.redisUrl === undefined ? undefined : connectRedis(secrets.redisUrl, log);
  if (redis !== undefined) watchRedis(redis, metrics);
  return {
    metrics,
    database,
    modes: createModes({ ...config, rollout, database, metrics, log }),
    rollout,
    mailing: createMailing({ config, secrets, database, metrics, log, nowMs }),
    operation: createOperation({ config, secrets, database, metrics, log, nowMs }),
    loginProxy: createLoginProxy({ config, secrets, metrics, log }),
    redis,
    sessionParts: createSessionParts({ config, secrets, log, nowMs, database, redis, metrics }),
    queue: new HashQueue(hashWidth()),
    lifetime: new Lifetime(log),
  };
};

const createLoginProxy = ({
  config: { upstream: settings },
  secrets: { upstreamServiceSecret: serviceSecret },
  ...deps
}: Required<Pick<ServiceDeps, 'config' | 'secrets' | 'metrics' | 'log'>>): LoginProxy | undefined =>
  settings === undefined ? undefined : new LoginProxy({ settings, serviceSecret, ...deps });

const assemble = (deps: ServiceDeps, resources: Resources): AppDeps => {
  const { database, redis, queue, lifetime, metrics, modes, sessionParts, loginProxy } = resources;
  const { sessions, liveness } = sessionParts;
  const { config, secrets, log, nowMs = Date.now } = deps;
  const { passwordPepper: pepper, previousPeppers } = secrets;
  const passwords = createPasswords({ pepper, previousPeppers, cost: config.bcryptCost, queue });
  const parts = { ...deps, ...resources, ...resources.mailing, passwords, sessions, nowMs };
  const logins = createLogins(parts);
  const accounts = createAccounts({ ...parts, ...logins });
  const isRedisReady = redis === undefined ? undefined : () => redis.isReady();
  const health = createHealth({
    databaseState: () => database.state(),
    isRedisReady,
    isDraining: () => lifetime.isDraining(),
    upstreamState: loginProxy && (() => loginProxy.state()),
  });
  const permissions = createPermissions(database, nowMs);
  return {
    ...config,
    log,
    metrics,
    ...sessionParts,
    ...accounts,
    ...logins,
    ...resources.operation,
    modes,
    queue,
    ...createAdministration({ ...parts, liveness }),
    reference: createReference(),
    health,
    loginProxy,
    diagnostics: new Diagnostics({ ...config, ...resources, ...sessionParts, ...permissions, isRedisReady }),
    lifetime,
    requirePermission: requirePermission(permissions),
    requireRecentSession: requireRecentSession(permissions),
    ...createEdges({ ...deps, ...resources, nowMs }),
  };
};
