/** A session that ends is dead everywhere within a second, whoever of revoker, reader, Redis and database was cut off. Several APIs are pods. */
import { expect } from 'chai';
import { Api, type ApiOptions, PASSWORD, type Tokens } from '../../support/api.ts';
import { Pod } from '../../support/api-process.ts';
import { eventually, lastedMs } from '../../support/eventually.ts';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.ts';
import { TestRedis } from '../../support/redis.ts';

const BOUND_MS = 1_000;
const NOBODY = 'redis://127.0.0.1:1';

describe('revocation', () => {
  let database: TestDatabase;
  let redis: TestRedis;
  let apis: Api[];

  beforeEach(async () => {
    [database, redis] = await Promise.all([createTestDatabase(), TestRedis.start()]);
    apis = [];
  });
  afterEach(async () => {
    await Promise.all(apis.map((api) => api.stop()));
    await redis.drop();
    await database.drop();
  });

  const start = async (options: Partial<ApiOptions> = {}): Promise<Api> => {
    const api = await Api.start({ databaseUrl: database.url, redisUrl: redis.url, ...options });
    apis.push(api);
    return api;
  };
  const logout = (api: Api, { refreshToken }: Tokens) => api.post('/api/v1/auth/logout', { refreshToken });
  const hears = (api: Api) =>
    eventually('it hears', 5_000, async () => (await api.metric('auth_revocation_staleness_seconds')) < 0.8);
  /** How long after the answer of `end` this API still let the token in. */
  const timeUntilDead = (api: Api, token: string): Promise<number> =>
    lastedMs('the token is dead', async () => (await api.validate(token)).status === 401);
  const remembered = async (api: Api, { accessToken }: Tokens) => {
    for (let i = 0; i < 2; i += 1) expect((await api.validate(accessToken)).status).to.equal(200);
  };

  it('by a pod whose own redis is cut reaches the others, whose redis still says live', async () => {
    const [cut, reader] = [await start({ redisUrl: NOBODY }), await start()];
    await hears(reader);
    for (let round = 0; round < 10; round += 1) {
      const tokens = await reader.newSession();
      await remembered(reader, tokens);
      await logout(cut, tokens);
      expect(await timeUntilDead(reader, tokens.accessToken)).to.be.lessThan(BOUND_MS);
      const found = await redis.command((client) => client.get(`latchkey:session:${tokens.sessionId}`));
      expect(found, 'redis was told nothing').to.match(/^live /);
    }
  });

  it('that redis slept through is not undone by a pod that starts then', async () => {
    const [cut, reader] = [await start({ redisUrl: NOBODY }), await start()];
    const tokens = await reader.newSession();
    await remembered(reader, tokens);
    await logout(cut, tokens);
    const fresh = await start();
    expect((await fresh.validate(tokens.accessToken)).status).to.equal(401);
  });

  it('reaches a pod whose connection for hearing is cut again and again', async () => {
    const [revoker, reader] = [await start(), await start()];
    const cutAll = () =>
      database.query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'latchkey-revocations'",
      );
    for (let round = 0; round < 6; round += 1) {
      const tokens = await revoker.newSession();
      await remembered(reader, tokens);
      await cutAll();
      await logout(revoker, tokens);
      expect(await timeUntilDead(reader, tokens.accessToken)).to.be.lessThan(BOUND_MS);
    }
    await hears(reader);
  });

  it('by any hand in the database is heard: an ended row, a disabled account, a deleted one', async () => {
    const reader = await start();
    await hears(reader);
    for (const statement of [
      "UPDATE auth.user_sessions SET status = 'revoked', revoked_at = now() WHERE id = $1",
      'UPDATE auth.users_extended SET is_active = false WHERE id = (SELECT user_id FROM auth.user_sessions WHERE id = $1)',
      'UPDATE auth.users_extended SET deleted_at = now() WHERE id = (SELECT user_id FROM auth.user_sessions WHERE id = $1)',
    ]) {
      const tokens = await reader.newSession();
      await remembered(reader, tokens);
      await database.query(statement, [tokens.sessionId]);
      expect(await timeUntilDead(reader, tokens.accessToken), statement).to.be.lessThan(BOUND_MS);
      expect((await reader.refresh(tokens.refreshToken)).status).to.equal(401);
    }
  });

  it('costs a live session one read of the database, however often it is asked, also without redis', async () => {
    const reader = await start({ redisUrl: '' });
    await hears(reader);
    const tokens = await reader.newSession();
    await reader.validate(tokens.accessToken);
    const before = await reader.metric('auth_db_query_duration_seconds_count');
    for (let i = 0; i < 100; i += 1) await reader.validate(tokens.accessToken);
    const spent = (await reader.metric('auth_db_query_duration_seconds_count')) - before;
    expect(spent, 'gauges and budgets in the background').to.be.lessThan(20);
  });

  it('Keycloak #31296: a revoked token stays refused after every pod was killed and redis was emptied', async function () {
    this.timeout(240_000);
    const env = {
      DATABASE_URL: database.url,
      REDIS_URL: redis.url,
      APP_ENV: 'development',
      BCRYPT_COST: '4',
      LOG_LEVEL: 'silent',
      EMAIL_VERIFICATION: 'optional',
    };
    const pods = await Promise.all([Pod.start(env), Pod.start(env)]);
    try {
      const [first, second] = pods;
      const body = { email: 'revoked@example.com', password: PASSWORD };
      await first.ask({ method: 'POST', path: '/api/v1/auth/register', body });
      const login = await first.ask({ method: 'POST', path: '/api/v1/auth/login', body });
      const bearer = String(login.body['accessToken']);
      const validate = async (pod: Pod) => (await pod.ask({ path: '/api/v1/auth/validate', bearer })).status;
      expect([await validate(first), await validate(second)]).to.deep.equal([200, 200]);
      await first.ask({ method: 'POST', path: '/api/v1/auth/logout', bearer });
      await Promise.all(pods.map((pod) => pod.kill()));
      await redis.command((client) => client.flushall());
      await Promise.all(pods.map((pod) => pod.start()));
      expect([await validate(first), await validate(second)]).to.deep.equal([401, 401]);
    } finally {
      await Promise.all(pods.map((pod) => pod.kill()));
    }
  });
});
