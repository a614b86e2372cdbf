/** What goes in and what comes out: refusals name the field, and bad input is never a 5xx. */
import { connect } from 'node:net';
import { expect } from 'chai';
import { type Answer, Api, PASSWORD } from '../../support/api.ts';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.ts';

describe('requests', () => {
  let database: TestDatabase;
  let api: Api;

  before(async () => {
    database = await createTestDatabase();
    api = await Api.start({ databaseUrl: database.url, env: { EXPOSE_VERSION: 'true', APP_VERSION: '1.2.3' } });
  });
  after(async () => {
    await api?.stop();
    await database?.drop();
  });

  const fieldsOf = (answer: Answer) =>
    (answer.body['errors'] as { field: string }[] | undefined)?.map(({ field }) => field);

  describe('bodies', () => {
    const cases: readonly (readonly [string, string, unknown, readonly string[]])[] = [
      [
        'an unknown field',
        'register',
        { email: 'a@example.com', password: PASSWORD, emailVerified: true },
        ['emailVerified'],
      ],
      [
        'a role for oneself',
        'register',
        { email: 'a@example.com', password: PASSWORD, roles: ['super_admin'] },
        ['roles'],
      ],
      ['a missing password', 'register', { email: 'a@example.com' }, ['password']],
      ['a weak password', 'register', { email: 'a@example.com', password: 'correcthorsebattery' }, ['password']],
      ['a short password', 'register', { email: 'a@example.com', password: 'Aa1!' }, ['password']],
      [
        'a password of 300 characters',
        'register',
        { email: 'a@example.com', password: `${PASSWORD}${'x'.repeat(300)}` },
        ['password'],
      ],
      ['no address', 'register', { email: 'nobody', password: PASSWORD }, ['email']],
      ['an address with a homoglyph', 'register', { email: 'аdmin@example.com', password: PASSWORD }, ['email']],
      [
        'a name with a NUL',
        'register',
        { email: 'a@example.com', password: PASSWORD, firstName: 'a\u0000b' },
        ['firstName'],
      ],
      ['a number as address', 'login', { email: 1, password: PASSWORD }, ['email']],
      ['an object as password', 'login', { email: 'a@example.com', password: { $ne: null } }, ['password']],
      ['an empty password', 'login', { email: 'a@example.com', password: '' }, ['password']],
      ['a missing token', 'refresh', {}, ['refreshToken']],
      ['a very long token', 'refresh', { refreshToken: 'x'.repeat(1_000) }, ['refreshToken']],
      ['an unknown field at logout', 'logout', { all: true }, ['all']],
      ['an array', 'login', [], ['body']],
    ];
    for (const [what, path, body, fields] of cases) {
      it(`${path} refuses ${what} with 400 and names it`, async () => {
        const answer = await api.post(`/api/v1/auth/${path}`, body);
        expect([answer.status, answer.body['code'], fieldsOf(answer)]).to.deep.equal([400, 'invalid-request', fields]);
      });
    }

    it('malformed JSON is 400, a body of another type 415, one above 1 MB 413', async () => {
      const login = '/api/v1/auth/login';
      expect((await api.send('POST', login, { rawBody: '{"email":' })).body).to.include({
        code: 'malformed-json',
        status: 400,
      });
      expect((await api.send('POST', login, { rawBody: '"text"' })).body).to.include({ code: 'malformed-json' });
      const form = { headers: { 'content-type': 'application/x-www-form-urlencoded' } };
      expect((await api.send('POST', login, { rawBody: 'a=b', ...form })).body).to.include({
        code: 'unsupported-media-type',
        status: 415,
      });
      const gzip = { headers: { 'content-encoding': 'zip' } };
      expect((await api.send('POST', login, { rawBody: '{}', ...gzip })).status).to.equal(415);
      const charset = { headers: { 'content-type': 'application/json; charset=utf-99' } };
      expect((await api.send('POST', login, { rawBody: '{}', ...charset })).status).to.equal(415);
      const large = JSON.stringify({ email: 'x'.repeat(1_100_000) });
      expect((await api.send('POST', login, { rawBody: large })).body).to.include({
        code: 'body-too-large',
        status: 413,
      });
      expect((await api.send('POST', login)).body).to.include({ code: 'invalid-request' });
    });

    it('an unknown path is 404, a known one under another method 405 with Allow, a broken escape 4xx', async () => {
      expect((await api.get('/api/v1/auth/nothing')).body).to.include({ code: 'not-found', status: 404 });
      const answer = await api.get('/api/v1/auth/login');
      expect([answer.status, answer.headers['allow'], answer.body['code']]).to.deep.equal([
        405,
        'POST',
        'method-not-allowed',
      ]);
      expect((await api.get('/api/%zz')).status).to.be.within(400, 499);
    });

    it('a problem is an RFC 9457 document with a stable code and the request id, and tells nothing else', async () => {
      const answer = await api.post(
        '/api/v1/auth/login',
        { email: 'a@example.com', password: 'x' },
        { headers: { 'x-request-id': 'my-request-1' } },
      );
      expect(answer.headers['content-type']).to.equal('application/problem+json; charset=utf-8');
      expect(answer.headers['x-request-id']).to.equal('my-request-1');
      expect(answer.body).to.deep.equal({
        type: 'urn:latchkey:problem:invalid-credentials',
        title: 'The e-mail address or the password is wrong',
        status: 401,
        code: 'invalid-credentials',
        requestId: 'my-request-1',
      });
    });

    it('an internal error in production tells the client nothing of its cause', async () => {
      const other = await createTestDatabase();
      const broken = await Api.start({ databaseUrl: other.url, env: { APP_ENV: 'production', BCRYPT_COST: '10' } });
      const email = await broken.register();
      await other.query('DROP FUNCTION auth.log_audit_event CASCADE');
      const answer = await broken.post('/api/v1/auth/login', { email, password: PASSWORD });
      expect([answer.status, answer.body['code']]).to.deep.equal([500, 'internal']);
      expect(answer.text).not.to.match(/auth\.|function|select|audit/i);
      expect(await broken.metric('auth_db_query_errors_total')).to.equal(1);
      await broken.stop();
      await other.drop();
    });
  });

  describe('headers', () => {
    it('carry the version where it is exposed, and helmet everywhere', async () => {
      const answer = await api.get('/api/health');
      expect(answer.headers).to.include({
        'latchkey-version': '1.2.3',
        'x-content-type-options': 'nosniff',
        'cache-control': 'no-store',
      });
      expect(answer.headers['content-security-policy']).to.match(/^default-src 'none';frame-ancestors 'none'/);
      expect(answer.headers).not.to.have.property('x-powered-by');
    });

    it('are on answers to refused requests and probes as well', async () => {
      const answers = await Promise.all([api.get('/nothing'), api.get('/api/v1/auth/me'), api.get('/api/health/live')]);
      expect(answers.map((answer) => answer.headers['latchkey-version'])).to.deep.equal(['1.2.3', '1.2.3', '1.2.3']);
    });

    it('filled with garbage change nothing', async () => {
      const { accessToken } = await api.newSession();
      for (const name of [
        'x-forwarded-for',
        'x-forwarded-host',
        'x-forwarded-proto',
        'forwarded',
        'x-real-ip',
        'x-request-id',
        'user-agent',
      ]) {
        for (const value of [
          'not an address',
          '9'.repeat(600),
          '::ffff:999.1.1.1',
          "'; DROP TABLE auth.roles; --",
          'ÿþ',
        ]) {
          const answer = await api.validate(accessToken);
          const fuzzed = await api.get('/api/v1/auth/validate', { bearer: accessToken, headers: { [name]: value } });
          expect([fuzzed.status, fuzzed.text], `${name}: ${value}`).to.deep.equal([200, answer.text]);
        }
      }
    });

    it('garbage from a trusted proxy is no address: the login works and stores the connection instead', async () => {
      const behind = await Api.start({ databaseUrl: database.url, env: { TRUST_PROXY: '127.0.0.0/8' } });
      const email = await behind.register();
      for (const value of ['unknown', '203.0.113.7', 'fe80::1%eth0']) {
        const answer = await behind.post(
          '/api/v1/auth/login',
          { email, password: PASSWORD },
          { headers: { 'x-forwarded-for': value } },
        );
        expect(answer.status, value).to.equal(200);
      }
      const rows = await database.query(
        `SELECT host(h.ip_address) AS ip FROM auth.login_history h JOIN auth.users_extended u ON u.id = h.user_id WHERE u.email = $1 ORDER BY h.created_at`,
        [email],
      );
      expect(rows.map((row) => row['ip'])).to.deep.equal(['127.0.0.1', '203.0.113.7', 'fe80::1']);
      await behind.stop();
    });

    it('of the Authorization field never cause more than a 401', async () => {
      const values = [
        '',
        'Bearer',
        'Bearer ',
        'Bearer x',
        'Bearer a.b.c',
        'Basic YTpi',
        `Bearer ${'a'.repeat(6_000)}`,
        'Bearer ..',
        'bearer ÿ.ÿ.ÿ',
      ];
      for (const authorization of values) {
        for (const path of ['validate', 'me']) {
          const answer = await api.get(`/api/v1/auth/${path}`, { headers: { authorization } });
          expect(answer.status, authorization).to.equal(401);
          expect(answer.headers['www-authenticate']).to.equal('Bearer');
        }
      }
    });

    it('that are no HTTP at all get a 400 and do not hurt the next request', async () => {
      const socket = connect(api.port, '127.0.0.1');
      const reply = await new Promise<string>((resolve) => {
        socket.on('data', (chunk) => resolve(chunk.toString()));
        socket.write('GET / HTTP/1.1\r\nbroken header\r\n\r\n');
      });
      socket.destroy();
      expect(reply).to.match(/^HTTP\/1\.1 400/);
      expect((await api.get('/api/health')).status).to.equal(200);
    });
  });
});
