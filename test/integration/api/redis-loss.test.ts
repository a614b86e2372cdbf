/** Redis is cache, counters and fan-out: its loss slows the API down and changes nothing else. Two APIs are two pods. */
import { expect } from 'chai';
import { type Answer, Api, type Tokens, tokensOf } from '../../support/api.ts';
import { eventually, lastedMs } from '../../support/eventually.ts';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.ts';
import { TestRedis } from '../../support/redis.ts';

describe('without redis', () => {
  let database: TestDatabase;
  let redis: TestRedis;
  let pods: readonly [Api, Api];

  const readiness = async (api: Api) => (await api.get('/api/health/ready')).body['status'];
  const untilReady = (status: string) =>
    eventually(`both pods are ${status}`, 10_000, async () => {
      const found = await Promise.all(pods.map(readiness));
      return found.every((each) => each === status);
    });

  beforeEach(async () => {
    [database, redis] = await Promise.all([createTestDatabase(), TestRedis.start()]);
    const start = () => Api.start({ databaseUrl: database.url, redisUrl: redis.url });
    pods = [await start(), await start()];
    await untilReady('ok');
  });
  afterEach(async () => {
    await Promise.all(pods.map((api) => api.stop()));
    await redis.drop();
    await database.drop();
  });

  it('ready says degraded and goes on with 200, and ok again when redis is back', async () => {
    await redis.kill();
    await untilReady('degraded');
    const answer = await pods[0].get('/api/health/ready');
    expect([answer.status, answer.body['checks']]).to.deep.equal([200, { database: 'up', redis: 'down' }]);
    await redis.start();
    await untilReady('ok');
  });

  it('a redis that hangs is shown as away within seconds, and as there when it answers again', async () => {
    const [api] = pods;
    const isUp = async (): Promise<boolean> => {
      await api.validate('none'); // only who is asked can be found silent
      return (await api.metric('auth_redis_up')) === 1;
    };
    redis.hang();
    await eventually('it is away', 5_000, async () => !(await isUp()));
    redis.wake();
    await eventually('it is there', 5_000, isUp);
  });

  it('nobody is logged out and nothing is 5xx when redis dies in the middle of traffic and comes back empty', async () => {
    const [first, second] = pods;
    const sessions = await Promise.all(Array.from({ length: 10 }, () => first.newSession()));
    const statuses: number[] = [];
    const over = new AbortController();
    const live = async (tokens: Tokens, index: number): Promise<void> => {
      let { accessToken, refreshToken } = tokens;
      const api = index % 2 === 0 ? first : second;
      while (!over.signal.aborted) {
        const answers: Answer[] = [
          await api.validate(accessToken),
          await api.me(accessToken),
          await api.refresh(refreshToken),
        ];
        statuses.push(...answers.map((answer) => answer.status));
        ({ accessToken, refreshToken } = tokensOf(answers[2] as Answer));
      }
    };
    const users = sessions.map(live);
    const seen = (count: number) => eventually(`${count} answers`, 15_000, () => statuses.length >= count);
    await seen(60);
    await redis.kill();
    await untilReady('degraded');
    await seen(statuses.length + 60);
    await redis.start();
    await untilReady('ok');
    await seen(statuses.length + 60);
    over.abort();
    await Promise.all(users);
    expect(statuses.filter((status) => status !== 200)).to.deep.equal([]);
  });

  it('a logout on one pod is seen at once by the other, which had the session in its memory', async () => {
    const [first, second] = pods;
    const { accessToken } = await first.newSession();
    expect((await second.validate(accessToken)).status).to.equal(200);
    expect((await second.validate(accessToken)).status).to.equal(200);
    await first.send('POST', '/api/v1/auth/logout', { bearer: accessToken });
    await eventually(
      'the other pod has heard it',
      1_000,
      async () => (await second.validate(accessToken)).status === 401,
    );
  });

  it('a logout while redis is away is seen by both pods, and still when redis is back', async () => {
    const [first, second] = pods;
    const { accessToken } = await first.newSession();
    expect((await second.validate(accessToken)).status).to.equal(200);
    await redis.kill();
    await untilReady('degraded');
    expect((await second.validate(accessToken)).status).to.equal(200);
    await first.send('POST', '/api/v1/auth/logout', { bearer: accessToken });
    expect((await first.validate(accessToken)).status).to.equal(401);
    const isOver = async () => (await second.validate(accessToken)).status === 401;
    expect(await lastedMs('the other pod has heard it', isOver)).to.be.lessThan(1_000);
    await redis.start();
    await untilReady('ok');
    expect((await first.validate(accessToken)).status).to.equal(401);
    expect((await second.validate(accessToken)).status).to.equal(401);
  });

  it('a logout that redis slept through is told to it when it is back, though it still remembers the session as live', async () => {
    const [first, second] = pods;
    const { accessToken } = await first.newSession();
    expect((await second.validate(accessToken)).status).to.equal(200);
    await redis.save();
    await redis.kill();
    await untilReady('degraded');
    await first.send('POST', '/api/v1/auth/logout', { bearer: accessToken });
    await redis.start();
    await untilReady('ok');
    await eventually('the other pod refuses', 3_000, async () => (await second.validate(accessToken)).status === 401);
  });

  it('a revocation survives an emptied redis and new pods: the database is the truth', async () => {
    const { accessToken } = await pods[0].newSession();
    await pods[0].send('POST', '/api/v1/auth/logout', { bearer: accessToken });
    await redis.command((client) => client.flushall());
    const fresh = await Api.start({ databaseUrl: database.url, redisUrl: redis.url });
    expect((await fresh.validate(accessToken)).body).to.include({ code: 'session-ended' });
    await fresh.stop();
  });
});
