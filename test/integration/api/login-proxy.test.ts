/** The login proxy before a real second Latchkey: what works there works through it, and a session that ends there is dead here within a second. */
import { expect } from 'chai';
import { type Answer, Api, PASSWORD, type Tokens, tokensOf } from '../../support/api.ts';
import { PROXY_ENV } from '../../support/login-proxy.ts';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.ts';

describe('the login proxy before a Latchkey', () => {
  let databases: TestDatabase[];
  let upstream: Api;
  let proxy: Api;

  before(async () => {
    databases = await Promise.all([createTestDatabase(), createTestDatabase()]);
    const [there, here] = databases as [TestDatabase, TestDatabase];
    upstream = await Api.start({ databaseUrl: there.url, env: { TRUST_PROXY: 'loopback' } });
    proxy = await Api.start({
      databaseUrl: here.url,
      env: {
        ...PROXY_ENV,
        TRUST_PROXY: 'loopback',
        AUTH_UPSTREAM_URL: `http://127.0.0.1:${upstream.port}/api/v1/auth`,
      },
    });
  });
  after(async () => {
    await proxy?.stop();
    await upstream?.stop();
    await Promise.all(databases.map((database) => database.drop()));
  });

  let users = 0;
  const newEmail = (): string => `proxied-${(users += 1)}@example.com`;
  const login = async (email: string): Promise<Tokens> =>
    tokensOf(await proxy.post('/api/auth/login', { email, password: PASSWORD }));
  const newSession = async (): Promise<Tokens> => {
    const email = newEmail();
    expect((await proxy.post('/api/auth/register', { email, password: PASSWORD })).status).to.equal(201);
    return login(email);
  };
  const validate = (bearer: string): Promise<Answer> => proxy.get('/api/auth/validate', { bearer });

  it('registers, logs in, refreshes, tells who it is and logs out, all of it there and nothing of it here', async () => {
    const tokens = await newSession();
    const me = await proxy.get('/api/auth/me', { bearer: tokens.accessToken });
    expect(me.status).to.equal(200);
    expect(me.body['session']).to.deep.include({ id: tokens.sessionId });
    const next = tokensOf(await proxy.post('/api/auth/refresh', { refreshToken: tokens.refreshToken }));
    expect(next.sessionId).to.equal(tokens.sessionId);
    expect((await validate(next.accessToken)).status).to.equal(200);
    expect((await upstream.validate(next.accessToken)).status).to.equal(200);
    const [here] = await (databases[1] as TestDatabase).query('SELECT count(*)::int AS users FROM auth.users_extended');
    expect(here).to.deep.equal({ users: 0 });
    expect((await proxy.post('/api/auth/logout', undefined, { bearer: next.accessToken })).status).to.equal(204);
    expect((await validate(next.accessToken)).status).to.equal(401);
  });
});
