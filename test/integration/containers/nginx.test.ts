/** nginx as api/compose configures it, run for real in front of the API: what it lets through, what it answers itself, what it writes down. */
import { once } from 'node:events';
import type { IncomingHttpHeaders } from 'node:http';
import { connect as connectTcp } from 'node:net';
import { connect as connectTls, type SecureVersion } from 'node:tls';
import { expect } from 'chai';
import { clientAddress } from '../../../api/src/http/client-address.ts';
import { partsFor } from '../../../k8s/local/parts.ts';
import { Api } from '../../support/api.ts';
import { eventually } from '../../support/eventually.ts';
import { type Answer, type Ask, HOST, Nginx } from '../../support/nginx.ts';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.ts';

interface Seen {
  readonly ip: string;
  readonly isHttps: boolean;
  readonly headers: IncomingHttpHeaders;
}

const SECURITY = [
  'strict-transport-security',
  'x-content-type-options',
  'content-security-policy',
  'x-frame-options',
  'referrer-policy',
  'cache-control',
  'x-request-id',
];

describe('nginx in front of the API', function () {
  this.timeout(60_000);
  let database: TestDatabase;
  let api: Api;
  let nginx: Nginx;
  let program: string;
  let seen: Seen[] = [];

  before(async () => {
    program = (await partsFor(['nginx'])).nginx;
    database = await createTestDatabase();
    api = await Api.start({
      databaseUrl: database.url,
      env: { TRUST_PROXY: '127.0.0.1', PUBLIC_URL: `https://${HOST}`, HTTPS_REDIRECT: 'true' },
      beforeRoutes: (request, _response, next) => {
        seen.push({ ip: clientAddress(request), isHttps: request.secure, headers: request.headers });
        next();
      },
    });
    nginx = await Nginx.start({ program, apiPort: api.port });
  });
  beforeEach(() => {
    seen = [];
  });
  after(async () => {
    await nginx?.stop();
    await api?.stop();
    await database?.drop();
  });

  const ask = (path: string, given: Ask = {}, at = nginx): Promise<Answer> => at.ask(path, given);
  const askPlainly = (path: string, given: Ask = {}): Promise<Answer> => nginx.ask(path, { ...given, isPlain: true });
  const problem = ({ headers, text }: Answer): Readonly<Record<string, unknown>> => {
    expect(headers['content-type']).to.match(/^application\/problem\+json/);
    return JSON.parse(text) as Record<string, unknown>;
  };

  it('says nothing at its start: no warning, no deprecation', () => expect(nginx.words).to.equal(''));

  for (const [version, isSpoken] of [
    ['TLSv1', false],
    ['TLSv1.1', false],
    ['TLSv1.2', true],
    ['TLSv1.3', true],
  ] as const satisfies readonly (readonly [SecureVersion, boolean])[]) {
    it(`${isSpoken ? 'speaks' : 'refuses'} ${version}`, async () => {
      const options = { minVersion: version, maxVersion: version, ciphers: 'DEFAULT@SECLEVEL=0' };
      const where = { host: '127.0.0.1', port: nginx.httpsPort, servername: HOST, ca: nginx.certificate };
      const socket = connectTls({ ...where, ...options });
      const outcome = await once(socket, 'secureConnect').then(
        () => socket.getProtocol(),
        (error: unknown) => (error instanceof Error && 'code' in error ? String(error.code) : 'unknown'),
      );
      socket.destroy();
      expect(outcome).to.match(
        isSpoken ? new RegExp(`^${version}$`) : /^ERR_SSL_(TLSV1_ALERT_)?PROTOCOL_VERSION|ALERT_PROTOCOL/,
      );
    });
  }

  it('has no certificate for a name that is not its own', async () => {
    const socket = connectTls({ host: '127.0.0.1', port: nginx.httpsPort, servername: 'other.example.test' });
    const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException];
    expect(error.code).to.equal('ERR_SSL_TLSV1_UNRECOGNIZED_NAME');
  });

  it('has HTTPS and every security header once on an answer of the API', async () => {
    const answer = await ask('/api/v1/auth/validate');
    expect(answer.status).to.equal(401);
    expect(problem(answer)['code']).to.equal('access-token-missing');
    expect(answer.headers['strict-transport-security']).to.equal('max-age=63072000; includeSubDomains');
    for (const name of SECURITY)
      expect(
        answer.names.filter((each) => each === name),
        name,
      ).to.deep.equal([name]);
  });

  it('has them once on an answer of its own, and keeps metrics for those beside the API', async () => {
    const answer = await ask('/api/metrics');
    expect([answer.status, problem(answer)['code']]).to.deep.equal([404, 'not-found']);
    for (const name of SECURITY)
      expect(
        answer.names.filter((each) => each === name),
        name,
      ).to.deep.equal([name]);
    expect(answer.headers.server).to.equal('nginx');
  });

  it('leaves the policy of the reference page to the API', async () => {
    const answer = await ask('/api/docs');
    expect(answer.status).to.equal(200);
    expect(answer.names.filter((name) => name === 'content-security-policy')).to.have.length(1);
    expect(answer.headers['content-security-policy']).to.not.equal(
      (await ask('/api/metrics')).headers['content-security-policy'],
    );
  });

  it('sends plain HTTP on to its own name, whatever host was named', async () => {
    for (const host of [HOST, 'evil.example.test']) {
      const answer = await askPlainly('/api/docs?a=b', { headers: { host } });
      expect([answer.status, answer.headers.location]).to.deep.equal([308, `https://${HOST}/api/docs?a=b`]);
    }
  });

  it('does not send on what changes something: it has been readable once', async () => {
    const answer = await askPlainly('/api/v1/auth/login', { method: 'POST', body: '{}' });
    expect([answer.status, problem(answer)['code']]).to.deep.equal([403, 'https-required']);
    expect(seen).to.deep.equal([]);
  });

  it('tells the API who the client is, and lets nobody say it himself', async () => {
    const forged = {
      'x-forwarded-for': '203.0.113.7',
      'x-forwarded-proto': 'http',
      'x-forwarded-host': 'evil.example.test',
      'x-request-id': 'chosen-by-the-client',
      forwarded: 'for=203.0.113.7',
    };
    const answer = await ask('/api/v1/auth/validate', { from: '127.0.0.3', headers: forged });
    expect(seen).to.have.length(1);
    expect(seen[0]).to.include({ ip: '127.0.0.3', isHttps: true });
    expect(seen[0]?.headers).to.include({ 'x-forwarded-for': '127.0.0.3', host: HOST });
    expect(seen[0]?.headers).to.not.have.any.keys('forwarded', 'x-forwarded-host');
    expect(answer.headers['x-request-id'])
      .to.equal(seen[0]?.headers['x-request-id'])
      .and.match(/^[0-9a-f]{32}$/);
  });

  for (const { zone, rate, burst, path, method, from } of [
    { zone: 'general', rate: 10, burst: 20, path: '/nothing', method: 'GET', from: '127.0.1.1' },
    { zone: 'API', rate: 30, burst: 60, path: '/api/v1/auth/validate', method: 'GET', from: '127.0.1.2' },
    { zone: 'authentication', rate: 5, burst: 10, path: '/api/v1/auth/login', method: 'POST', from: '127.0.1.3' },
  ]) {
    it(`lets ${rate} a second of a client through to the ${zone} part, beyond a burst of ${burst}, and tells the others when`, async () => {
      const startedMs = performance.now();
      const answers: Answer[] = [];
      // Twice what may pass in a second and a half, whatever the machine.
      while (answers.length < 2 * (burst + rate * 1.5)) {
        const some = Array.from({ length: 10 }, () =>
          ask(path, { method, from, ...(method === 'POST' ? { body: '{}' } : {}) }),
        );
        answers.push(...(await Promise.all(some)));
      }
      const seconds = (performance.now() - startedMs) / 1000;
      const refused = answers.filter(({ status }) => status === 429);
      const passed = answers.length - refused.length;
      expect(passed)
        .to.be.at.least(Math.min(answers.length, burst + 1))
        .and.at.most(1 + burst + Math.ceil(rate * seconds));
      expect(refused, 'the rate is reached').to.not.be.empty;
      for (const answer of refused) {
        expect([problem(answer)['code'], answer.headers['retry-after']]).to.deep.equal(['rate-limited', '1']);
      }
      expect((await ask(path, { method, from: '127.0.1.9' })).status, 'another client').to.not.equal(429);
      await eventually(
        'the same client is let in again',
        5_000,
        async () => (await ask(path, { method, from })).status !== 429,
      );
    });
  }

  it('refuses a body of more than 1 MB itself', async () => {
    const body = JSON.stringify({ email: 'a'.repeat(1_100_000) });
    const headers = { 'content-type': 'application/json' };
    const answer = await ask('/api/v1/auth/login', { method: 'POST', body, headers });
    expect([answer.status, problem(answer)['code']]).to.deep.equal([413, 'body-too-large']);
    expect(seen).to.deep.equal([]);
  });

  it('answers with a problem what it cannot read', async () => {
    const tooLong = await ask(`/api/docs?${'a'.repeat(9_000)}`);
    expect([tooLong.status, problem(tooLong)['code']]).to.deep.equal([414, 'uri-too-long']);
    const tooMuch = await ask('/api/docs', { headers: { 'x-much': 'a'.repeat(9_000) } });
    expect([tooMuch.status, problem(tooMuch)['code']]).to.deep.equal([431, 'headers-too-large']);
    const unreadable = await ask('/api/docs', { headers: { host: 'a b' } });
    expect([unreadable.status, problem(unreadable)['code']]).to.deep.equal([400, 'malformed-request']);
    for (const { names } of [tooLong, tooMuch, unreadable]) expect(names).to.include('strict-transport-security');
  });

  it('writes down no token: neither the query nor who asked with what', async () => {
    const secret = 'lks1-secret-of-somebody';
    const headers = {
      authorization: `Bearer ${secret}`,
      cookie: `lk_refresh=${secret}`,
      referer: `https://a.example/?t=${secret}`,
    };
    const answer = await ask(`/api/v1/auth/validate?token=${secret}`, { headers });
    const requestId = answer.headers['x-request-id'];
    const line = await eventually('the request is logged', 5_000, async () =>
      (await nginx.log()).find((each) => each['requestId'] === requestId),
    );
    expect(line).to.include({ method: 'GET', path: '/api/v1/auth/validate', status: answer.status, tls: 'TLSv1.3' });
    expect(JSON.stringify(await nginx.log())).to.not.include(secret);
  });

  describe('without an API behind it', () => {
    let lonely: Nginx;

    before(async () => {
      lonely = await Nginx.start({
        program,
        apiPort: 1,
        changes: { 'client_header_timeout 10s': 'client_header_timeout 1s' },
      });
    });
    after(() => lonely?.stop());

    it('answers 503 with a problem and Retry-After', async () => {
      const answer = await ask('/api/v1/auth/validate', {}, lonely);
      expect([answer.status, problem(answer)['code']]).to.deep.equal([503, 'upstream-unavailable']);
      expect(answer.headers['retry-after']).to.equal('2');
      for (const name of SECURITY)
        expect(
          answer.names.filter((each) => each === name),
          name,
        ).to.deep.equal([name]);
    });

    it('closes on a client whose head does not come to an end', async () => {
      const socket = connectTcp({ host: '127.0.0.1', port: lonely.httpPort });
      await once(socket, 'connect');
      socket.write('GET / HTTP/1.1\r\nHost: a\r\n');
      socket.on('error', () => undefined); // cut, not closed
      await new Promise((resolve) => socket.resume().once('close', resolve));
    });
  });

  describe('when its certificate is renewed', () => {
    let other: Nginx;

    const served = async (): Promise<string> => {
      const where = { host: '127.0.0.1', port: other.httpsPort, servername: HOST };
      const socket = connectTls({ ...where, rejectUnauthorized: false });
      await once(socket, 'secureConnect');
      const { fingerprint256 } = socket.getPeerCertificate();
      socket.destroy();
      return fingerprint256;
    };

    before(async () => {
      other = await Nginx.start({ program, apiPort: 1 });
    });
    after(() => other?.stop());

    it('takes the new one on a reload', async () => {
      const renewed = await other.renewCertificate();
      expect(await served()).to.not.equal(renewed);
      await other.reload();
      await eventually('the new certificate is served', 5000, async () => (await served()) === renewed);
    });

    it('says that it cannot read the new one, and keeps the one that it has', async () => {
      const kept = await served();
      await other.spoilKey();
      const refusal = await other.reload().catch(String);
      expect(refusal).to.include('cannot load certificate key');
      expect(await served()).to.equal(kept);
    });
  });
});
