/**
 * Every endpoint in every degraded mode, as docs/degraded-modes.md says: nobody is logged out, nothing opens, and no 500 where a 503 could stand.
 * Real parts that really go away.
 */
import { randomBytes } from 'node:crypto';
import { expect } from 'chai';
import { withOwner } from '../../../api/src/db/migrate.ts';
import { type Answer, Api, PASSWORD } from '../../support/api.ts';
import { classOf, type Mode } from '../../support/degraded-modes.ts';
import { eventually } from '../../support/eventually.ts';
import { type ExampleRequest, exampleRequests } from '../../support/example-requests.ts';
import { ownDatabase, startTestServer, type TestDatabase, type TestServer } from '../../support/postgres.ts';
import { TestRedis } from '../../support/redis.ts';
import { sign } from '../../support/signing.ts';

/** Slower than this is no answer "at once": a client would have given up on a 503 that takes as long as a timeout. */
const DEADLINE_MS = 5_000;
/** The key of the service that asks where only services may. */
const SERVICE = { serviceId: 'walker', key: randomBytes(32) };
const SERVICE_KEYS = `${SERVICE.serviceId}:${SERVICE.key.toString('base64')}`;

describe('degraded modes', function () {
  this.timeout(120_000);
  let postgres: TestServer;
  let database: TestDatabase;
  let redis: TestRedis;
  let api: Api;

  beforeEach(async () => {
    [postgres, redis] = await Promise.all([startTestServer(), TestRedis.start()]);
    database = await ownDatabase(postgres.server);
    // A mail server that is away all the time: the outbox must never be felt.
    const env = { SMTP_URL: 'smtp://127.0.0.1:1', EMAIL_VERIFICATION: 'optional', SERVICE_KEYS };
    api = await Api.start({ databaseUrl: database.url, redisUrl: redis.url, env });
    await eventually(
      'redis is in use',
      5_000,
      async () => (await api.get('/api/health/ready')).body['status'] === 'ok',
    );
  });
  afterEach(async () => {
    await api?.stop();
    await redis?.drop();
    await postgres?.stop();
  });

  /** Somebody who may do everything, so that no refusal hides what the mode does. */
  const newAdministrator = async () => {
    const email = await api.register();
    await database.query(
      `INSERT INTO auth.user_roles (user_id, role_id)
       SELECT u.id, r.id FROM auth.users_extended u JOIN auth.roles r ON r.org_id = u.org_id AND r.slug = 'super_admin' WHERE u.email = $1`,
      [email],
    );
    return { email, ...(await api.login(email)) };
  };

  /** Some of the examples end sessions, so each request comes from an account of its own. One after the other: hashing has a queue. */
  const manyAdministrators = async (): Promise<() => Promise<string>> => {
    const bearers: string[] = [];
    const wanted = exampleRequests().length;
    while (bearers.length < wanted) bearers.push((await newAdministrator()).accessToken);
    return async () => bearers.pop() ?? '';
  };

  const send = (target: Api, { spec, method, path, options }: ExampleRequest, bearer: string): Promise<Answer> => {
    if (spec.access !== 'service') return target.send(method, path, { ...options, bearer });
    const headers = sign({ ...SERVICE, method, path, body: JSON.stringify(options.body) });
    return target.send(method, path, { ...options, headers });
  };

  const withSession = (): readonly ExampleRequest[] =>
    exampleRequests().filter(({ spec: { access } }) => access !== 'public' && access !== 'service');

  /** Each endpoint's example, and whether what came is what the page says. */
  const faultsIn = async (mode: Mode, target: Api, bearerFor: () => Promise<string>): Promise<readonly string[]> => {
    const faults: string[] = [];
    for (const example of exampleRequests()) {
      const { name, behaviour } = classOf(example.spec);
      const bearer = await bearerFor();
      const fromMs = performance.now();
      const answer = await send(target, example, bearer).catch((error: unknown) => String(error));
      const tookMs = performance.now() - fromMs;
      const isGood = typeof answer !== 'string' && behaviour[mode].holds(answer) && tookMs < DEADLINE_MS;
      const came = typeof answer === 'string' ? answer : `${answer.status} ${String(answer.body['code'])}`;
      if (!isGood) faults.push(`${example.method} ${example.path} (${name}): ${came} after ${tookMs.toFixed(0)} ms`);
    }
    return faults;
  };

  const setReadOnly = async (isOn: boolean): Promise<void> => {
    await withOwner(postgres.server.url, async (client) => {
      await client.query('SET default_transaction_read_only = off');
      await client.query(`ALTER SYSTEM SET default_transaction_read_only = ${isOn ? 'on' : 'off'}`);
      await client.query('SELECT pg_reload_conf()');
    });
    await eventually('the server has heard it', 5_000, async () => {
      const [row] = await database.query('SHOW default_transaction_read_only');
      return row?.['default_transaction_read_only'] === (isOn ? 'on' : 'off');
    });
  };

  it('Redis down: every endpoint answers as ever, and an ended session stays ended', async () => {
    const ended = await newAdministrator();
    await api.send('POST', '/api/v1/auth/logout', { bearer: ended.accessToken });
    const next = await manyAdministrators();
    await redis.kill();
    await eventually('degraded', 5_000, async () => (await api.get('/api/health/ready')).body['status'] === 'degraded');
    expect(await faultsIn('Redis down', api, next)).to.deep.equal([]);
    const answers = await Promise.all(withSession().map((each) => send(api, each, ended.accessToken)));
    expect(answers.filter(({ status }) => status !== 401)).to.deep.equal([]);
  });

  it('SMTP down: registrations and links are taken, and wait in the outbox', async () => {
    expect(await faultsIn('SMTP down', api, await manyAdministrators())).to.deep.equal([]);
    const email = await api.register();
    expect((await api.post('/api/v1/auth/forgot-password', { email })).status).to.equal(202);
    await eventually('the mail waits', 5_000, async () => {
      const [row] = await database.query(
        'SELECT count(*)::int AS n FROM latchkey.mail_outbox WHERE recipient = $1 AND sent_at IS NULL',
        [email],
      );
      return Number(row?.['n']) > 0;
    });
  });

  it('PostgreSQL read-only: nothing is changed, nobody is logged out, no guess goes uncounted', async () => {
    const { email, accessToken, refreshToken } = await newAdministrator();
    await setReadOnly(true);
    expect(await faultsIn('PostgreSQL read-only', api, async () => accessToken)).to.deep.equal([]);

    const closed = async (path: string, body: unknown): Promise<string> => {
      const answer = await api.post(`/api/v1/auth/${path}`, body);
      const { requestId: _id, ...rest } = answer.body;
      expect([answer.status, answer.headers['set-cookie']], path).to.deep.equal([503, undefined]);
      return JSON.stringify(rest);
    };
    const logins = await Promise.all([
      closed('login', { email, password: PASSWORD }),
      closed('login', { email, password: 'Wrong-Horse-9-Staple' }),
      closed('login', { email: 'nobody@example.com', password: PASSWORD }),
    ]);
    expect(new Set(logins).size, 'right, wrong and unknown are the same bytes').to.equal(1);
    const links = [
      await closed('forgot-password', { email }),
      await closed('forgot-password', { email: 'no@example.com' }),
    ];
    expect(new Set(links).size).to.equal(1);
    await closed('refresh', { refreshToken });
    await closed('logout', { refreshToken });
    expect((await api.me(accessToken)).status, 'a logout that could not be kept was not promised').to.equal(200);

    await setReadOnly(false);
    await eventually('the token that met the closed door opens the next one', 5_000, async () => {
      const answer = await api.refresh(refreshToken);
      return answer.status === 200;
    });
  });

  it('PostgreSQL down: 503 at once with Retry-After, a revocation that Redis knows still holds, and nobody has been logged out', async () => {
    const live = await newAdministrator();
    const ended = await newAdministrator();
    for (const { accessToken } of [live, ended]) await api.validate(accessToken);
    await api.send('POST', '/api/v1/auth/logout', { bearer: ended.accessToken });
    const fresh = await Api.start({ databaseUrl: database.url, redisUrl: redis.url, env: { SERVICE_KEYS } });
    await postgres.server.stop();
    try {
      for (const target of [api, fresh]) {
        expect(await faultsIn('PostgreSQL down', target, async () => live.accessToken)).to.deep.equal([]);
        const answers = await Promise.all(withSession().map((each) => send(target, each, ended.accessToken)));
        expect(answers.filter(({ status }) => status !== 401 && status !== 503)).to.deep.equal([]);
        expect((await target.validate(ended.accessToken)).status).to.equal(401);
        const refused = await target.refresh(live.refreshToken);
        expect([refused.status, refused.headers['set-cookie']]).to.deep.equal([503, undefined]);
      }
    } finally {
      await fresh.stop();
    }
  });
});
