/** What every request meets before any endpoint: headers, HTTPS, versions, and the limits of the wire. */
import { connect } from 'node:net';
import { expect } from 'chai';
import { Api, PASSWORD } from '../../support/api.ts';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.ts';

describe('edges', () => {
  let database: TestDatabase;
  let api: Api;
  let behind: Api;

  before(async () => {
    database = await createTestDatabase();
    [api, behind] = await Promise.all([
      Api.start({ databaseUrl: database.url }),
      Api.start({
        databaseUrl: database.url,
        env: {
          HTTPS_REDIRECT: 'true',
          PUBLIC_URL: 'https://auth.example.com/base',
          TRUST_PROXY: '127.0.0.2/32,127.0.0.1/32',
        },
      }),
    ]);
  });
  after(async () => {
    await Promise.all([api?.stop(), behind?.stop()]);
    await database?.drop();
  });

  /** Everything that comes back until the server closes. */
  const speak = (text: string | readonly string[], port = api.port): Promise<string> =>
    new Promise((resolve, reject) => {
      const socket = connect(port, '127.0.0.1');
      const chunks: string[] = [];
      socket.on('data', (chunk: Buffer) => chunks.push(chunk.toString()));
      socket.on('close', () => resolve(chunks.join('')));
      socket.on('error', reject);
      socket.write(typeof text === 'string' ? text : text.join('\r\n'));
    });
  const problemIn = (text: string): Record<string, unknown> =>
    JSON.parse(text.slice(text.indexOf('\r\n\r\n') + 4)) as Record<string, unknown>;

  describe('headers', () => {
    it('forbid a browser everything that an API does not need, on answers and refusals alike, and name no product', async () => {
      for (const path of ['/api/health', '/nothing', '/api/v1/auth/me']) {
        const { headers } = await api.get(path);
        expect(headers, path).to.include({
          'content-security-policy': "default-src 'none';frame-ancestors 'none';base-uri 'none';form-action 'none'",
          'x-frame-options': 'DENY',
          'x-content-type-options': 'nosniff',
          'referrer-policy': 'no-referrer',
          'cross-origin-opener-policy': 'same-origin',
          'cross-origin-resource-policy': 'same-origin',
          'cache-control': 'no-store',
        });
        expect(headers['permissions-policy'], path).to.include('camera=()').and.include('geolocation=()');
        expect(headers, path).not.to.have.any.keys('x-powered-by', 'server', 'etag');
      }
    });

    it('bind browsers to HTTPS for two years where the public URL is HTTPS, and nowhere else', async () => {
      const secure = await behind.get('/api/health', { headers: { 'x-forwarded-proto': 'https' } });
      expect(secure.headers['strict-transport-security']).to.equal('max-age=63072000; includeSubDomains');
      expect((await api.get('/api/health')).headers).not.to.have.property('strict-transport-security');
    });
  });

  describe('plain HTTP', () => {
    it('is sent on to the configured host with 308, whatever the request says its host is', async () => {
      const answer = await behind.get('/api/v1/auth/me?a=b', {
        headers: { host: 'evil.example', 'x-forwarded-host': 'evil.example' },
      });
      expect([answer.status, answer.headers['location']]).to.deep.equal([
        308,
        'https://auth.example.com/api/v1/auth/me?a=b',
      ]);
      const odd = await speak(
        ['GET http://evil.example/x HTTP/1.1', 'Host: evil.example', 'Connection: close', '', ''],
        behind.port,
      );
      expect(odd)
        .to.match(/^HTTP\/1\.1 308/)
        .and.include('Location: https://auth.example.com/\r\n');
      const doubled = await speak(
        ['GET //evil.example/x HTTP/1.1', 'Host: a', 'Connection: close', '', ''],
        behind.port,
      );
      expect(doubled).to.include('Location: https://auth.example.com//evil.example/x\r\n');
    });

    it('is refused where it changes something: 403 https-required', async () => {
      const answer = await behind.post('/api/v1/auth/login', { email: 'a@example.com', password: PASSWORD });
      expect([answer.status, answer.body['code']]).to.deep.equal([403, 'https-required']);
    });

    it('does not concern probes, and what came by HTTPS is served', async () => {
      expect((await behind.get('/api/health/live')).status).to.equal(200);
      expect((await behind.get('/api/health/ready')).status).to.equal(200);
      expect((await behind.get('/api/v1/auth/me', { headers: { 'x-forwarded-proto': 'https' } })).status).to.equal(401);
    });

    it('is what it is when nobody who is trusted says otherwise', async () => {
      const distrusting = await Api.start({
        databaseUrl: database.url,
        env: { HTTPS_REDIRECT: 'true', PUBLIC_URL: 'https://auth.example.com', TRUST_PROXY: '192.0.2.0/24' },
      });
      expect((await distrusting.get('/api/v1/auth/me', { headers: { 'x-forwarded-proto': 'https' } })).status).to.equal(
        308,
      );
      await distrusting.stop();
    });
  });

  describe('versions', () => {
    it('are said on every answer, and the one that exists may be asked for', async () => {
      const answer = await api.get('/api/health', { headers: { 'latchkey-api-version': '1' } });
      expect([answer.status, answer.headers['latchkey-api-version']]).to.deep.equal([200, '1']);
    });

    it('that do not exist are refused with 400 and the list of those that do', async () => {
      for (const asked of ['2', '0', 'v1', '1.0', '', ' ', '1, 1', "1'--"]) {
        const answer = await api.get('/api/v1/auth/me', { headers: { 'latchkey-api-version': asked } });
        expect([answer.status, answer.body['code'], answer.body['errors']], asked).to.deep.equal([
          400,
          'api-version-unknown',
          [{ field: 'Latchkey-API-Version', message: 'must be one of 1' }],
        ]);
      }
    });

    it('older paths say since when they are deprecated, when they end, and what comes after them; newer ones do not', async () => {
      const { headers } = await api.get('/api/auth/me');
      expect(headers).to.include({
        deprecation: '@1767225600',
        sunset: 'Sat, 01 Jan 2028 00:00:00 GMT',
        link: '</api/v1/auth/me>; rel="successor-version"',
      });
      expect((await api.get('/api/v1/auth/me')).headers).not.to.have.any.keys('deprecation', 'sunset', 'link');
    });
  });

  describe('the wire', () => {
    const unreadable: readonly (readonly [string, string | readonly string[], number, string])[] = [
      ['no HTTP at all', 'hello\r\n\r\n', 400, 'malformed-request'],
      ['a header without a colon', ['GET / HTTP/1.1', 'broken header', '', ''], 400, 'malformed-request'],
      ['a header name with a space', ['GET / HTTP/1.1', 'Host: a', 'a b: c', '', ''], 400, 'malformed-request'],
      ['an unknown method', ['BREW / HTTP/1.1', 'Host: a', '', ''], 400, 'malformed-request'],
      ['an unknown version', ['GET / HTTP/9.9', 'Host: a', '', ''], 400, 'malformed-request'],
      ['no host', ['GET /api/health HTTP/1.1', 'Connection: close', '', ''], 400, 'malformed-request'],
      [
        'two lengths',
        ['POST /api/v1/auth/login HTTP/1.1', 'Host: a', 'Content-Length: 1', 'Content-Length: 2', '', ''],
        400,
        'malformed-request',
      ],
      [
        'a length and chunks (smuggling)',
        [
          'POST /api/v1/auth/login HTTP/1.1',
          'Host: a',
          'Content-Length: 4',
          'Transfer-Encoding: chunked',
          '',
          '0',
          '',
          '',
        ],
        400,
        'malformed-request',
      ],
      ['a NUL in a header', ['GET / HTTP/1.1', 'Host: a', 'X: a\u0000b', '', ''], 400, 'malformed-request'],
      ['a head of 20 KB', ['GET / HTTP/1.1', 'Host: a', `X: ${'x'.repeat(20_000)}`, '', ''], 431, 'headers-too-large'],
      [
        '150 headers',
        [
          'GET /api/health HTTP/1.1',
          'Host: a',
          'Connection: close',
          ...Array.from({ length: 150 }, (_, i) => `X-${i}: y`),
          '',
          '',
        ],
        431,
        'headers-too-large',
      ],
      [
        'a URL of 9 KB',
        [`GET /${'x'.repeat(9_000)} HTTP/1.1`, 'Host: a', 'Connection: close', '', ''],
        414,
        'uri-too-long',
      ],
    ];
    for (const [what, text, status, code] of unreadable) {
      it(`${what} gets ${status} as a problem, and the next request is served`, async () => {
        const answer = await speak(text);
        expect(answer)
          .to.match(new RegExp(`^HTTP/1\\.1 ${status} `))
          .and.match(/content-type: application\/problem\+json/i);
        expect(problemIn(answer)).to.include({ status, code });
        expect((await api.get('/api/health')).status).to.equal(200);
      });
    }

    const itAtLength = process.env['TEST_LONG'] === '1' ? it : () => undefined;
    itAtLength('a head that does not come is cut off after ten seconds, a body after thirty', async function () {
      this.timeout(60_000);
      const startedMs = performance.now();
      const [head, silent, body] = await Promise.all([
        speak('GET /api/health HTTP/1.1\r\nHost: a\r\nX-Slow: '),
        speak(''),
        speak(
          'POST /api/v1/auth/login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{',
        ),
      ]);
      expect(problemIn(head)).to.include({ status: 408, code: 'request-timeout' });
      expect(problemIn(silent)).to.include({ status: 408, code: 'request-timeout' });
      expect(problemIn(body)).to.include({ status: 408, code: 'request-timeout' });
      expect(performance.now() - startedMs).to.be.below(40_000);
    });
  });

  describe('JSON', () => {
    const login = (rawBody: string) => api.send('POST', '/api/v1/auth/login', { rawBody });

    it('that is nested too deep or has too many keys is refused, quickly', async () => {
      const startedMs = performance.now();
      for (const rawBody of [
        `${'['.repeat(500_000)}${']'.repeat(500_000)}`,
        `{"email":${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}}`,
        JSON.stringify(Object.fromEntries(Array.from({ length: 50_000 }, (_, i) => [`k${i}`, i]))),
      ]) {
        const answer = await login(rawBody);
        expect([answer.status, answer.body['code']]).to.deep.equal([400, 'malformed-json']);
        expect(answer.text.length).to.be.below(1_000);
      }
      expect(performance.now() - startedMs).to.be.below(5_000);
    });

    it('cannot reach a prototype', async () => {
      for (const name of ['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty']) {
        const answer = await login(`{"email":"a@example.com","password":"x","${name}":{"isAdmin":true}}`);
        expect(answer.status, name).to.be.oneOf([400, 401]);
        expect(({} as Record<string, unknown>)['isAdmin']).to.equal(undefined);
      }
    });
  });
});
