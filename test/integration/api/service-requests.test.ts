/** What other services ask, and how they show who they are. */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { expect } from 'chai';
import * as fc from 'fast-check';
import { Api } from '../../support/api.ts';
import { eventually } from '../../support/eventually.ts';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.ts';
import { TestRedis } from '../../support/redis.ts';
import { type Signing, sign } from '../../support/signing.ts';

const PATH = '/api/v1/auth/introspect';

describe('requests of other services', () => {
  const key = randomBytes(32);
  const nextKey = randomBytes(32);
  const SERVICE_KEYS = `billing:${key.toString('base64')},billing:${nextKey.toString('base64')},mailer:${randomBytes(48).toString('base64')}`;
  let nowMs = Date.now();
  let database: TestDatabase;
  let redis: TestRedis;
  let api: Api;
  let sibling: Api;

  before(async () => {
    [database, redis] = await Promise.all([createTestDatabase(), TestRedis.start()]);
    const start = () =>
      Api.start({ databaseUrl: database.url, redisUrl: redis.url, env: { SERVICE_KEYS }, nowMs: () => nowMs });
    [api, sibling] = await Promise.all([start(), start()]);
    for (const each of [api, sibling])
      await eventually('redis', 5_000, async () => (await each.get('/api/health/ready')).body['status'] === 'ok');
  });
  after(async () => {
    await Promise.all([api?.stop(), sibling?.stop()]);
    await redis?.drop();
    await database?.drop();
  });

  interface Asking {
    readonly signing?: Partial<Signing>;
    readonly headers?: Readonly<Record<string, string>>;
    readonly at?: Api;
    readonly path?: string;
    readonly rawBody?: string;
  }

  const ask = (token: string, { signing = {}, headers = {}, at = api, path = PATH, rawBody }: Asking = {}) => {
    const body = JSON.stringify({ token });
    const signed = sign({ serviceId: 'billing', key, path: PATH, body, createdMs: nowMs, ...signing });
    return at.send('POST', path, { rawBody: rawBody ?? body, headers: { ...signed, ...headers } });
  };
  const refusal = [401, 'signature-invalid'];

  describe('introspection', () => {
    it('says whose a live token is', async () => {
      const { accessToken, sessionId } = await api.newSession();
      const answer = await ask(accessToken);
      expect(answer.status).to.equal(200);
      expect(answer.body).to.include({ active: true, token_type: 'Bearer', sid: sessionId });
      expect(answer.body['exp']).to.be.greaterThan(nowMs / 1000);
    });

    it('says only not active of what is revoked, on every pod, forged, expired, of another kind, or no token', async () => {
      const { accessToken, refreshToken } = await api.newSession();
      expect((await ask(accessToken, { at: sibling })).body).to.include({ active: true });
      await api.send('POST', '/api/v1/auth/logout', { bearer: accessToken });
      await eventually('heard', 1_000, async () => (await ask(accessToken, { at: sibling })).body['active'] === false);
      const [head = '', payload] = (await api.newSession()).accessToken.split('.');
      const header = JSON.parse(Buffer.from(head, 'base64url').toString()) as Record<string, unknown>;
      const foreign = Buffer.from(JSON.stringify({ ...header, kid: 'nobody' })).toString('base64url');
      for (const token of [
        accessToken,
        refreshToken,
        `${head}.${payload}.AAAA`,
        `${foreign}.${payload}.AAAA`,
        'x',
        `${head}.${payload}.`,
        '\u0000',
        'ü'.repeat(100),
      ]) {
        const answer = await ask(token);
        expect([answer.status, answer.body], token).to.deep.equal([200, { active: false }]);
      }
      const { accessToken: old } = await api.newSession();
      nowMs += 16 * 60_000;
      expect((await ask(old)).body).to.deep.equal({ active: false });
    });

    it('is not for people: a session does not open it', async () => {
      const { accessToken } = await api.newSession();
      const answer = await api.post(PATH, { token: accessToken }, { bearer: accessToken });
      expect([answer.status, answer.body['code'], answer.headers['www-authenticate']]).to.deep.equal([
        ...refusal,
        'Signature',
      ]);
    });
  });

  describe('a signature', () => {
    it('is good with any key of its service, and with no key of another one', async () => {
      expect((await ask('x', { signing: { key: nextKey } })).status).to.equal(200);
      for (const signing of [
        { serviceId: 'mailer' },
        { serviceId: 'nobody' },
        { key: randomBytes(32) },
        { key: Buffer.alloc(0) },
      ]) {
        const answer = await ask('x', { signing });
        expect([answer.status, answer.body['code']]).to.deep.equal(refusal);
      }
    });

    it('covers method, path, query and body: no other request can use it', async () => {
      const cases: readonly Asking[] = [
        { signing: { method: 'GET' } },
        { signing: { path: '/api/v1/auth/validate' } },
        { signing: { query: 'a=b' } },
        { path: `${PATH}?a=b` },
        { signing: { body: '{}' } },
        { rawBody: '{"token":"another"}' },
        { rawBody: '' },
      ];
      for (const each of cases) {
        const answer = await ask('x', each);
        expect([answer.status, answer.body['code']], JSON.stringify(each)).to.deep.equal(refusal);
      }
      const asked = await ask('x', { path: `${PATH}?a=b`, signing: { query: 'a=b' } });
      expect(asked.status, 'a query that is signed').to.equal(200);
    });

    it('is good for five minutes, by either clock', async () => {
      for (const [minutes, status] of [
        [-4.9, 200],
        [4.9, 200],
        [-5.1, 401],
        [5.1, 401],
        [-60, 401],
        [525_600, 401],
      ] as const) {
        const answer = await ask('x', { signing: { createdMs: nowMs + minutes * 60_000 } });
        expect(answer.status, `${minutes}`).to.equal(status);
      }
    });

    it('is good once, on whichever pod', async () => {
      const nonce = randomBytes(16).toString('base64url');
      const answers = await Promise.all(
        Array.from({ length: 20 }, (_, i) => ask('x', { signing: { nonce }, at: i % 2 ? api : sibling })),
      );
      expect(answers.filter(({ status }) => status === 200)).to.have.length(1);
      expect((await ask('x', { signing: { nonce } })).status).to.equal(401);
      nowMs += 4 * 60_000;
      expect((await ask('x', { signing: { nonce, createdMs: nowMs - 4 * 60_000 } })).status).to.equal(401);
    });

    it('is refused with 401 in whatever other form, never 5xx and never 200', async () => {
      const good = sign({ serviceId: 'billing', key, path: PATH, body: '{"token":"x"}', createdMs: nowMs });
      const headerText = fc
        .string({ maxLength: 200 })
        .map((text) => text.replaceAll(/[^\t\u0020-\u007e\u0080-\u00ff]/g, '?'));
      const mutated = (text: string) =>
        fc
          .tuple(fc.nat({ max: text.length - 1 }), fc.integer({ min: 33, max: 126 }))
          .map(([at, code]) => text.slice(0, at) + String.fromCharCode(code) + text.slice(at + 1));
      await fc.assert(
        fc.asyncProperty(
          fc
            .constantFrom('signature', 'signature-input', 'content-digest')
            .chain((name) =>
              fc.tuple(
                fc.constant(name),
                fc.oneof(headerText, mutated(good[name] ?? ''), fc.constant(`${good[name]}, ${good[name]}`)),
              ),
            ),
          async ([name, value]) => {
            fc.pre(value.trim() !== good[name]);
            const answer = await api.send('POST', PATH, {
              rawBody: '{"token":"x"}',
              headers: { ...good, [name]: value },
            });
            expect([answer.status, answer.body['code']], `${name}: ${value}`).to.deep.equal(refusal);
          },
        ),
        { numRuns: process.env['TEST_LONG'] === '1' ? 3_000 : 150 },
      );
    });

    it('can be made with openssl, as docs/api/edges.md shows', async () => {
      nowMs = Date.now();
      const { accessToken } = await api.newSession();
      const page = await readFile(new URL('../../../docs/api/edges.md', import.meta.url), 'utf8');
      const script = /```sh\n([\s\S]+?)```/.exec(page)?.[1] ?? '';
      const { stdout } = await promisify(execFile)('bash', ['-c', script], {
        env: {
          ...process.env,
          ACCESS_TOKEN: accessToken,
          SERVICE_KEY: key.toString('base64'),
          URL: `http://127.0.0.1:${api.port}`,
        },
      });
      expect(JSON.parse(stdout)).to.include({ active: true });
    });

    it('is still asked for once a pod while redis is away', async () => {
      await redis.kill();
      await eventually(
        'degraded',
        5_000,
        async () => (await api.get('/api/health/ready')).body['status'] === 'degraded',
      );
      const nonce = randomBytes(16).toString('base64url');
      expect((await ask('x', { signing: { nonce } })).status).to.equal(200);
      expect((await ask('x', { signing: { nonce } })).status).to.equal(401);
    });
  });
});
