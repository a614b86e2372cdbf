/** What holds for every session and every token, whatever happens to it: on a real PostgreSQL and Redis, with a clock that the test moves. */
import { createPrivateKey } from 'node:crypto';
import { expect } from 'chai';
import * as fc from 'fast-check';
import { decodeProtectedHeader } from 'jose';
import { createSigningKeys } from '../../../api/src/crypto/signing-keys.ts';
import { Api, TEST_KEYS, type Tokens, tokensOf } from '../../support/api.ts';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.ts';
import { TestRedis } from '../../support/redis.ts';

const SECOND_MS = 1_000;
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const KEY = createPrivateKey(TEST_KEYS.JWT_PRIVATE_KEY);
const KEY_ID = createSigningKeys(KEY).keyId;
const SESSIONS = '/api/v1/auth/sessions';

describe('properties of sessions and tokens', function () {
  this.timeout(180_000);
  let database: TestDatabase;
  let redis: TestRedis;
  let api: Api;
  let email: string;
  let aheadMs = 0;
  let frozenMs: number | undefined;

  before(async () => {
    [database, redis] = await Promise.all([createTestDatabase(), TestRedis.start()]);
    const nowMs = () => (frozenMs ?? Date.now()) + aheadMs;
    const env = { TRUST_PROXY: 'loopback' };
    api = await Api.start({ databaseUrl: database.url, redisUrl: redis.url, nowMs, env });
    email = await api.register();
  });
  beforeEach(() => {
    aheadMs = 0;
    frozenMs = undefined;
  });
  after(async () => {
    await api?.stop();
    await redis?.drop();
    await database?.drop();
  });

  const check = (property: fc.IAsyncProperty<unknown>, numRuns = 12): Promise<void> =>
    Promise.resolve(fc.assert(property as fc.IAsyncProperty<[unknown]>, { numRuns }));
  const login = (): Promise<Tokens> => api.login(email);
  const claimsOf = (token: string) =>
    JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as Record<string, unknown>;
  const rowOf = async (sessionId: string) => {
    const [row] = await database.query(
      `SELECT status, revoked_reason, extract(epoch FROM expires_at - created_at)::int AS sliding,
              extract(epoch FROM absolute_expires_at - created_at)::int AS absolute FROM auth.user_sessions WHERE id = $1`,
      [sessionId],
    );
    return row ?? {};
  };
  const isDead = async ({ accessToken, refreshToken }: Tokens) => {
    const [access, refresh] = await Promise.all([api.validate(accessToken), api.refresh(refreshToken)]);
    return access.status === 401 && refresh.status === 401;
  };

  it('Property 3: JWT Generation on Authentication: every login and refresh gives a token of ours, with user, session, tenant and 15 minutes', async () => {
    await check(
      fc.asyncProperty(fc.integer({ min: 0, max: 3 }), async (refreshes) => {
        let tokens = await login();
        for (let i = 0; i < refreshes; i += 1) tokens = tokensOf(await api.refresh(tokens.refreshToken));
        expect(decodeProtectedHeader(tokens.accessToken)).to.deep.equal({ alg: 'ES256', typ: 'at+jwt', kid: KEY_ID });
        const claims = claimsOf(tokens.accessToken);
        expect(claims).to.have.all.keys('iss', 'aud', 'sub', 'sid', 'tid', 'iat', 'exp', 'jti');
        expect([claims['sid'], Number(claims['exp']) - Number(claims['iat'])]).to.deep.equal([tokens.sessionId, 900]);
        const { body } = await api.validate(tokens.accessToken);
        expect([body['userId'], body['organizationId']]).to.deep.equal([claims['sub'], claims['tid']]);
      }),
      6,
    );
  });

  it('Property 4: JWT Validation on Protected Routes: a route behind a session answers to an untouched token within its time, and to nothing else', async () => {
    const { accessToken } = await login();
    const routes = ['/api/v1/auth/me', '/api/v1/auth/validate', SESSIONS, '/api/auth/me'];
    const change = fc.oneof(
      fc.constant((token: string) => token),
      fc.nat(accessToken.length - 1).map((at) => (token: string) => {
        const other = token[at] === 'A' ? 'B' : 'A';
        return `${token.slice(0, at)}${other}${token.slice(at + 1)}`;
      }),
      fc.constantFrom('', ' ', 'x', 'a.b.c', '..').map((text) => () => text),
      fc.constantFrom('.', '=', 'A', ' A').map((tail) => (token: string) => `${token}${tail}`),
    );
    await check(
      fc.asyncProperty(
        change,
        fc.constantFrom(...routes),
        fc.integer({ min: 0, max: 30 }),
        async (spoil, route, minutes) => {
          aheadMs = minutes * MINUTE_MS;
          const presented = spoil(accessToken);
          const answer = await api.get(route, { bearer: presented });
          expect(answer.status).to.equal(presented === accessToken && minutes < 15 ? 200 : 401);
        },
      ),
      60,
    );
  });

  it('Property 5: Token Refresh Mechanism: of all tokens that a session ever had, the last refreshes, the one before repeats for 30 s, and older ones end it', async () => {
    const step = fc.record({
      waitMs: fc.integer({ min: 0, max: 40 * SECOND_MS }),
      age: fc.integer({ min: 0, max: 3 }),
    });
    await check(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 8 }), async (steps) => {
        frozenMs = Date.now(); // two steps without a wait are the same millisecond
        aheadMs = 0;
        const chain = [(await login()).refreshToken];
        let rotatedMs = 0;
        let isAlive = true;
        for (const { waitMs, age } of steps) {
          aheadMs += waitMs;
          const index = Math.max(0, chain.length - 1 - age);
          const back = chain.length - 1 - index;
          const answer = await api.refresh(chain[index] ?? '');
          const isGood = isAlive && (back === 0 || (back === 1 && aheadMs - rotatedMs <= 30 * SECOND_MS));
          expect(answer.status, JSON.stringify(steps)).to.equal(isGood ? 200 : 401);
          if (!isGood) isAlive = false;
          else if (back === 0) {
            chain.push(tokensOf(answer).refreshToken);
            rotatedMs = aheadMs;
          } else expect(tokensOf(answer).refreshToken).to.equal(chain.at(-1));
        }
      }),
      20,
    );
  });

  it('Property 8: Session Creation with TTL: every session begins with a day of sliding and seven of absolute time', async () => {
    await check(
      fc.asyncProperty(fc.integer({ min: 0, max: 3 * DAY_MS }), async (ms) => {
        aheadMs = ms;
        const row = await rowOf((await login()).sessionId);
        expect(row).to.include({ status: 'active', sliding: DAY_MS / SECOND_MS });
        expect(Number(row['absolute'])).to.be.closeTo((7 * DAY_MS) / SECOND_MS, 1);
      }),
    );
  });

  it('Property 9: Session Expiration: a session that nobody used lives for exactly a day', async () => {
    const wait = fc.oneof(fc.integer({ min: 0, max: 2 * DAY_MS }), fc.constantFrom(DAY_MS - 1, DAY_MS, DAY_MS + 1));
    await check(
      fc.asyncProperty(wait, async (waitMs) => {
        aheadMs = 0;
        frozenMs = Date.now();
        const { refreshToken } = await login();
        aheadMs = waitMs;
        expect((await api.refresh(refreshToken)).status).to.equal(waitMs < DAY_MS ? 200 : 401);
      }),
      20,
    );
  });

  it('Property 10: Session Token Uniqueness: no two sessions, and no two moments of one, share an id or a token', async () => {
    await check(
      fc.asyncProperty(fc.integer({ min: 2, max: 8 }), fc.integer({ min: 0, max: 3 }), async (logins, refreshes) => {
        frozenMs = Date.now();
        const first = await Promise.all(Array.from({ length: logins }, login));
        const all = [...first];
        for (let i = 0; i < refreshes; i += 1) {
          const last = all.slice(-logins);
          all.push(
            ...(await Promise.all(last.map(async ({ refreshToken }) => tokensOf(await api.refresh(refreshToken))))),
          );
        }
        expect(new Set(first.map(({ sessionId }) => sessionId)).size).to.equal(logins);
        for (const field of ['accessToken', 'refreshToken'] as const)
          expect(new Set(all.map((tokens) => tokens[field])).size).to.equal(all.length);
      }),
      6,
    );
  });

  it('Property 13: Session Invalidation on Logout: whichever way a session is ended, all of its tokens are dead, and no other’s', async () => {
    const ways = {
      bearer: ({ accessToken }: Tokens) => api.send('POST', '/api/v1/auth/logout', { bearer: accessToken }),
      'refresh token': ({ refreshToken }: Tokens) => api.post('/api/v1/auth/logout', { refreshToken }),
      'by id': ({ accessToken, sessionId }: Tokens) =>
        api.send('DELETE', `${SESSIONS}/${sessionId}`, { bearer: accessToken }),
    };
    await check(
      fc.asyncProperty(
        fc.constantFrom(...(Object.keys(ways) as (keyof typeof ways)[])),
        fc.integer({ min: 0, max: 2 }),
        async (way, refreshes) => {
          const [mine, other] = [await login(), await login()];
          let latest = mine;
          for (let i = 0; i < refreshes; i += 1) latest = tokensOf(await api.refresh(latest.refreshToken));
          expect((await ways[way](latest)).status).to.equal(204);
          expect(await isDead(latest)).to.equal(true);
          expect(await isDead(mine)).to.equal(true);
          expect((await api.validate(other.accessToken)).status).to.equal(200);
        },
      ),
      9,
    );
    const [here, there, elsewhere] = [await login(), await login(), await login()];
    const others = await api.send('DELETE', `${SESSIONS}?scope=others`, { bearer: here.accessToken });
    expect(others.status).to.equal(200);
    expect([await isDead(there), await isDead(elsewhere)]).to.deep.equal([true, true]);
    const again = await login();
    expect((await api.send('DELETE', `${SESSIONS}?scope=all`, { bearer: here.accessToken })).body['ended']).to.equal(2);
    expect([await isDead(here), await isDead(again)]).to.deep.equal([true, true]);
  });

  it('Property 14: Session Inactivity Expiration: a session lives through every gap below a day, and ends in the first that is not', async () => {
    const gap = fc.oneof(
      { weight: 4, arbitrary: fc.integer({ min: HOUR_MS, max: 20 * HOUR_MS }) },
      { weight: 1, arbitrary: fc.integer({ min: DAY_MS, max: 2 * DAY_MS }) },
    );
    await check(
      fc.asyncProperty(fc.array(gap, { minLength: 1, maxLength: 6 }), async (gaps) => {
        frozenMs = Date.now();
        aheadMs = 0;
        let { refreshToken } = await login();
        for (const gapMs of gaps) {
          aheadMs += gapMs;
          const answer = await api.refresh(refreshToken);
          expect(answer.status).to.equal(gapMs < DAY_MS ? 200 : 401);
          if (answer.status !== 200) return;
          ({ refreshToken } = tokensOf(answer));
        }
      }),
    );
  });

  it('Property 15: Session Absolute Expiration: no use keeps a session beyond seven days, nor any of its access tokens', async () => {
    await check(
      fc.asyncProperty(fc.integer({ min: 4 * HOUR_MS, max: 23 * HOUR_MS }), async (everyMs) => {
        frozenMs = Math.floor(Date.now() / 1000) * 1000;
        aheadMs = 0;
        let tokens = await login();
        while (aheadMs + everyMs < 7 * DAY_MS) {
          aheadMs += everyMs;
          tokens = tokensOf(await api.refresh(tokens.refreshToken));
        }
        aheadMs = 7 * DAY_MS - 5 * MINUTE_MS;
        const answer = await api.refresh(tokens.refreshToken);
        expect([answer.status, answer.body['expiresIn']]).to.deep.equal([200, 300]);
        aheadMs = 7 * DAY_MS;
        expect(await isDead(tokensOf(answer))).to.equal(true);
      }),
      4,
    );
  });

  it('Property 16: Session Invalidation on Suspicious Activity: a copy of a used token ends the session, a client that moves does not', async () => {
    const agents = ['Mozilla/5.0 Chrome/142.0 Safari/537.36', 'Mozilla/5.0 Firefox/145.0', 'okhttp/5.1', 'curl/8.5'];
    const client = fc.record({
      'user-agent': fc.constantFrom(...agents),
      'x-forwarded-for': fc.constantFrom('198.51.100.7', '198.51.100.8', '203.0.113.9', '2001:db8::1'),
    });
    const networkOf = (ip: string) => (ip.startsWith('198.51.') ? '198.51' : ip);
    await check(
      fc.asyncProperty(
        client,
        client,
        fc.constantFrom('current', 'parent', 'late parent', 'grandparent'),
        async (owner, other, what) => {
          frozenMs = Date.now();
          aheadMs = 0;
          const first = await login();
          const refreshAs = (headers: Readonly<Record<string, string>>, refreshToken: string) =>
            api.post('/api/v1/auth/refresh', { refreshToken }, { headers });
          const second = tokensOf(await refreshAs(owner, first.refreshToken));
          const third = tokensOf(await refreshAs(owner, second.refreshToken));
          aheadMs = what === 'late parent' ? 31 * SECOND_MS : SECOND_MS;
          const presented = { current: third, parent: second, 'late parent': second, grandparent: first }[what];
          const answer = await refreshAs(other, presented.refreshToken);
          const isAnother =
            owner['user-agent'] !== other['user-agent'] &&
            networkOf(owner['x-forwarded-for']) !== networkOf(other['x-forwarded-for']);
          const isGood = what === 'current' || (what === 'parent' && !isAnother);
          expect([answer.status, answer.body['code']]).to.deep.equal(
            isGood ? [200, undefined] : [401, 'refresh-token-replayed'],
          );
          const row = await rowOf(first.sessionId);
          expect(row['status']).to.equal(isGood ? 'active' : 'revoked');
          if (!isGood) {
            expect(row['revoked_reason']).to.equal(what === 'parent' ? 'suspicious' : 'token-replayed');
            expect(await isDead(third)).to.equal(true);
          }
        },
      ),
      24,
    );
  });
});
