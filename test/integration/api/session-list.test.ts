/** The list of an account's sessions, what it allows, and the activity that keeps a session alive. */
import { randomUUID } from 'node:crypto';
import { expect } from 'chai';
import { Api, PASSWORD, type Tokens } from '../../support/api.ts';
import { Browser } from '../../support/browser.ts';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.ts';
import { Clock } from '../../support/totp.ts';

const SESSIONS = '/api/v1/auth/sessions';
const MINUTE_MS = 60_000;

describe('the list of sessions', function () {
  this.timeout(120_000);
  const clock = new Clock();
  let database: TestDatabase;
  let api: Api;
  let email: string;

  before(async () => {
    database = await createTestDatabase();
    api = await Api.start({ databaseUrl: database.url, nowMs: clock.read });
  });
  beforeEach(async () => {
    email = await api.register();
  });
  after(async () => {
    await api?.stop();
    await database?.drop();
  });

  const listed = async ({ accessToken }: Tokens) => {
    const { status, body } = await api.get(SESSIONS, { bearer: accessToken });
    expect(status).to.equal(200);
    return body['sessions'] as Readonly<Record<string, unknown>>[];
  };

  it('shows the account its own live sessions with where they come from, and which one asks', async () => {
    const first = await api.login(email);
    clock.advance(1_000);
    const second = await api.login(email);
    const ended = await api.login(email);
    await api.post('/api/v1/auth/logout', { refreshToken: ended.refreshToken });
    await api.newSession(); // somebody else's
    const shown = await listed(second);
    expect(shown.map(({ id, isCurrent }) => [id, isCurrent])).to.deep.equal([
      [second.sessionId, true],
      [first.sessionId, false],
    ]);
    expect(shown[0]).to.include({ client: 'bearer', address: '127.0.0.1', name: null, hasSecondFactor: false });
  });

  it('gives a session a name, which another account cannot do, see, or undo', async () => {
    const [own, other] = [await api.login(email), await api.newSession()];
    const path = `${SESSIONS}/${own.sessionId}`;
    const named = await api.send('PATCH', path, { bearer: own.accessToken, body: { name: 'Kitchen tablet' } });
    expect([named.status, named.body['name']]).to.deep.equal([200, 'Kitchen tablet']);
    for (const [method, body] of [
      ['PATCH', { name: 'x' }],
      ['DELETE', undefined],
    ] as const) {
      const answer = await api.send(method, path, { bearer: other.accessToken, ...(body && { body }) });
      expect([answer.status, answer.body['code']]).to.deep.equal([404, 'not-found']);
    }
    expect((await listed(own))[0]).to.include({ name: 'Kitchen tablet' });
    const unknown = await api.send('DELETE', `${SESSIONS}/${randomUUID()}`, { bearer: own.accessToken });
    expect(unknown.status).to.equal(404);
    for (const name of ['', ' ', 'x'.repeat(101), 'a\u0000b', 7])
      expect((await api.send('PATCH', path, { bearer: own.accessToken, body: { name } })).status).to.equal(400);
  });

  it('asks for a recent password before it ends anything: a stolen access token must not lock its owner out', async () => {
    const [own, other] = [await api.login(email), await api.login(email)];
    clock.advance(11 * MINUTE_MS);
    const end = (path: string) => api.send('DELETE', path, { bearer: own.accessToken });
    for (const path of [`${SESSIONS}/${other.sessionId}`, `${SESSIONS}?scope=others`, `${SESSIONS}?scope=all`])
      expect((await end(path)).body).to.include({ code: 'recent-login-needed' });
    await api.post('/api/v1/auth/reauthenticate', { password: PASSWORD }, { bearer: own.accessToken });
    expect((await end(`${SESSIONS}/${other.sessionId}`)).status).to.equal(204);
    expect((await api.refresh(other.refreshToken)).body).to.include({ code: 'session-ended' });
    expect((await end(SESSIONS)).status, 'no scope').to.equal(400);
    expect((await end(`${SESSIONS}?scope=everybody`)).status).to.equal(400);
  });

  it('takes the cookies away when a browser ends its own session, and hands the CSRF token to a page that asks', async () => {
    const browser = new Browser(api);
    await browser.login(email, PASSWORD);
    const asked = await browser.send('GET', '/api/v1/auth/csrf');
    expect(asked.body['csrfToken']).to.equal(browser.cookie('__Host-latchkey-csrf'));
    const answer = await browser.send('DELETE', `${SESSIONS}?scope=all`);
    expect([answer.status, answer.body['ended']]).to.deep.equal([200, 1]);
    expect(browser.cookie('__Host-latchkey')).to.equal(undefined);
  });

  it('slides with every use, written at most once a minute', async () => {
    const rowOf = async (sessionId: string) => {
      const [row] = await database.query(
        'SELECT to_json(last_activity_at) AS used, to_json(expires_at) AS ends, xmin::text AS version FROM auth.user_sessions WHERE id = $1',
        [sessionId],
      );
      return {
        used: Date.parse(String(row?.['used'])),
        ends: Date.parse(String(row?.['ends'])),
        version: row?.['version'],
      };
    };
    const use = async (tokens: Tokens) => {
      const pod = await Api.start({ databaseUrl: database.url, nowMs: clock.read });
      for (let i = 0; i < 20; i += 1) expect((await pod.validate(tokens.accessToken)).status).to.equal(200);
      await pod.stop(); // a pod that stops writes what it noted
    };
    const tokens = await api.login(email);
    const begun = await rowOf(tokens.sessionId);
    clock.advance(50_000);
    await use(tokens);
    expect((await rowOf(tokens.sessionId)).version, 'too soon to be written').to.equal(begun.version);
    clock.advance(5 * MINUTE_MS);
    await use(tokens);
    const slid = await rowOf(tokens.sessionId);
    expect([slid.used, slid.ends]).to.deep.equal([clock.nowMs, clock.nowMs + 24 * 60 * MINUTE_MS]);
  });
});
