/** Holes that other systems had in registration, verification, reset and passwords: one test each, named after it. */
import { expect } from 'chai';
import * as fc from 'fast-check';
import { type Answer, Api, PASSWORD, tokensOf } from '../../../support/api.ts';
import { MailServer, tokenOf } from '../../../support/mail-server.ts';
import { createTestDatabase, type TestDatabase } from '../../../support/postgres.ts';

const isLong = process.env['TEST_LONG'] !== undefined;
const HOUR_MS = 3_600_000;
const PUBLIC_URL = 'https://auth.example.com';

let count = 0;
const newAddress = (): string => `hole-${(count += 1)}@example.com`;
const freshPassword = (): string => `Fresh-Passw0rd-${(count += 1)}`;

describe('holes of accounts', () => {
  let database: TestDatabase;
  let mails: MailServer;
  let api: Api;
  /** The same installation, where an address has to be proved first. */
  let strict: Api;
  let nowMs = Date.now();

  before(async () => {
    database = await createTestDatabase();
    mails = await MailServer.start();
    const env = { SMTP_URL: mails.url, PUBLIC_URL };
    const options = { databaseUrl: database.url, nowMs: () => nowMs };
    api = await Api.start({ ...options, env });
    strict = await Api.start({ ...options, env: { ...env, EMAIL_VERIFICATION: 'required' } });
  });
  after(async () => {
    await Promise.all([api?.stop(), strict?.stop()]);
    await mails?.stop();
    await database?.drop();
  });

  const login = (email: string, password = PASSWORD): Promise<Answer> =>
    api.post('/api/v1/auth/login', { email, password });
  const forgot = (email: string, headers: Readonly<Record<string, string>> = {}) =>
    api.post('/api/v1/auth/forgot-password', { email }, { headers });
  const reset = (token: string, newPassword: string) => api.post('/api/v1/auth/reset-password', { token, newPassword });
  const verify = (token: string) => api.post('/api/v1/auth/verify-email', { token });
  const resetToken = async (email: string): Promise<string> => {
    await forgot(email);
    return tokenOf(await mails.mailTo(email, /^Reset/));
  };
  const verificationToken = async (): Promise<string> => {
    const email = newAddress();
    await strict.post('/api/v1/auth/register', { email, password: PASSWORD });
    return tokenOf(await mails.mailTo(email, /^Confirm/));
  };

  it('CVE-2026-18963: no order of steps sets anybody’s password without the token of his mail', async () => {
    const victim = await api.register();
    const attacker = await api.register();
    const { accessToken } = await api.login(attacker);
    const own = await resetToken(attacker);
    const tenant = own.split('.')[1] ?? '';
    const wish = 'Attackers-Passw0rd-1';
    const forged = `lko1.${tenant}.${'A'.repeat(43)}`;
    // Whatever an attacker can send who reads no mail but his own; his link stays unspent, since its endings are spoilt.
    const steps: Readonly<Record<string, () => Promise<Answer>>> = {
      'forgot victim': () => forgot(victim),
      'forgot attacker': () => forgot(attacker),
      'resend victim': () => api.post('/api/v1/auth/resend-verification', { email: victim }),
      'register victim': () => strict.post('/api/v1/auth/register', { email: victim, password: wish }),
      'reset by nothing': () => reset('', wish),
      'reset by a forged token': () => reset(forged, wish),
      'reset by a spoilt token': () => reset(`${own}A`, wish),
      'reset with the victim named': () =>
        api.post('/api/v1/auth/reset-password', { token: own, newPassword: wish, email: victim }),
      'verify by the reset token': () => verify(own),
      'change in his own session': () =>
        api.post(
          '/api/v1/auth/password',
          { currentPassword: wish, newPassword: wish, email: victim },
          { bearer: accessToken },
        ),
      'change as expired': () =>
        api.post('/api/v1/auth/password/expired', {
          email: victim,
          currentPassword: wish,
          newPassword: freshPassword(),
        }),
    };
    const walk = fc.array(fc.constantFrom(...Object.keys(steps)), { minLength: 1, maxLength: 12 });
    const hashOf = async () =>
      (await database.query('SELECT password_hash FROM auth.users_extended WHERE email = $1', [victim]))[0]?.[
        'password_hash'
      ];
    const before = await hashOf();
    await fc.assert(
      fc.asyncProperty(walk, async (names) => {
        for (const name of names) await steps[name]?.();
        expect(await hashOf()).to.equal(before);
      }),
      { numRuns: isLong ? 500 : 25 },
    );
    expect((await reset(own, freshPassword())).status, 'his own link still sets his own').to.equal(204);
    expect(await hashOf()).to.equal(before);
  });

  it('CVE-2026-4282: a token of one purpose is worth nothing at the endpoint of another, and is not spent there', async () => {
    const email = await api.register();
    const account = await api.register();
    await database.query(
      `INSERT INTO latchkey.totp_factor (id, org_id, user_id, sealed_secret, key_id, confirmed_at)
       SELECT gen_random_uuid(), org_id, id, 'sealed', 'key', now() FROM auth.users_extended WHERE email = $1`,
      [account],
    );
    const tokens: Readonly<Record<string, string>> = {
      'verify-email': await verificationToken(),
      'reset-password': await resetToken(email),
      'login-second-factor': String((await login(account)).body['mfaToken']),
    };
    const uses: Readonly<Record<string, (token: string) => Promise<Answer>>> = {
      'verify-email': verify,
      'reset-password': (token) => reset(token, freshPassword()),
      'login-second-factor': (mfaToken) => api.post('/api/v1/auth/login/mfa', { mfaToken, code: '123456' }),
    };
    for (const [purpose, token] of Object.entries(tokens)) {
      expect(token, purpose).to.match(/^lko1\./);
      for (const [endpoint, use] of Object.entries(uses)) {
        if (endpoint === purpose) continue;
        const { status, body } = await use(token);
        expect(status, `${purpose} at ${endpoint}`).to.be.oneOf([400, 401]);
        expect(body['code']).to.be.oneOf(['link-invalid', 'mfa-token-invalid']);
      }
    }
    expect((await verify(tokens['verify-email'] ?? '')).status).to.equal(204);
    expect((await reset(tokens['reset-password'] ?? '', freshPassword())).status).to.equal(204);
  });

  it('GHSA-3529-5m8x-rpv3: whatever a request says its host is, the link begins with PUBLIC_URL', async () => {
    const host = fc.oneof(
      fc.domain(),
      fc.ipV4(),
      fc.domain().map((name) => `${name}:8443`),
      fc.constant('evil.example/path'),
    );
    await fc.assert(
      fc.asyncProperty(host, fc.constantFrom('http', 'https', 'javascript'), async (name, proto) => {
        const email = await api.register();
        const forwarded = {
          'x-forwarded-host': name,
          'x-forwarded-proto': proto,
          forwarded: `host=${name};proto=${proto}`,
        };
        await forgot(email, { host: name, ...forwarded, 'x-forwarded-prefix': '/evil', origin: `https://${name}` });
        const { text, html } = await mails.mailTo(email, /^Reset/);
        expect(text.match(/https?:\/\/[^\s#]+/g)).to.deep.equal([`${PUBLIC_URL}/reset-password`]);
        expect(html.match(/https?:\/\/[^\s#"]+/g)).to.deep.equal([`${PUBLIC_URL}/reset-password`]);
      }),
      { numRuns: isLong ? 100 : 6 },
    );
  });

  it('GHSA-7rqj-j65f-68wh: what is stored is what was checked, in one spelling, without invisible or foreign characters', async () => {
    const invisible = ['\u200b', '\u00ad', '\u202e', '\u2060', '\ufeff', '\u0000', '\ufe0f', '\u3164', '\u00a0'];
    const confusable = ['а', 'ο', 'ѕ', 'ı', 'ɡ', 'é', '＠＠', '@example.com,', 'İ'];
    for (const character of [...invisible, ...confusable]) {
      const email = `na${character}me-${(count += 1)}@example.com`;
      const { status, body } = await api.post('/api/v1/auth/register', { email, password: PASSWORD });
      expect(status, JSON.stringify(email)).to.equal(400);
      expect((body['errors'] as { field: string }[])[0]?.field).to.equal('email');
    }
    const text = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 30 }),
      fc.emailAddress().map((email) => email.toUpperCase()),
    );
    await fc.assert(
      fc.asyncProperty(text, async (raw) => {
        const { status, body } = await api.post('/api/v1/auth/register', { email: raw, password: PASSWORD });
        expect(status).to.be.oneOf([201, 400, 409]);
        if (status !== 201) return;
        const { email } = body['user'] as { email: string };
        expect(email)
          .to.match(/^[\x21-\x7e]+$/)
          .and.to.equal(email.normalize('NFKC').trim().toLowerCase());
        const rows = await database.query('SELECT email FROM auth.users_extended WHERE email = $1', [email]);
        expect(rows).to.deep.equal([{ email }]);
        expect((await login(raw)).status, 'and it is found by what was typed').to.equal(200);
      }),
      { numRuns: isLong ? 2000 : 60 },
    );
  });

  it('CVE-2026-27946: nobody sets what is not his to set: each unknown field is refused by name', async () => {
    const email = await api.register();
    const { accessToken } = await api.login(email);
    const privileged = [
      'emailVerified',
      'email_verified',
      'isActive',
      'roles',
      'role',
      'permissions',
      'organizationId',
      'orgId',
      'tenantId',
      'id',
      'userId',
      'passwordHash',
      'mustChangePassword',
      '__proto__x',
      'constructor',
    ];
    const bodies: readonly (readonly [string, Readonly<Record<string, unknown>>])[] = [
      ['/api/v1/auth/register', { email: newAddress(), password: PASSWORD }],
      ['/api/v1/auth/verify-email', { token: 'x' }],
      ['/api/v1/auth/resend-verification', { email }],
      ['/api/v1/auth/forgot-password', { email }],
      ['/api/v1/auth/reset-password', { token: 'x', newPassword: PASSWORD }],
      ['/api/v1/auth/password', { currentPassword: PASSWORD, newPassword: freshPassword() }],
      ['/api/v1/auth/password/expired', { email, currentPassword: PASSWORD, newPassword: freshPassword() }],
    ];
    for (const [path, body] of bodies) {
      for (const field of privileged) {
        const answer = await api.post(path, { ...body, [field]: true }, { bearer: accessToken });
        expect(answer.status, `${path} ${field}`).to.equal(400);
        expect(answer.body['errors']).to.deep.equal([{ field, message: 'is not known' }]);
      }
    }
    const [row] = await database.query('SELECT email_verified FROM auth.users_extended WHERE email = $1', [email]);
    expect(row).to.deep.equal({ email_verified: false });
  });

  it('CVE-2025-46815: each one-time link works once, one after the other and all at once', async () => {
    const parallel = isLong ? 50 : 10;
    const statuses = async (use: () => Promise<Answer>): Promise<readonly number[]> => {
      const together = await Promise.all(Array.from({ length: parallel }, use));
      return [...together, await use()].map(({ status }) => status).toSorted((a, b) => a - b);
    };
    const once = [204, ...Array.from({ length: parallel }, () => 400)];
    const toVerify = await verificationToken();
    expect(await statuses(() => verify(toVerify))).to.deep.equal(once);
    const email = await api.register();
    const toReset = await resetToken(email);
    let accepted = '';
    const resetAnew = async (): Promise<Answer> => {
      const password = freshPassword();
      const answer = await reset(toReset, password);
      if (answer.status === 204) accepted = password;
      return answer;
    };
    expect(await statuses(resetAnew)).to.deep.equal(once);
    expect((await login(email, accepted)).status).to.equal(200);
  });

  it('CVE-2025-64708: a link ends by the clock, though no job has taken its row away', async () => {
    const toVerify = await verificationToken();
    const email = await api.register();
    const toReset = await resetToken(email);
    const rows = async () => (await database.query('SELECT count(*)::int AS n FROM latchkey.one_time_token'))[0]?.['n'];
    const before = await rows();
    nowMs += HOUR_MS;
    expect((await reset(toReset, freshPassword())).body).to.include({ code: 'link-invalid' });
    nowMs += 23 * HOUR_MS;
    expect((await verify(toVerify)).body).to.include({ code: 'link-invalid' });
    expect(await rows(), 'the rows are still there').to.equal(before);
    expect((await login(email)).status).to.equal(200);
  });

  it('Okta 2024-10-30: passwords that differ behind the 72nd byte differ, in any script', async () => {
    const heads = [
      'a'.repeat(71),
      'a'.repeat(72),
      'a'.repeat(73),
      '€'.repeat(24),
      '😀'.repeat(18),
      `${'b'.repeat(71)}é`,
    ];
    for (const head of heads) {
      const email = newAddress();
      const password = `${head}Aa1!`;
      const answer = await api.post('/api/v1/auth/register', { email, password });
      expect(answer.status).to.equal(201);
      expect((await login(email, `${head}Aa1?`)).status).to.equal(401);
      expect((await login(email, head)).status).to.equal(401);
      expect(tokensOf(await login(email, password)).sessionId).to.be.a('string');
    }
  });
});
