/** The tenant inside an access token: it is the session's own, or the token is worth nothing. On a real PostgreSQL and Redis. */
import { createPrivateKey, randomUUID } from 'node:crypto';
import { expect } from 'chai';
import * as fc from 'fast-check';
import { SignJWT } from 'jose';
import { createSigningKeys } from '../../../api/src/crypto/signing-keys.ts';
import { Api, TEST_KEYS } from '../../support/api.ts';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.ts';
import { TestRedis } from '../../support/redis.ts';

const KEY = createPrivateKey(TEST_KEYS.JWT_PRIVATE_KEY);
const KEY_ID = createSigningKeys(KEY).keyId;
const SESSIONS = '/api/v1/auth/sessions';

describe('the tenant of a token', function () {
  this.timeout(120_000);
  let database: TestDatabase;
  let redis: TestRedis;
  let api: Api;

  before(async () => {
    [database, redis] = await Promise.all([createTestDatabase(), TestRedis.start()]);
    api = await Api.start({ databaseUrl: database.url, redisUrl: redis.url });
  });
  after(async () => {
    await api?.stop();
    await redis?.drop();
    await database?.drop();
  });

  const claimsOf = (token: string) =>
    JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as Record<string, unknown>;
  const signed = (claims: Record<string, unknown>) =>
    new SignJWT(claims).setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid: KEY_ID }).sign(KEY);

  it('Property 31: JWT Tenant Validation: a token is worth nothing under another tenant than its session’s, even signed by us', async () => {
    const stranger = randomUUID();
    await database.query("INSERT INTO public.organization (id, slug, name) VALUES ($1, 'stranger', 'Stranger')", [
      stranger,
    ]);
    const { accessToken, sessionId } = await api.newSession();
    const claims = claimsOf(accessToken);
    expect((await api.validate(accessToken)).status, 'remembered as live').to.equal(200);
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(fc.uuid(), fc.constant(stranger), fc.constantFrom('', 'x', null, ['a'], 7)),
        fc.constantFrom('/api/v1/auth/me', '/api/v1/auth/validate', SESSIONS),
        async (tid, route) => {
          const answer = await api.get(route, { bearer: await signed({ ...claims, sid: sessionId, tid }) });
          expect(answer.status, JSON.stringify(tid)).to.equal(401);
        },
      ),
      { numRuns: 30 },
    );
    expect((await api.validate(accessToken)).status, 'its own session is not hurt by them').to.equal(200);
    expect((await api.validate(await signed(claims))).status).to.equal(200);
  });
});
