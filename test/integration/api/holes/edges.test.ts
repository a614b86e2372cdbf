/** Holes of other systems at the edge (facts of the field, by their ids): addresses, forwarded headers, malformed credentials. */
import { expect } from 'chai';
import * as fc from 'fast-check';
import { endpointSpecs } from '../../../../api/src/routes/all.ts';
import { type Answer, Api } from '../../../support/api.ts';
import { createTestDatabase, type TestDatabase } from '../../../support/postgres.ts';

const LONG = process.env['TEST_LONG'] === '1';
const LIMIT = 12;

describe('holes of other systems: edges', () => {
  let database: TestDatabase;
  /** Behind a proxy that it trusts; the test is the proxy. */
  let behind: Api;
  /** Trusts nobody. */
  let direct: Api;
  let nowMs = Date.now();

  before(async () => {
    database = await createTestDatabase();
    const start = (env: Readonly<Record<string, string>>) =>
      Api.start({ databaseUrl: database.url, env, nowMs: () => nowMs });
    [behind, direct] = await Promise.all([
      start({ TRUST_PROXY: '127.0.0.0/8', RATE_LIMIT_PER_MINUTE: String(LIMIT) }),
      start({ RATE_LIMIT_PER_MINUTE: String(LIMIT) }),
    ]);
  });
  beforeEach(() => {
    nowMs += 3_600_000; // empty windows
  });
  after(async () => {
    await Promise.all([behind?.stop(), direct?.stop()]);
    await database?.drop();
  });

  const from = (address: string, api = behind): Promise<Answer> =>
    api.get('/api/v1/auth/validate', { headers: { 'x-forwarded-for': address } });
  const spend = async (addresses: readonly string[], api = behind): Promise<number> => {
    let answered = 0;
    for (const address of addresses) if ((await from(address, api)).status === 401) answered += 1;
    return answered;
  };

  it('CVE-2026-45364: rotating through 64 addresses of one /64 and writing one address six ways is one budget', async () => {
    const rotating = Array.from({ length: 64 }, (_, i) => `2001:db8:7:1::${(2 ** (i % 16) + i).toString(16)}`);
    expect(await spend(rotating)).to.equal(LIMIT);
    const spelled = [
      '2001:db8:8::1',
      '2001:DB8:8::1',
      '2001:db8:8:0:0:0:0:1',
      '2001:0db8:0008::0001',
      '2001:db8:8::0.0.0.1',
      '2001:db8:8:00ff::1',
    ];
    expect(await spend([...spelled, ...spelled, ...spelled])).to.equal(LIMIT);
  });

  it('GHSA-46wh-pxpv-q5gq: mapped IPv4 clients do not share one budget, and each spelling of one of them does', async () => {
    const one = ['203.0.113.1', '::ffff:203.0.113.1', '::ffff:cb00:7101', '::FFFF:203.0.113.1'];
    expect(await spend([...one, ...one, ...one, ...one])).to.equal(LIMIT);
    expect((await from('::ffff:203.0.113.2')).status).to.equal(401);
  });

  it('Hanko #2739: a client that nobody trusts cannot choose its address, with whatever header', async () => {
    const answers: Answer[] = [];
    for (let i = 0; i < 2 * LIMIT; i += 1) {
      const address = `198.51.100.${i}`;
      const headers = {
        'x-forwarded-for': address,
        forwarded: `for=${address}`,
        'x-real-ip': address,
        'cf-connecting-ip': address,
        'true-client-ip': address,
        'x-client-ip': address,
      };
      answers.push(await direct.get('/api/v1/auth/validate', { headers }));
    }
    expect(answers.filter(({ status }) => status === 401)).to.have.length(LIMIT);
  });

  it('Hanko #2739: behind a trusted proxy only what that proxy itself has seen counts, not what the client wrote before it', async () => {
    const spoofed = Array.from({ length: 2 * LIMIT }, (_, i) => `198.51.100.${i}, 203.0.113.77`);
    expect(await spend(spoofed)).to.equal(LIMIT);
  });

  it('CVE-2024-47070: garbage in a forwarded header skips nothing: same answers, one budget', async () => {
    const garbage = [
      'unknown',
      '',
      ',',
      ' , ',
      '999.1.1.1',
      '1.2.3.4.5',
      ':::',
      '[::1]:80',
      "' OR 1=1",
      '\u00ff\u00fe',
      'x'.repeat(4_000),
      '127.0.0.1:80',
      'localhost',
      '_secret',
      '::ffff:999.9.9.9',
      '%00',
    ];
    let answered = 0;
    for (const address of [...garbage, ...garbage]) {
      const answer = await from(address);
      expect(answer.status, address).to.be.oneOf([401, 429]);
      if (answer.status === 401) answered += 1;
    }
    expect(answered).to.equal(LIMIT);
  });
});

describe('holes of other systems: malformed credentials', () => {
  let database: TestDatabase;
  let api: Api;
  before(async () => {
    database = await createTestDatabase();
    api = await Api.start({ databaseUrl: database.url });
  });
  after(async () => {
    await api?.stop();
    await database?.drop();
  });

  const NAUGHTY = [
    '',
    ' ',
    'null',
    'undefined',
    'true',
    '0',
    '-1',
    'NaN',
    '[]',
    '{}',
    '{"a":',
    '%00',
    '%c0%af',
    '../../etc/passwd',
    "' OR '1'='1",
    '"; DROP TABLE x; --',
    '<script>alert(1)</script>',
    '${jndi:ldap://x}',
    '__proto__',
    'Bearer',
    'Bearer ',
    'Bearer null',
    'Bearer a.b.c',
    'Bearer ..',
    'Bearer a.b.c.d.e',
    'Basic Og==',
    'Basic',
    'Digest x',
    'Bearer \u00ff',
    '\u00ff\u00fe\u00fd',
    '\t',
    'a'.repeat(5_000),
    '='.repeat(100),
    ';;;',
    ',,,',
    'a=b; a=c; a',
    '__Host-lk_access=x',
    '__Host-lk_access="',
    'sig=:AAAA:',
    ':',
    '0x41',
    '1e309',
    '\u00a0',
    'eyJhbGciOiJub25lIn0.e30.',
    'Bearer eyJhbGciOiJub25lIn0.e30.',
  ];
  const HEADERS = [
    'authorization',
    'cookie',
    'x-csrf-token',
    'origin',
    'referer',
    'content-type',
    'content-encoding',
    'accept',
    'accept-encoding',
    'accept-language',
    'user-agent',
    'x-forwarded-for',
    'x-forwarded-proto',
    'x-forwarded-host',
    'forwarded',
    'x-request-id',
    'latchkey-api-version',
    'signature',
    'signature-input',
    'content-digest',
    'if-match',
    'if-none-match',
    'range',
    'x-http-method-override',
    'sec-fetch-site',
    'x-real-ip',
    'via',
    'traceparent',
    'date',
    'host',
  ];
  /** What asks for a credential before it does anything. */
  const guarded = endpointSpecs().filter(({ access }) => access !== 'public');

  it('GHSA-xmf8-cvqr-rfgj: no text in any header opens an endpoint that needs a credential, or breaks it', async function () {
    this.timeout(300_000);
    const wrong: string[] = [];
    const ask = async (method: string, path: string, name: string, value: string): Promise<void> => {
      const answer = await api.send(
        method.toUpperCase(),
        path.replaceAll(/\{\w+\}/g, '00000000-0000-4000-8000-000000000001'),
        {
          headers: { [name]: value },
          ...(method === 'get' ? {} : { rawBody: '{}' }),
        },
      );
      if (answer.status < 400 || answer.status > 499)
        wrong.push(`${method} ${path} ${name}: ${value.slice(0, 40)} → ${answer.status}`);
    };
    let turn = 0;
    for (const { method, path } of guarded) {
      for (const name of HEADERS) {
        // Every pair of a header and a text on every endpoint at length; otherwise each endpoint meets another part of them.
        const texts = LONG ? NAUGHTY : NAUGHTY.filter((_, index) => (index + (turn += 1)) % 37 === 0);
        await Promise.all(texts.map((value) => ask(method, path, name, value)));
      }
    }
    expect(wrong).to.deep.equal([]);
  });

  it('GHSA-8fpg-xm3f-6cx3: whatever stands in Authorization is 401 with a challenge', async () => {
    const header = fc
      .string({ unit: 'binary', maxLength: 300 })
      .map((text) => text.replaceAll(/[^\t\u0020-\u007e\u0080-\u00ff]/g, '?'));
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          header,
          header.map((text) => `Bearer ${text}`),
        ),
        async (authorization) => {
          const answer = await api.get('/api/v1/auth/me', { headers: { authorization } });
          expect([answer.status, answer.headers['www-authenticate']]).to.deep.equal([401, 'Bearer']);
        },
      ),
      { numRuns: LONG ? 5_000 : 200 },
    );
  });
});
