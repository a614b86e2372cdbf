/**
 * Holes that other systems had around login, guessing and second factor (facts §2.10), walked over every endpoint that takes a credential.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { Database } from '../../../../api/src/db/database.ts';
import type { EndpointSpec } from '../../../../api/src/http/endpoint.ts';
import { createMetrics } from '../../../../api/src/metrics.ts';
import { endpointSpecs } from '../../../../api/src/routes/all.ts';
import { issueOneTimeToken } from '../../../../api/src/services/one-time-tokens.ts';
import { type Answer, Api, PASSWORD } from '../../../support/api.ts';
import { bodyFor, isGuessable, NEXT_PASSWORD, type Secrets, wrongGuess } from '../../../support/credentials.ts';
import { createTestDatabase, type TestDatabase } from '../../../support/postgres.ts';
import { Clock, codeNow, type Enrolled, enrol, finish, logIn, mfaTokenFor } from '../../../support/totp.ts';

const MINUTE = 60_000;
const specs = endpointSpecs();
const credentialSpecs = specs.filter((spec) => spec.takesCredential === true);

interface Victim extends Enrolled {
  readonly secrets: Secrets;
}

describe('holes of others around login', () => {
  const clock = new Clock();
  let database: TestDatabase;
  let direct: Database;
  let api: Api;
  let folder: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'latchkey-mails-'));
    database = await createTestDatabase();
    direct = new Database({ url: database.url, metrics: createMetrics(), onIdleError: () => undefined });
    const env = { EMAIL_VERIFICATION: 'optional', MAIL_FOLDER: folder };
    api = await Api.start({ databaseUrl: database.url, nowMs: clock.read, env });
  });
  after(async () => {
    await api?.stop();
    await direct?.close();
    await database?.drop();
    await rm(folder, { recursive: true, force: true });
  });

  const userOf = async (email: string): Promise<{ readonly userId: string; readonly tenantId: string }> => {
    const [row] = await database.query('SELECT id, org_id FROM auth.users_extended WHERE email = $1', [email]);
    return { userId: String(row?.['id']), tenantId: String(row?.['org_id']) };
  };
  const linkToken = async (email: string, purpose: 'verify-email' | 'reset-password'): Promise<string> => {
    const account = await userOf(email);
    const nowMs = clock.nowMs;
    return direct.inTenant(account.tenantId, (tx) =>
      issueOneTimeToken(tx, { ...account, purpose, email, nowMs, expiresAtMs: nowMs + 30 * MINUTE }),
    );
  };
  /** An account with a second factor, and everything that its owner could show to this endpoint. */
  const victimFor = async (spec: EndpointSpec): Promise<Victim> => {
    if (spec.path.endsWith('/totp/confirm')) return waitingVictim();
    const enrolled = await enrol(api, clock);
    const { email, secret, backupCodes, tokens } = enrolled;
    const token = await linkToken(email, /verif/.test(spec.path) ? 'verify-email' : 'reset-password');
    const mfaToken = await mfaTokenFor(api, email);
    const passwords = { password: PASSWORD, currentPassword: PASSWORD, newPassword: NEXT_PASSWORD };
    const code = codeNow(secret, clock.nowMs);
    const secrets = {
      email,
      token,
      mfaToken,
      code,
      backupCode: backupCodes[0] ?? '',
      refreshToken: tokens.refreshToken,
      ...passwords,
    };
    return { ...enrolled, secrets };
  };
  /** An account whose second factor waits for its first code. */
  const waitingVictim = async (): Promise<Victim> => {
    const email = await api.register();
    const tokens = await api.login(email);
    const begun = await api.post('/api/v1/auth/mfa/totp', undefined, { bearer: tokens.accessToken });
    const secret = String(begun.body['secret']);
    return { email, secret, backupCodes: [], tokens, secrets: { code: codeNow(secret, clock.nowMs) } };
  };
  const call = (spec: EndpointSpec, victim: Victim, secrets = victim.secrets): Promise<Answer> =>
    api.send(spec.method.toUpperCase(), spec.path, {
      body: bodyFor(spec, secrets),
      ...(spec.access === 'public' ? {} : { bearer: victim.tokens.accessToken }),
    });
  const liveSessions = async (email: string): Promise<number> =>
    (
      await database.query("SELECT 1 FROM auth.user_sessions WHERE user_id = $1 AND status = 'active'", [
        (await userOf(email)).userId,
      ])
    ).length;
  /** No token, no cookie, no next step. */
  const expectNothing = (answer: Answer, what: string): void => {
    expect(answer.text, what).not.to.match(/accessToken|refreshToken|mfaToken|csrfToken/);
    expect(answer.headers, what).not.to.have.property('set-cookie');
    expect(answer.status, what).to.be.below(500);
  };
  const nameOf = (spec: EndpointSpec): string => `${spec.method.toUpperCase()} ${spec.path}`;

  it('there are endpoints to walk over, and the login is among them', () => {
    expect(credentialSpecs.map(nameOf)).to.include.members(['POST /api/v1/auth/login', 'POST /api/v1/auth/refresh']);
    expect(credentialSpecs.filter(isGuessable).length).to.be.at.least(5);
  });

  for (const spec of credentialSpecs) {
    it(`CVE-2026-9798, CVE-2025-53942: ${nameOf(spec)} gives a disabled account nothing, whatever it shows`, async () => {
      const victim = await victimFor(spec);
      await database.query('UPDATE auth.users_extended SET is_active = false WHERE email = $1', [victim.email]);
      const before = await liveSessions(victim.email);
      const answer = await call(spec, victim);
      expectNothing(answer, answer.text);
      if (isGuessable(spec) || spec.access !== 'public') expect(answer.status, answer.text).to.equal(401);
      expect(await liveSessions(victim.email)).to.be.at.most(before);
    });
  }

  for (const spec of credentialSpecs.filter(isGuessable)) {
    it(`CVE-2026-16103, CVE-2026-88770: ${nameOf(spec)} refuses the right secret after five wrong ones in parallel`, async () => {
      const victim = await victimFor(spec);
      const wrong = wrongGuess(victim.secrets);
      const guesses = await Promise.all(Array.from({ length: 12 }, () => call(spec, victim, wrong)));
      for (const guess of guesses) expect(guess.status, guess.text).to.equal(401);
      const answer = await call(spec, victim);
      expectNothing(answer, answer.text);
      expect([answer.status, answer.text.replace(/"requestId":"[^"]*"/, '')]).to.deep.equal([
        guesses[0]?.status,
        guesses[0]?.text.replace(/"requestId":"[^"]*"/, ''),
      ]);
    });
  }

  for (const spec of credentialSpecs.filter(({ access }) => access === 'public').filter(isGuessable)) {
    it(`CVE-2026-9798: ${nameOf(spec)} gives an unverified account nothing where verification is required`, async () => {
      const strict = await Api.start({
        databaseUrl: database.url,
        nowMs: clock.read,
        env: { EMAIL_VERIFICATION: 'required', MAIL_FOLDER: folder },
      });
      const victim = await victimFor(spec);
      await database.query('UPDATE auth.users_extended SET email_verified = false WHERE email = $1', [victim.email]);
      const answer = await strict.post(spec.path, bodyFor(spec, victim.secrets));
      await strict.stop();
      expectNothing(answer, answer.text);
      expect(answer.status).to.equal(401);
    });
  }

  describe('CVE-2025-64102, CVE-2024-32868: each factor has a budget of its own, and sixty guesses at once are five', () => {
    const failuresIn = async (email: string): Promise<Readonly<Record<string, number>>> => {
      const rows = await database.query('SELECT pool, failures FROM latchkey.attempt_budget WHERE user_id = $1', [
        (await userOf(email)).userId,
      ]);
      return Object.fromEntries(rows.map((row) => [String(row['pool']), Number(row['failures'])]));
    };

    it('of the password', async () => {
      const { email } = await enrol(api, clock);
      const guesses = Array.from({ length: 60 }, (_, guess) => logIn(api, email, { password: `${PASSWORD}${guess}` }));
      for (const { status } of await Promise.all(guesses)) expect(status).to.be.oneOf([401, 503]);
      expect(await failuresIn(email)).to.deep.equal({ password: 5 });
      expect((await logIn(api, email)).status).to.equal(401);
    });

    it('of the app and of the backup codes, neither of which takes from the other or from the password', async () => {
      const { email, secret, backupCodes } = await enrol(api, clock);
      const mfaToken = await mfaTokenFor(api, email);
      const wrongCodes = Array.from({ length: 60 }, (_, guess) =>
        finish(api, { mfaToken, code: String(100_000 + guess) }),
      );
      for (const { status } of await Promise.all(wrongCodes)) expect(status).to.equal(401);
      expect(await failuresIn(email)).to.deep.equal({ totp: 5 });
      expect((await finish(api, { mfaToken, code: codeNow(secret, clock.nowMs) })).status, 'the right code').to.equal(
        401,
      );
      expect((await finish(api, { mfaToken, backupCode: backupCodes[0] })).status, 'a backup code').to.equal(200);
    });

    it('of a backup code, whose right one is not used up by a refusal', async () => {
      const { email, backupCodes } = await enrol(api, clock);
      const mfaToken = await mfaTokenFor(api, email);
      const wrongCodes = Array.from({ length: 20 }, () => finish(api, { mfaToken, backupCode: 'AAAA-BBBB-CCCC-DDDD' }));
      for (const { status } of await Promise.all(wrongCodes)) expect(status).to.equal(401);
      expect((await finish(api, { mfaToken, backupCode: backupCodes[0] })).status).to.equal(401);
      clock.advance(30 * MINUTE);
      const later = await mfaTokenFor(api, email);
      expect((await finish(api, { mfaToken: later, backupCode: backupCodes[0] })).status).to.equal(200);
    });

    it('of a known device, which an attacker with the password cannot use up', async () => {
      const { email, secret } = await enrol(api, clock);
      const first = await finish(api, { mfaToken: await mfaTokenFor(api, email), code: codeNow(secret, clock.nowMs) });
      const deviceToken = String(first.body['deviceToken']);
      clock.advance(30_000);
      const stolen = await mfaTokenFor(api, email);
      for (let guess = 0; guess < 8; guess += 1) await finish(api, { mfaToken: stolen, code: '000000' });
      const code = codeNow(secret, clock.nowMs);
      expect((await finish(api, { mfaToken: await mfaTokenFor(api, email), code })).status, 'a stranger').to.equal(401);
      const own = await mfaTokenFor(api, email, { deviceToken });
      expect((await finish(api, { mfaToken: own, code })).status, 'the owner').to.equal(200);
    });
  });

  it('GHSA-xg6x-h9c9-2m83: the token between password and code opens no endpoint, in no place', async () => {
    const { email } = await enrol(api, clock);
    const mfaToken = await mfaTokenFor(api, email);
    const secrets = {
      token: mfaToken,
      refreshToken: mfaToken,
      email,
      password: 'x',
      currentPassword: 'x',
      newPassword: NEXT_PASSWORD,
      mfaToken: 'x',
      code: '000000',
    };
    const isOpen = ({ access, takesCredential }: EndpointSpec): boolean =>
      access === 'public' && takesCredential !== true;
    for (const spec of specs.filter((one) => !isOpen(one))) {
      const path = spec.path.replaceAll(/\{\w+\}/g, '00000000-0000-4000-8000-000000000000');
      const body = spec.takesCredential === true ? bodyFor(spec, secrets) : undefined;
      for (const place of [{ bearer: mfaToken }, { headers: { cookie: `__Host-latchkey=${mfaToken}` } }]) {
        const answer = await api.send(spec.method.toUpperCase(), path, { body, ...place });
        const refused = spec.access === 'public' ? [400, 401, 403] : [401, 403];
        expect(answer.status, `${nameOf(spec)} ${answer.text}`).to.be.oneOf(refused);
      }
    }
  });
});
