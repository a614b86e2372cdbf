/** The client in Node, with tokens, against the real API on a real PostgreSQL and Redis. */
import { expect } from 'chai';
import { createClient, LatchkeyError, memoryStore, queueLock, type Store } from '../../../api/client/src/client.ts';
import { ACCESS_TOKEN_SECONDS } from '../../../api/src/crypto/access-token.ts';
import { Api, PASSWORD } from '../../support/api.ts';
import { Gateway } from '../../support/gateway.ts';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.ts';
import { TestRedis } from '../../support/redis.ts';
import { Clock, codeNow, enrol } from '../../support/totp.ts';

const LIFE_MS = ACCESS_TOKEN_SECONDS * 1000;
const REFRESH = '/api/v1/auth/refresh';
const NEXT_PASSWORD = 'Another-Horse-7-Staple';

describe('the client in Node', () => {
  const clock = new Clock();
  let database: TestDatabase;
  let redis: TestRedis;
  let api: Api;
  let gateway: Gateway;

  before(async () => {
    [database, redis] = await Promise.all([createTestDatabase(), TestRedis.start()]);
    api = await Api.start({ databaseUrl: database.url, redisUrl: redis.url, nowMs: clock.read });
    gateway = await Gateway.start(() => api);
  });
  after(async () => {
    await gateway?.close();
    await api?.stop();
    await redis?.drop();
    await database?.drop();
  });
  afterEach(() => {
    gateway.faults.length = 0;
  });

  const signedIn = async (store: Store = memoryStore(), lock = queueLock()) => {
    const client = createClient({ baseUrl: gateway.url, store, lock });
    const email = await api.register();
    await client.login({ email, password: PASSWORD });
    return { client, email };
  };
  const codeOf = async (work: Promise<unknown>): Promise<unknown> => {
    try {
      await work;
      return 'done';
    } catch (error) {
      return error instanceof LatchkeyError ? error.code : error;
    }
  };

  it('signs in, asks who it is, and signs out', async () => {
    const { client, email } = await signedIn();
    const { user, session } = await client.me();
    expect(user.email).to.equal(email);
    const validity = await client.validate();
    expect(validity).to.deep.include({ valid: true, userId: user.id, sessionId: session.id });
    expect(await client.session()).to.deep.equal({ state: 'signed-in', sessionId: session.id });
    const token = await client.accessToken();
    await client.logout();
    expect((await api.me(token)).body['code']).to.equal('session-ended');
    expect(await codeOf(client.me())).to.equal('signed-out');
  });

  it('takes the second step, and asks again after a wrong code', async () => {
    const { email, secret } = await enrol(api, clock);
    const client = createClient({ baseUrl: gateway.url });
    const needed = await client.login({ email, password: PASSWORD });
    if (needed.kind !== 'second-factor') throw new Error('no code was asked for');
    expect(needed.methods).to.deep.equal(['totp', 'backup-code']);
    const { mfaToken } = needed;
    expect(await codeOf(client.me())).to.equal('signed-out');
    expect(await codeOf(client.verifySecondFactor({ mfaToken, code: '000000' }))).to.equal('mfa-code-wrong');
    const code = codeNow(secret, clock.nowMs);
    expect(await client.verifySecondFactor({ mfaToken, code })).to.have.property('kind', 'signed-in');
    expect((await client.me()).user.email).to.equal(email);
  });

  it("says what the server says: the code, the fields, the request's id", async () => {
    const client = createClient({ baseUrl: gateway.url });
    const refused = async (password: string): Promise<unknown> => {
      try {
        return await client.login({ email: 'nobody@example.com', password });
      } catch (error) {
        return error;
      }
    };
    const wrong = await refused(PASSWORD);
    expect(wrong).to.be.instanceOf(LatchkeyError).and.to.include({ code: 'invalid-credentials', status: 401 });
    expect(wrong).to.have.property('requestId').that.is.a('string');
    const empty = await refused('');
    expect(empty).to.include({ code: 'invalid-request' });
    expect(empty).to.have.nested.property('fields[0].field', 'password');
  });

  it('refreshes once for a hundred calls of two clients of one store, whatever is lost on the way', async () => {
    const [store, lock] = [memoryStore(), queueLock()];
    const { client } = await signedIn(store, lock);
    const other = createClient({ baseUrl: gateway.url, store, lock });
    const before = gateway.refreshes;
    for (let round = 0; round < 5; round += 1) {
      gateway.faults.push({ matches: (_method, path) => path === REFRESH, times: 1, losesAnswer: true });
      gateway.faults.push({ matches: (_method, path) => path === REFRESH, times: 1, status: 502 });
      clock.advance(LIFE_MS + 1000);
      await Promise.all(Array.from({ length: 100 }, (_, i) => (i % 2 === 0 ? client : other).me()));
    }
    expect(gateway.refreshes - before, 'five, and the five whose answer was lost').to.equal(10);
    const [row] = await database.query('SELECT max(refresh_counter)::int AS counter FROM auth.user_sessions');
    expect(row).to.deep.equal({ counter: 5 });
  });

  it('goes on with the session that a new password began', async () => {
    const { client, email } = await signedIn();
    const answer = await client.fetch('/api/v1/auth/password', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ currentPassword: PASSWORD, newPassword: NEXT_PASSWORD }),
    });
    expect(answer.status).to.equal(200);
    await client.adopt(await answer.json());
    expect((await client.me()).user.email).to.equal(email);
  });

  it('takes its session along in a store, and nothing of it after the logout', async () => {
    const store = memoryStore();
    const { email } = await signedIn(store);
    const kept = JSON.parse(JSON.stringify(await store.read())) as unknown;
    const later = createClient({ baseUrl: gateway.url, store: { ...memoryStore(), read: () => kept } });
    expect((await later.me()).user.email).to.equal(email);
    const client = createClient({ baseUrl: gateway.url, store });
    await client.logout();
    expect(JSON.stringify(await store.read())).not.to.match(/lkr1|eyJ/);
  });

  it('is told of an end that somebody else made, once and for all calls', async () => {
    const { client } = await signedIn();
    const heard: string[] = [];
    client.on('signed-out', ({ reason }) => heard.push(reason));
    const { sessionId } = await client.validate();
    await database.query(`UPDATE auth.user_sessions SET status = 'revoked', revoked_at = now() WHERE id = $1`, [
      sessionId,
    ]);
    clock.advance(LIFE_MS + 1000);
    const outcomes = await Promise.all(Array.from({ length: 10 }, () => codeOf(client.me())));
    expect(new Set(outcomes)).to.deep.equal(new Set(['signed-out']));
    expect(heard).to.deep.equal(['session-ended']);
  });
});
