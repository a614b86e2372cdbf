/** How often a client may come: on real Redis, over two pods, with Redis lost and back. */
import { expect } from 'chai';
import { type Answer, Api, PASSWORD } from '../../support/api.ts';
import { eventually } from '../../support/eventually.ts';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.ts';
import { TestRedis } from '../../support/redis.ts';

const LIMIT = 60;
const WRONG = { email: 'nobody@example.com', password: 'Wrong-Horse-9-Staple' };

describe('rate limits', () => {
  let database: TestDatabase;
  let redis: TestRedis;
  let nowMs: number;
  const apis: Api[] = [];

  const readiness = async (api: Api) => (await api.get('/api/health/ready')).body['status'];
  const until = (api: Api, status: string) => eventually(status, 10_000, async () => (await readiness(api)) === status);
  const start = async (env: Readonly<Record<string, string>>): Promise<Api> => {
    const api = await Api.start({ databaseUrl: database.url, redisUrl: redis.url, env, nowMs: () => nowMs });
    apis.push(api);
    await until(api, 'ok');
    return api;
  };
  const statuses = (answers: readonly Answer[]) => answers.map(({ status }) => status);
  const refused = (answers: readonly Answer[]) => answers.filter(({ status }) => status === 429).length;
  const times = <T>(count: number, work: () => Promise<T>) => Promise.all(Array.from({ length: count }, work));
  const login = (api: Api) => api.post('/api/v1/auth/login', WRONG);
  const waitOf = (answer: Answer) => Number(answer.headers['retry-after']);

  before(async () => {
    database = await createTestDatabase();
  });
  beforeEach(async () => {
    nowMs = Date.now();
    redis = await TestRedis.start();
  });
  afterEach(async () => {
    await Promise.all(apis.splice(0).map((api) => api.stop()));
    await redis.drop();
  });
  after(() => database?.drop());

  describe('for everything', () => {
    const general = { RATE_LIMIT_PER_MINUTE: String(LIMIT) };
    const probe = (api: Api) => api.get('/api/v1/auth/validate');

    it('Property 41: API Rate Limiting: a client gets as many answers a minute as the limit says, then 429 until the minute has passed', async () => {
      const api = await start(general);
      const answers = await times(LIMIT + 25, () => probe(api));
      expect(refused(answers)).to.equal(25);
      nowMs += 59_000;
      expect((await probe(api)).status).to.equal(429);
      nowMs += 8_000;
      expect((await probe(api)).status).to.equal(401);
      expect((await api.get('/api/health/ready')).status, 'probes are not limited').to.equal(200);
    });

    it('Property 43: Rate Limit Headers: every answer says the policy, what is left and when more comes', async () => {
      const api = await start(general);
      const first = await probe(api);
      expect(first.headers['ratelimit-policy']).to.match(/^"api"; q=60; w=60; pk=:[\w+/=]+:$/);
      expect(first.headers['ratelimit']).to.match(/^"api"; r=59; t=\d+$/);
      expect(first.headers).not.to.have.property('retry-after');
      await times(LIMIT, () => probe(api));
      const last = await probe(api);
      expect(last.headers['ratelimit']).to.match(/^"api"; r=0; t=\d+$/);
      expect(waitOf(last)).to.be.within(60, 66);
    });

    it('are one budget for all pods: a pod asks before it lets more than a tenth of the rest pass', async () => {
      const [first, second] = [await start(general), await start(general)];
      await times(LIMIT / 2, () => probe(first));
      await eventually('told', 3_000, () =>
        redis.command(async (client) => {
          const keys = await client.keys('latchkey:limit:api:*');
          return keys.length > 0 && Number(await client.get(keys[0] ?? '')) === LIMIT / 2;
        }),
      );
      expect(refused(await times(LIMIT, () => probe(second)))).to.equal(LIMIT / 2);
    });

    it('overshoot on two pods at once by less than a tenth', async () => {
      const [first, second] = [await start(general), await start(general)];
      const answers = await Promise.all([times(LIMIT, () => probe(first)), times(LIMIT, () => probe(second))]);
      expect(2 * LIMIT - refused(answers.flat())).to.be.within(LIMIT, LIMIT * 1.1);
    });

    it('hold while redis is away: what was spent stays spent, and still when it is back and empty', async () => {
      const api = await start(general);
      await times(LIMIT - 10, () => probe(api));
      await redis.kill();
      await until(api, 'degraded');
      const answers = await times(30, () => probe(api));
      expect(refused(answers)).to.equal(20);
      expect(answers.filter(({ status }) => status >= 500)).to.deep.equal([]);
      await redis.start();
      await until(api, 'ok');
      expect(refused(await times(5, () => probe(api)))).to.equal(5);
      nowMs += 67_000;
      expect(refused(await times(LIMIT + 5, () => probe(api)))).to.equal(5);
    });

    it('are counted by themselves where there is no redis at all', async () => {
      const api = await Api.start({ databaseUrl: database.url, env: general, nowMs: () => nowMs });
      apis.push(api);
      expect(refused(await times(LIMIT + 5, () => probe(api)))).to.equal(5);
    });
  });

  describe('of logins, registrations and resets', () => {
    const env = { RATE_LIMIT_LOGIN_PER_MINUTE: '5', RATE_LIMIT_REGISTRATION_PER_HOUR: '3' };

    it('Property 40: Login Rate Limiting: on two pods together exactly the limit gets through, whatever arrives at once', async () => {
      const [first, second] = [await start(env), await start(env)];
      const answers = await Promise.all([times(10, () => login(first)), times(10, () => login(second))]);
      expect(statuses(answers.flat()).toSorted((a, b) => a - b)).to.deep.equal([
        ...Array(5).fill(401),
        ...Array(15).fill(429),
      ]);
    });

    it('Property 42: Rate Limit HTTP Status: a refusal is a 429 problem with Retry-After that costs no password check', async () => {
      const api = await start(env);
      await times(5, () => login(api));
      const attempts = await api.metric('auth_login_attempts_total');
      const answer = await login(api);
      expect(answer.status).to.equal(429);
      expect(answer.headers['content-type']).to.match(/^application\/problem\+json/);
      expect(answer.body).to.include({ code: 'rate-limited', status: 429 });
      expect(waitOf(answer)).to.be.within(1, 66);
      expect(answer.headers['ratelimit']).to.match(/"api"; r=\d+; t=\d+, "login"; r=0; t=\d+/);
      expect(await api.metric('auth_login_attempts_total')).to.equal(attempts);
    });

    it('Property 44: Exponential Backoff: who goes on while blocked waits twice as long each time, up to eight minutes', async () => {
      const api = await start(env);
      const waits: number[] = [];
      for (let round = 0; round < 6; round += 1) {
        const answers = await times(8, () => login(api));
        waits.push(waitOf(answers.find(({ status }) => status === 429) as Answer));
        nowMs += 2_000;
        expect((await login(api)).status, 'does not wait').to.equal(429);
        nowMs += (waits.at(-1) as number) * 1_000;
      }
      expect(waits[0]).to.be.within(54, 66);
      const minutes = waits.slice(1).map((seconds) => seconds / 60);
      minutes.forEach((each, index) =>
        expect(each).to.be.within(2 ** Math.min(index, 3), 2 ** Math.min(index, 3) + 0.15),
      );
    });

    it('never hold longer who waits as it is told', async () => {
      const api = await start(env);
      for (let round = 0; round < 5; round += 1) {
        const answers = await times(8, () => login(api));
        const wait = waitOf(answers.find(({ status }) => status === 429) as Answer);
        expect(wait).to.be.at.most(66);
        nowMs += wait * 1_000;
        const next = await login(api);
        expect(next.status, 'there is room when Retry-After is over').to.equal(401);
      }
    });

    it('a block on one pod holds on the other', async () => {
      const [first, second] = [await start(env), await start(env)];
      await times(6, () => login(first));
      nowMs += 2_000;
      expect((await login(second)).status).to.equal(429);
    });

    it('hold while redis is away and when it is back and empty, never unlimited, never 5xx', async () => {
      const api = await start(env);
      await times(3, () => login(api));
      await redis.kill();
      await until(api, 'degraded');
      expect(statuses(await times(4, () => login(api))).toSorted((a, b) => a - b)).to.deep.equal([401, 401, 429, 429]);
      await redis.start();
      await until(api, 'ok');
      expect(refused(await times(3, () => login(api)))).to.equal(3);
    });

    it('a redis that hangs costs its deadline and no more', async () => {
      const api = await start(env);
      await login(api);
      await redis.command((client) => client.client('PAUSE', 3_000, 'ALL'));
      const startedMs = performance.now();
      const answers = [await login(api), await login(api), await login(api), await login(api), await login(api)];
      expect(statuses(answers)).to.deep.equal([401, 401, 401, 401, 429]);
      expect(performance.now() - startedMs).to.be.below(2_900);
    });

    it('are each their own', async () => {
      const api = await start(env);
      await times(6, () => login(api));
      expect(
        (await api.post('/api/v1/auth/register', { email: 'own@example.com', password: PASSWORD })).status,
      ).to.equal(201);
    });

    it('Property 45: Rate Limit Violation Logging: a violation is one audit row a client, policy and window, and every refusal is counted', async () => {
      const [first, second] = [await start(env), await start(env)];
      const rows = () =>
        database.query(
          `SELECT action, metadata FROM auth.audit_events WHERE event_type = 'rate_limited' AND created_at > to_timestamp($1)`,
          [startedMs / 1000],
        );
      const startedMs = Date.now();
      await times(12, () => login(first));
      await eventually('recorded', 5_000, async () => (await rows()).length > 0);
      await times(3, () => login(second));
      nowMs += 1_000;
      await times(3, () => login(first));
      expect(await first.metric('auth_rate_limit_exceeded_total')).to.equal(10);
      expect(await second.metric('auth_rate_limit_exceeded_total')).to.equal(3);
      expect(await rows()).to.have.length(1);
      const [row] = await rows();
      expect(row?.['action']).to.equal('limit.login');
      expect(row?.['metadata']).to.include({ client: '127.0.0.1', route: '/api/v1/auth/login', severity: 'warning' });
    });

    it('Property 45: Rate Limit Violation Logging: once a window also without redis, and again in the next one', async () => {
      const own = await createTestDatabase();
      const api = await Api.start({ databaseUrl: own.url, env, nowMs: () => nowMs });
      const count = async () => {
        const rows = await own.query(`SELECT id FROM auth.audit_events WHERE event_type = 'rate_limited'`);
        return rows.length;
      };
      await times(9, () => login(api));
      await eventually('recorded', 5_000, async () => (await count()) === 1);
      await times(9, () => login(api));
      nowMs += 180_000;
      await times(9, () => login(api));
      await eventually('recorded again', 5_000, async () => (await count()) === 2);
      await api.stop();
      await own.drop();
    });
  });
});
