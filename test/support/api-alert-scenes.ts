/**
 * What each alert of the API's chart is about, done to a real API of its own: PostgreSQL ended or slow, passwords guessed, Redis ended or hanging.
 * Used by test/integration/charts/api-alerts.test.ts, which has a real Prometheus watch all of them at once.
 */
import { ends, living, type Staged, withDatabase } from './alert-staging.ts';
import { Api } from './api.ts';
import { Pod } from './api-process.ts';
import { eventually } from './eventually.ts';
import { PROXY_ENV } from './login-proxy.ts';
import { BASE } from './login-proxy-scene.ts';
import { MailServer } from './mail-server.ts';
import { answers, MisbehavingUpstream } from './misbehaving-upstream.ts';
import { createTestDatabase, ownDatabase, startTestServer } from './postgres.ts';
import { TestRedis } from './redis.ts';
import { type Ending, endingAll, repeating } from './repeating.ts';
import { podEnv, sessionsLost, sessionsRunOut } from './session-alert-scenes.ts';
import { SlowLine } from './slow-line.ts';

export interface AlertScene {
  /** Also the namespace of its series. */
  readonly name: string;
  readonly cause: string;
  /** All alerts that this cause makes fire. */
  readonly fires: readonly string[];
  readonly stage: () => Promise<Staged>;
}

/** Everything that an installation can have, in use, with as much trouble as every day has. */
const healthy = async (): Promise<Staged> => {
  const [redis, mails, upstream] = await Promise.all([
    TestRedis.start(),
    MailServer.start(),
    MisbehavingUpstream.start(answers()),
  ]);
  const env = { SMTP_URL: mails.url, ...PROXY_ENV, AUTH_UPSTREAM_URL: `http://127.0.0.1:${upstream.port}${BASE}` };
  const parts = await withDatabase(env, redis.url);
  const { api } = parts;
  const email = await api.register();
  const users = await living(api);
  let turns = 0;
  const everyDay = repeating(250, async () => {
    turns += 1;
    // One login in thirty has the wrong password; the alert's limit is one in ten.
    if (turns % 30 === 0) await api.post('/api/v1/auth/login', { email, password: 'Wrong-Horse-9-Staple' });
    await api.register();
    await api.get('/api/auth/validate', { bearer: `token-${turns}` });
  });
  return {
    port: api.port,
    // An address that somebody misspelt, after two dozen that were right.
    inject: async () => {
      mails.failRecipient = (address) => (address === 'typo@example.com' ? { responseCode: 550 } : undefined);
      await api.register('typo@example.com');
    },
    stop: endingAll(
      users,
      everyDay,
      ...ends(parts),
      () => redis.drop(),
      () => mails.stop(),
      () => upstream.close(),
    ),
  };
};

const gone = async (): Promise<Staged> => {
  const database = await createTestDatabase();
  const pod = await Pod.start(podEnv(database));
  return {
    port: pod.port,
    inject: () => pod.kill(),
    stop: endingAll(
      () => pod.kill(),
      () => database.drop(),
    ),
  };
};

const withoutDatabase = async (): Promise<Staged> => {
  const postgres = await startTestServer();
  const api = await Api.start({ databaseUrl: (await ownDatabase(postgres.server)).url });
  const users = await living(api);
  return {
    port: api.port,
    inject: () => postgres.server.stop(),
    stop: endingAll(
      users,
      () => api.stop(),
      () => postgres.stop(),
    ),
  };
};

const slowDatabase = async (): Promise<Staged> => {
  const database = await createTestDatabase();
  const { port } = new URL(database.url);
  const line = await SlowLine.start(Number(port));
  const api = await Api.start({ databaseUrl: database.url.replace(`:${port}/`, `:${line.port}/`) });
  const users = await living(api);
  return {
    port: api.port,
    inject: async () => {
      line.delayMs = 75;
    },
    stop: endingAll(
      users,
      () => api.stop(),
      () => line.stop(),
      () => database.drop(),
    ),
  };
};

/** Nothing but this request, `times` of them each `everyMs`, from the cause on. */
const under =
  (everyMs: number, times: number, ask: (api: Api) => Promise<unknown>) =>
  (env: Readonly<Record<string, string>> = {}) =>
  async (): Promise<Staged> => {
    const parts = await withDatabase(env);
    const loads: Ending[] = [];
    return {
      port: parts.api.port,
      inject: async () => {
        loads.push(repeating(everyMs, () => Promise.all(Array.from({ length: times }, () => ask(parts.api)))));
      },
      stop: () => endingAll(...loads, ...ends(parts))(),
    };
  };

let guesses = 0;
const guessed = under(200, 1, (api) => {
  const email = `somebody-${(guesses += 1)}@example.com`;
  return api.post('/api/v1/auth/login', { email, password: 'Wrong-Horse-9-Staple' });
});
const flooded = under(100, 3, (api) => api.get('/api/v1/auth/validate', { bearer: 'none' }));

/** First nothing can be signed, then nothing sealed: as on a server that takes no more rows. */
const unsealed = async (): Promise<Staged> => {
  const parts = await withDatabase({ AUDIT_CHECKPOINT_SECONDS: '1' });
  const { api, database } = parts;
  return {
    port: api.port,
    inject: async () => {
      await database.query('REVOKE INSERT ON latchkey.audit_checkpoint FROM latchkey_app');
      await api.register();
      await eventually('every row is sealed', 15_000, async () => {
        const rows = await database.query('SELECT 1 FROM latchkey.audit_pending LIMIT 1');
        return rows.length === 0;
      });
      await database.query('REVOKE INSERT ON latchkey.audit_seal FROM latchkey_app');
      await api.register();
    },
    stop: endingAll(...ends(parts)),
  };
};

const undelivered = async (): Promise<Staged> => {
  const mails = await MailServer.start();
  const parts = await withDatabase({ SMTP_URL: mails.url });
  const email = await parts.api.register();
  await mails.mailTo(email);
  return {
    port: parts.api.port,
    inject: async () => {
      mails.failRecipient = () => ({ responseCode: 550 });
      await parts.api.post('/api/v1/auth/forgot-password', { email });
    },
    stop: endingAll(...ends(parts), () => mails.stop()),
  };
};

const withRedis = (trouble: (redis: TestRedis) => Promise<void>) => async (): Promise<Staged> => {
  const redis = await TestRedis.start();
  const parts = await withDatabase({}, redis.url);
  const clients = repeating(250, () => parts.api.get('/api/v1/auth/validate', { bearer: 'none' }));
  return {
    port: parts.api.port,
    inject: () => trouble(redis),
    stop: endingAll(clients, ...ends(parts), () => redis.drop()),
  };
};

const withUpstream = (trouble: (upstream: MisbehavingUpstream) => Promise<void>) => async (): Promise<Staged> => {
  const upstream = await MisbehavingUpstream.start(answers());
  const url = `http://127.0.0.1:${upstream.port}${BASE}`;
  const parts = await withDatabase({ ...PROXY_ENV, AUTH_UPSTREAM_URL: url });
  const ask = () => parts.api.get('/api/auth/me', { bearer: 'a-token' });
  await Promise.allSettled([ask()]);
  return {
    port: parts.api.port,
    inject: async () => {
      await trouble(upstream);
      await Promise.allSettled([ask()]);
    },
    stop: endingAll(...ends(parts), () => upstream.close()),
  };
};

const refused = answers('{"code":"service-credentials-invalid"}', '401 Unauthorized');
const fine = answers();

export const API_SCENES: readonly AlertScene[] = [
  { name: 'healthy', cause: 'nothing is wrong', fires: [], stage: healthy },
  { name: 'gone', cause: 'its only process is killed', fires: ['AuthServiceDown'], stage: gone },
  {
    name: 'without-database',
    cause: 'PostgreSQL is stopped',
    fires: ['AuthDatabaseConnectionFailure', 'AuthHighErrorRate', 'AuthLoginFailureSpike'],
    stage: withoutDatabase,
  },
  {
    name: 'slow-database',
    cause: 'every answer of PostgreSQL comes 150 ms later',
    fires: ['AuthDatabaseSlowQueries', 'AuthSlowAuthentication'],
    stage: slowDatabase,
  },
  { name: 'guessed', cause: 'passwords are guessed', fires: ['AuthLoginFailureSpike'], stage: guessed() },
  {
    name: 'flooded',
    cause: 'a client comes thirty times a second',
    fires: ['AuthApproachingRateLimit'],
    stage: flooded({ RATE_LIMIT_PER_MINUTE: '60' }),
  },
  {
    name: 'run-out',
    cause: 'more than a hundred sessions a second are shown past their time',
    fires: ['AuthHighSessionExpirations'],
    stage: sessionsRunOut,
  },
  { name: 'lost', cause: 'the row of a session is gone', fires: ['AuthSessionsLost'], stage: sessionsLost },
  { name: 'unsealed', cause: 'seals cannot be written', fires: ['AuthAuditUnsealed'], stage: unsealed },
  { name: 'undelivered', cause: 'the mail server refuses a recipient', fires: ['AuthMailGivenUp'], stage: undelivered },
  {
    name: 'without-redis',
    cause: 'Redis is killed',
    fires: ['AuthRedisAway'],
    stage: withRedis((redis) => redis.kill()),
  },
  {
    name: 'hanging-redis',
    cause: 'Redis hangs',
    fires: ['AuthRedisAway'],
    stage: withRedis(async (redis) => redis.hang()),
  },
  {
    name: 'upstream-away',
    cause: 'the auth service behind the login proxy ends',
    fires: ['AuthUpstreamAway'],
    stage: withUpstream((upstream) => upstream.close()),
  },
  {
    name: 'upstream-refuses',
    cause: 'the auth service refuses one request for its service',
    fires: ['AuthUpstreamRefusesService'],
    stage: withUpstream(async (upstream) => {
      upstream.behave = (socket, request) => (request.startsWith('GET /api/health') ? fine : refused)(socket, request);
    }),
  },
];
