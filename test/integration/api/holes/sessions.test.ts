/**
 * Holes that other systems had around sessions and tokens (facts §2.10), each under its id. The rest of this area: #31296 in
 * revocation.test.ts, the forged access tokens in tokens.test.ts, CVE-2026-25748 in browsers.test.ts.
 */
import { expect } from 'chai';
import { createAccessTokens } from '../../../../api/src/crypto/access-token.ts';
import { createRefreshTokens } from '../../../../api/src/crypto/refresh-token.ts';
import { createSigningKeys, readPrivateKey, ringOf } from '../../../../api/src/crypto/signing-keys.ts';
import { Api, PASSWORD, TEST_KEYS, type Tokens, tokensOf } from '../../../support/api.ts';
import { Browser } from '../../../support/browser.ts';
import { lastedMs } from '../../../support/eventually.ts';
import { createTestDatabase, type TestDatabase } from '../../../support/postgres.ts';
import { TestRedis } from '../../../support/redis.ts';
import { Clock, codeNow, enrol, finish, mfaTokenFor } from '../../../support/totp.ts';

const IS_LONG = process.env['TEST_LONG'] === '1';
const KEY = readPrivateKey(TEST_KEYS.JWT_PRIVATE_KEY);
const KEYS = createSigningKeys(KEY);
describe('holes of others around sessions and tokens', function () {
  this.timeout(IS_LONG ? 20 * 60_000 : 180_000);
  const clock = new Clock();
  let database: TestDatabase;
  let redis: TestRedis;
  let api: Api;
  let email: string;
  let tokens: Tokens;
  let claims: Record<string, unknown>;

  before(async () => {
    [database, redis] = await Promise.all([createTestDatabase(), TestRedis.start()]);
    const env = { TRUST_PROXY: 'loopback' };
    api = await Api.start({ databaseUrl: database.url, redisUrl: redis.url, nowMs: clock.read, env });
    email = await api.register();
    tokens = await api.login(email);
    claims = JSON.parse(Buffer.from(tokens.accessToken.split('.')[1] ?? '', 'base64url').toString()) as typeof claims;
  });
  after(async () => {
    await api?.stop();
    await redis?.drop();
    await database?.drop();
  });

  const isDead = async ({ accessToken, refreshToken }: Tokens) => {
    const [access, refresh] = await Promise.all([api.validate(accessToken), api.refresh(refreshToken)]);
    return access.status === 401 && refresh.status === 401;
  };

  it('Keycloak #45647: 200 parallel refreshes of one token give exactly one successor', async () => {
    const { refreshToken, sessionId } = await api.login(email);
    const answers = await Promise.all(Array.from({ length: 200 }, () => api.refresh(refreshToken)));
    expect(new Set(answers.map((answer) => tokensOf(answer).refreshToken)).size).to.equal(1);
    const [row] = await database.query('SELECT refresh_counter::int AS counter FROM auth.user_sessions WHERE id = $1', [
      sessionId,
    ]);
    expect(row).to.deep.equal({ counter: 1 });
  });

  it('Keycloak #50999: a replay within the same millisecond is a replay', async () => {
    const first = await api.login(email); // the clock of this file stands still
    const second = tokensOf(await api.refresh(first.refreshToken));
    const third = tokensOf(await api.refresh(second.refreshToken));
    expect((await api.refresh(first.refreshToken)).body).to.include({ code: 'refresh-token-replayed' });
    expect(await isDead(third)).to.equal(true);
  });

  it(`Keycloak #51312: ${IS_LONG ? 1000 : 100} logouts that race a refresh leave no live token`, async () => {
    const rounds = IS_LONG ? 100 : 10;
    for (let round = 0; round < rounds; round += 1) {
      await Promise.all(
        Array.from({ length: 10 }, async (_, index) => {
          const held = await api.login(email);
          const logout = () => api.post('/api/v1/auth/logout', { refreshToken: held.refreshToken });
          const refreshes = () => [api.refresh(held.refreshToken), api.refresh(held.refreshToken)];
          const [ended, ...racing] =
            index % 2 === 0 ? [logout(), ...refreshes()] : [...refreshes(), logout()].toReversed();
          const answers = await Promise.all([ended, ...racing]);
          const late = answers
            .filter((answer) => answer?.status === 200)
            .map((answer) => tokensOf(answer as typeof answer & object));
          for (const pair of [held, ...late]) expect(await isDead(pair)).to.equal(true);
        }),
      );
    }
  });

  it('CVE-2026-1529: every byte of every token counts, and no token passes as one of another kind', async () => {
    const verifier = createAccessTokens({
      keys: ringOf(KEYS),
      issuer: 'latchkey',
      audience: 'latchkey',
      nowMs: clock.read,
    });
    const reader = createRefreshTokens(Buffer.from(TEST_KEYS.REFRESH_TOKEN_KEY, 'base64'));
    const { accessToken, refreshToken } = await api.login(email);
    expect([verifier.verify(accessToken).sub, reader.read(refreshToken)?.counter]).to.deep.equal([claims['sub'], 0]);
    const [head = '', body = '', signature = ''] = accessToken.split('.');
    const bytes = Buffer.from(body, 'base64url');
    for (let at = 0; at < bytes.length; at += 1) {
      const changed = Buffer.from(bytes);
      changed[at] = (changed[at] ?? 0) ^ 1;
      expect(() => verifier.verify(`${head}.${changed.toString('base64url')}.${signature}`), `byte ${at}`).to.throw();
    }
    for (let at = 0; at < refreshToken.length; at += 1) {
      const other = refreshToken[at] === 'a' ? 'b' : 'a';
      expect(
        reader.read(`${refreshToken.slice(0, at)}${other}${refreshToken.slice(at + 1)}`),
        `character ${at}`,
      ).to.equal(undefined);
    }
    const browser = new Browser(api);
    await browser.login(email, PASSWORD);
    const csrf = browser.cookie('__Host-latchkey-csrf') ?? '';
    const device = browser.cookie('__Host-latchkey-device') ?? '';
    for (const stranger of [refreshToken, csrf, device]) expect((await api.validate(stranger)).status).to.equal(401);
    for (const stranger of [accessToken, csrf, device])
      expect((await api.refresh(stranger)).status).to.be.oneOf([400, 401]);
    for (const stranger of [accessToken, refreshToken, device])
      expect(
        (await browser.send('POST', '/api/v1/auth/logout', { headers: { 'x-csrf-token': stranger } })).status,
      ).to.equal(403);
  });

  it('GHSA-392p-2q2v-4372, GHSA-pw9m-5jxm-xr6h: a used refresh token that comes from another client gives it nothing and ends the session', async () => {
    const as = (address: string, agent: string) => ({ headers: { 'x-forwarded-for': address, 'user-agent': agent } });
    const phone = as('198.51.100.7', 'Latchkey-iOS/3.2');
    const first = await api.login(email);
    const second = await api.post('/api/v1/auth/refresh', { refreshToken: first.refreshToken }, phone);
    const moved = await api.post(
      '/api/v1/auth/refresh',
      { refreshToken: first.refreshToken },
      as('203.0.113.9', 'Latchkey-iOS/3.3'),
    );
    expect(tokensOf(moved).refreshToken, 'the phone left its network and retries').to.equal(
      tokensOf(second).refreshToken,
    );
    const thief = await api.post(
      '/api/v1/auth/refresh',
      { refreshToken: first.refreshToken },
      as('203.0.113.9', 'curl/8.5'),
    );
    expect([thief.status, thief.body['code']]).to.deep.equal([401, 'refresh-token-replayed']);
    expect(await isDead(tokensOf(second))).to.equal(true);
    const [event] = await database.query(
      "SELECT metadata->>'reason' AS reason FROM auth.audit_events WHERE resource_id = $1 AND event_type = 'token_reused'",
      [first.sessionId],
    );
    expect(event).to.deep.equal({ reason: 'suspicious' });
  });

  it('GHSA-2vg6-77g8-24mp: no session survives its account, in PostgreSQL or Redis, on any pod', async () => {
    const sibling = await Api.start({ databaseUrl: database.url, redisUrl: redis.url, nowMs: clock.read });
    for (const change of ['is_active = false', 'deleted_at = now()']) {
      const doomed = await api.newSession();
      const twin = tokensOf(await api.refresh(doomed.refreshToken));
      for (const pod of [api, sibling]) expect((await pod.validate(twin.accessToken)).status).to.equal(200);
      await database.query(
        `UPDATE auth.users_extended SET ${change} WHERE id = (SELECT user_id FROM auth.user_sessions WHERE id = $1)`,
        [doomed.sessionId],
      );
      for (const lasted of await Promise.all(
        [api, sibling].map((pod) =>
          lastedMs('the token is dead', async () => (await pod.validate(twin.accessToken)).status === 401),
        ),
      ))
        expect(lasted, change).to.be.lessThan(1_000);
      for (const pod of [api, sibling]) expect((await pod.refresh(twin.refreshToken)).status).to.equal(401);
    }
    await sibling.stop();
  });

  it('CVE-2025-12390, CVE-2026-7507, GHSA-v923-w3x8-wh69: login, second factor and password change begin a new id; ids from before are worth nothing', async () => {
    const planted = { email, password: PASSWORD, sessionId: tokens.sessionId };
    expect((await api.post('/api/v1/auth/login', planted)).status, 'a session id is no field').to.equal(400);
    const browser = new Browser(api);
    await browser.login(email, PASSWORD);
    const before = browser.cookie('__Host-latchkey');
    const again = await browser.login(email, PASSWORD);
    expect(browser.cookie('__Host-latchkey'), 'the cookie from before the login is replaced').not.to.equal(before);
    expect(again.body['sessionId']).to.be.a('string');

    const { email: enrolled, secret, tokens: renewed } = await enrol(api, clock);
    const mfaToken = await mfaTokenFor(api, enrolled);
    for (const route of ['/api/v1/auth/me', '/api/v1/auth/sessions'])
      expect((await api.get(route, { bearer: mfaToken })).status, 'no session before the code').to.equal(401);
    const finished = tokensOf(await finish(api, { mfaToken, code: codeNow(secret, clock.nowMs) }));
    expect(finished.sessionId).not.to.equal(renewed.sessionId);

    const changing = await api.newSession();
    const body = { currentPassword: PASSWORD, newPassword: 'Another-Horse-8-Staple' };
    const changed = tokensOf(await api.post('/api/v1/auth/password', body, { bearer: changing.accessToken }));
    expect(changed.sessionId).not.to.equal(changing.sessionId);
    expect(await isDead(changing)).to.equal(true);
    expect((await api.validate(changed.accessToken)).status).to.equal(200);
  });
});
