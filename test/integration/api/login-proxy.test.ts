/** The login proxy before a real second Latchkey: what works there works through it, and a session that ends there is dead here within a second. */
import { expect } from 'chai';
import { type Answer, Api, PASSWORD, type Tokens, tokensOf } from '../../support/api.ts';
import { Browser } from '../../support/browser.ts';
import { eventually, lastedMs } from '../../support/eventually.ts';
import { PROXY_ENV } from '../../support/login-proxy.ts';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.ts';

const BOUND_MS = 1_000;

describe('the login proxy before a Latchkey', function () {
  this.timeout(60_000);
  let there: TestDatabase;
  let here: TestDatabase;
  let upstream: Api;
  let proxy: Api;
  const proxies: Api[] = [];

  before(async () => {
    [there, here] = await Promise.all([createTestDatabase(), createTestDatabase()]);
    upstream = await Api.start({
      databaseUrl: there.url,
      env: { TRUST_PROXY: 'loopback', RATE_LIMIT_LOGIN_PER_MINUTE: '1000' },
    });
    proxy = await start();
  });
  after(async () => {
    await Promise.all(proxies.map((each) => each.stop()));
    await upstream?.stop();
    await Promise.all([there?.drop(), here?.drop()]);
  });

  const start = async (env: Readonly<Record<string, string>> = {}): Promise<Api> => {
    const url = `http://127.0.0.1:${upstream.port}/api/v1/auth`;
    const started = await Api.start({
      databaseUrl: here.url,
      env: { ...PROXY_ENV, TRUST_PROXY: 'loopback', AUTH_UPSTREAM_URL: url, ...env },
    });
    proxies.push(started);
    return started;
  };

  let users = 0;
  const register = async (): Promise<string> => {
    const email = `proxied-${(users += 1)}@example.com`;
    expect((await proxy.post('/api/auth/register', { email, password: PASSWORD })).status).to.equal(201);
    return email;
  };
  const newSession = async (): Promise<Tokens> =>
    tokensOf(await proxy.post('/api/auth/login', { email: await register(), password: PASSWORD }));
  const validate = (bearer: string, api = proxy): Promise<Answer> => api.get('/api/auth/validate', { bearer });
  /** How long after this moment the proxy still let the token in. */
  const timeUntilDead = (token: string): Promise<number> =>
    lastedMs('the token is dead', async () => (await validate(token)).status === 401);

  it('registers, logs in, refreshes, tells who it is and logs out, all of it there and nothing of it here', async () => {
    const tokens = await newSession();
    const me = await proxy.get('/api/auth/me', { bearer: tokens.accessToken });
    expect(me.status).to.equal(200);
    expect(me.headers['deprecation'], 'not the path of here that is on its way out').to.equal(undefined);
    expect(me.body['session']).to.deep.include({ id: tokens.sessionId });
    const next = tokensOf(await proxy.post('/api/auth/refresh', { refreshToken: tokens.refreshToken }));
    expect(next.sessionId).to.equal(tokens.sessionId);
    expect((await validate(next.accessToken)).body).to.include({ valid: true, sessionId: tokens.sessionId });
    expect((await upstream.validate(next.accessToken)).status).to.equal(200);
    const [counted] = await here.query('SELECT count(*)::int AS users FROM auth.users_extended');
    expect(counted).to.deep.equal({ users: 0 });
    expect((await proxy.post('/api/auth/logout', undefined, { bearer: next.accessToken })).status).to.equal(204);
    expect((await validate(next.accessToken)).status).to.equal(401);
  });

  it('leaves the versioned paths to the accounts of here', async () => {
    const { accessToken } = await newSession();
    expect((await proxy.me(accessToken)).status).to.equal(401);
    const own = await proxy.newSession();
    expect((await proxy.me(own.accessToken)).status).to.equal(200);
    expect((await validate(own.accessToken)).status).to.equal(401);
  });

  it('tells a user what the auth service tells: a wrong password, a taken address, a field that is wrong', async () => {
    const email = await register();
    const codeOf = async (path: string, body: unknown) => {
      const answer = await proxy.post(path, body);
      return [answer.status, answer.body['code'], answer.body['requestId'] === answer.headers['x-request-id']];
    };
    expect(await codeOf('/api/auth/login', { email, password: `${PASSWORD}?` })).to.deep.equal([
      401,
      'invalid-credentials',
      true,
    ]);
    expect(await codeOf('/api/auth/login', { email })).to.deep.equal([400, 'invalid-request', true]);
    expect(await codeOf('/api/auth/nothing-here', {})).to.deep.equal([404, 'not-found', true]);
  });

  it('counts a wrong password once, and for the address of the client', async () => {
    const email = await register();
    const before = await upstream.metric('auth_login_failures_total');
    for (const address of ['192.0.2.7', '192.0.2.7', '192.0.2.8']) {
      const headers = { 'x-forwarded-for': address };
      const guess = await proxy.post('/api/auth/login', { email, password: `${PASSWORD}?` }, { headers });
      expect(guess.status).to.equal(401);
    }
    expect((await upstream.metric('auth_login_failures_total')) - before).to.equal(3);
    const rows = await there.query(
      'SELECT host(h.ip_address) AS ip FROM auth.login_history h JOIN auth.users_extended u ON u.id = h.user_id WHERE u.email = $1 ORDER BY h.created_at',
      [email],
    );
    expect(rows.map(({ ip }) => ip)).to.deep.equal(['192.0.2.7', '192.0.2.7', '192.0.2.8']);
  });

  it('gives twenty who refresh with one token at once one successor', async () => {
    const { refreshToken } = await newSession();
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => proxy.post('/api/auth/refresh', { refreshToken })),
    );
    expect(new Set(answers.map((answer) => tokensOf(answer).refreshToken)).size).to.equal(1);
  });

  describe('a session that ends', () => {
    const remembered = async (token: string): Promise<void> => {
      for (let i = 0; i < 3; i += 1) expect((await validate(token)).status).to.equal(200);
    };

    it('by a logout through this proxy is dead here at once, by either token', async () => {
      const withAccess = await newSession();
      await remembered(withAccess.accessToken);
      await proxy.post('/api/auth/logout', undefined, { bearer: withAccess.accessToken });
      expect((await validate(withAccess.accessToken)).status).to.equal(401);
      const withRefresh = await newSession();
      await remembered(withRefresh.accessToken);
      await proxy.post('/api/auth/logout', { refreshToken: withRefresh.refreshToken });
      expect((await validate(withRefresh.accessToken)).status).to.equal(401);
    });

    it('at the auth service, or through another proxy, is dead here within a second', async () => {
      const other = await start();
      for (const logout of [
        (tokens: Tokens) => upstream.post('/api/v1/auth/logout', { refreshToken: tokens.refreshToken }),
        (tokens: Tokens) => other.post('/api/auth/logout', { refreshToken: tokens.refreshToken }),
        (tokens: Tokens) =>
          there.query("UPDATE auth.user_sessions SET status = 'revoked', revoked_at = now() WHERE id = $1", [
            tokens.sessionId,
          ]),
      ]) {
        const tokens = await newSession();
        await remembered(tokens.accessToken);
        await logout(tokens);
        expect(await timeUntilDead(tokens.accessToken)).to.be.below(BOUND_MS);
      }
    });

    it('is asked about once by a hundred who ask at one time', async () => {
      const { accessToken } = await newSession();
      const before = await proxy.metric('auth_upstream_attempts_total');
      const answers = await Promise.all(Array.from({ length: 100 }, () => validate(accessToken)));
      expect(new Set(answers.map(({ status, text }) => `${status} ${text}`)).size).to.equal(1);
      const asked = (await proxy.metric('auth_upstream_attempts_total')) - before;
      expect(asked, 'a second time where a busy machine took longer than 0.8 s').to.be.within(1, 3);
    });
  });

  it('serves a browser by cookies that are its own, with the CSRF rules of the auth service', async () => {
    const browser = new Browser(proxy);
    const email = await register();
    const login = await browser.send('POST', '/api/auth/login', {
      body: { email, password: PASSWORD, client: 'browser' },
    });
    expect(login.status).to.equal(200);
    expect(browser.cookies.get('__Secure-latchkey-refresh')?.path).to.equal('/api/auth');
    expect((await browser.send('GET', '/api/auth/me')).status).to.equal(200);
    expect((await browser.send('POST', '/api/auth/refresh', { isForgetful: true })).status).to.equal(403);
    expect((await browser.send('POST', '/api/auth/refresh')).status).to.equal(200);
    expect((await browser.send('POST', '/api/auth/logout', { from: 'https://evil.example' })).status).to.equal(403);
    expect((await browser.send('POST', '/api/auth/logout')).status).to.equal(204);
    expect(browser.cookie('__Host-latchkey')).to.equal(undefined);
  });

  it('keeps the limits and modes of here: too many logins, and a service that is closed', async () => {
    const limited = await start({ RATE_LIMIT_LOGIN_PER_MINUTE: '2', MAINTENANCE_MODE: 'false' });
    const login = () => limited.post('/api/auth/login', { email: 'nobody@example.com', password: PASSWORD });
    const statuses = [await login(), await login(), await login()].map(({ status }) => status);
    expect(statuses).to.deep.equal([401, 401, 429]);
    const closed = await start({ MAINTENANCE_MODE: 'true' });
    const { accessToken } = await newSession();
    const refused = await closed.post('/api/auth/login', { email: 'nobody@example.com', password: PASSWORD });
    expect([refused.status, refused.body['code']]).to.deep.equal([503, 'maintenance']);
    expect((await validate(accessToken, closed)).status, 'what stays open here').to.equal(200);
  });

  it('shows with 0 from its start how often it was refused as a service: the alert asks how much that grows', async () => {
    const { text } = await (await start()).get('/api/metrics');
    expect(text.split('\n')).to.include('auth_upstream_requests_total{category="service-refused"} 0');
  });

  it('counts requests by a bounded number of routes', async () => {
    await proxy.get('/api/auth/sessions/one');
    await proxy.get('/api/auth/anything-else');
    const { text } = await proxy.get('/api/metrics');
    const routes = new Set(
      [...text.matchAll(/^http_requests_total\{.*route="(\/api\/auth[^"]*)"/gm)].map(([, route]) => route),
    );
    expect([...routes]).to.include.members(['/api/auth/*', '/api/auth/login', '/api/auth/validate']);
    expect([...routes]).not.to.include('/api/auth/anything-else');
  });

  it('says that the auth service is away, serves what is its own meanwhile, and goes on when it is back', async () => {
    const own = await Api.start({ databaseUrl: there.url });
    const { port } = own;
    const ahead = await start({ AUTH_UPSTREAM_URL: `http://127.0.0.1:${port}/api/v1/auth` });
    const ready = async () => (await ahead.get('/api/health/ready')).body;
    await eventually('it is known to be there', 10_000, async () =>
      JSON.stringify(await ready()).includes('"upstream":"up"'),
    );
    expect(await ahead.metric('auth_upstream_up')).to.equal(1);
    await own.stop();
    const login = () => ahead.post('/api/auth/login', { email: 'nobody@example.com', password: PASSWORD });
    const away = await login();
    expect([away.status, away.body['code'], away.headers['retry-after']]).to.deep.equal([
      503,
      'upstream-unreachable',
      '2',
    ]);
    expect((await ahead.newSession()).accessToken, 'what is its own').to.be.a('string');
    await eventually(
      'the question in the background has seen it',
      5_000,
      async () => (await ahead.metric('auth_upstream_up')) === 0,
    );
    expect(await ready()).to.deep.equal({
      status: 'degraded',
      checks: { database: 'up', redis: 'unused', upstream: 'down' },
    });
    expect((await ahead.get('/api/health/ready')).status).to.equal(200);
    expect((await ahead.get('/api/health/upstream')).body).to.deep.equal({ status: 'degraded' });
    const back = await Api.start({ databaseUrl: there.url, env: { PORT: String(port) } });
    try {
      await eventually('it works again', 10_000, async () => (await login()).status === 401);
      await eventually('and that is seen', 10_000, async () => (await ahead.metric('auth_upstream_up')) === 1);
    } finally {
      await back.stop();
    }
  });
});
