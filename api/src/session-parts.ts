/** Everything that sessions and their tokens need, put together. Called by service.ts. */
import { Liveness } from './cache/liveness.ts';
import type { RedisConnections } from './cache/redis.ts';
import type { Config, Secrets } from './config.ts';
import { type AccessTokens, createAccessTokens } from './crypto/access-token.ts';
import { createRefreshTokens } from './crypto/refresh-token.ts';
import { createSealedBoxes } from './crypto/sealed-box.ts';
import type { Database } from './db/database.ts';
import { RevocationFeed } from './db/revocation-feed.ts';
import { isSessionLive } from './db/sessions.ts';
import { createIdentify, type Identify } from './http/authenticate.ts';
import { type Browsers, createBrowsers } from './http/browsers.ts';
import { createCsrf } from './http/csrf.ts';
import type { Log } from './log.ts';
import type { Metrics } from './metrics.ts';
import { StoredKeyRing } from './services/key-ring.ts';
import { SessionActivity } from './services/session-activity.ts';
import { SessionList } from './services/session-list.ts';
import { Sessions } from './services/sessions.ts';

export interface SessionPartsDeps {
  readonly config: Config;
  readonly secrets: Secrets;
  readonly log: Log;
  readonly nowMs: () => number;
  readonly database: Database;
  readonly redis: RedisConnections | undefined;
  readonly metrics: Metrics;
}

export interface SessionParts {
  readonly sessions: Sessions;
  readonly sessionList: SessionList;
  readonly browsers: Browsers;
  readonly keyRing: StoredKeyRing;
  /** Reads what must be known before the first request: a key that was retired. @throws AppError `database-unavailable` | `internal` */
  prepare(): Promise<void>;
  readonly identify: Identify;
  readonly accessTokens: AccessTokens;
  readonly liveness: Liveness;
  /** Starts what works in the background; returns the function that stops it, before the database is closed. */
  start(): () => Promise<void>;
}

export const createSessionParts = (deps: SessionPartsDeps): SessionParts => {
  const { config, secrets, log, nowMs, database, metrics } = deps;
  const feed = new RevocationFeed({ url: secrets.databaseUrl, log });
  metrics.auth.watchRevocations(() => feed.heardUntilMs());
  const liveness = createLiveness(deps, feed);
  const keyRing = createKeyRing(deps);
  const accessTokens = createAccessTokens({ ...config, keys: keyRing, nowMs });
  const refreshTokens = createRefreshTokens(secrets.refreshTokenKey);
  const sessions = new Sessions({ database, liveness, accessTokens, refreshTokens, metrics, nowMs });
  const activity = new SessionActivity({ database, log, nowMs });
  const csrf = createCsrf({ ...secrets, ...config });
  return {
    sessions,
    sessionList: new SessionList({ database, sessions, nowMs }),
    browsers: createBrowsers({ csrf, accessTokens, nowMs, cohortCookie: config.cohortCookie }),
    keyRing,
    prepare: () => keyRing.refresh(),
    accessTokens,
    liveness,
    identify: createIdentify({
      verifier: { tokens: accessTokens, lookForKey: (keyId) => keyRing.lookFor(keyId) },
      liveness,
      csrf,
      onSeen: (sessionId, tenantId) => activity.note(sessionId, tenantId),
    }),
    start: () => {
      feed.start((sessionId) => liveness.hear(sessionId));
      const stopKeys = keyRing.start();
      const stopActivity = activity.start();
      return async () => {
        feed.stop();
        stopKeys();
        await stopActivity();
      };
    },
  };
};

const createLiveness = ({ database, redis, nowMs }: SessionPartsDeps, hearing: RevocationFeed): Liveness => {
  const readTruth = (sessionId: string, tenantId: string): Promise<boolean> =>
    database.inTenant(tenantId, (tx) => isSessionLive(tx, sessionId, nowMs()));
  return new Liveness({ redis, hearing, readTruth });
};

const createKeyRing = ({ secrets, database, log, nowMs }: SessionPartsDeps): StoredKeyRing =>
  new StoredKeyRing({
    configured: secrets.signingKeys,
    boxes: createSealedBoxes(secrets.encryptionKey, secrets.previousEncryptionKeys),
    ask: (statement, values) => database.query(statement, values),
    log,
    nowMs,
  });
