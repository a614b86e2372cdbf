/** The second factor, from the QR code to the login that asks for it. */
import { expect } from 'chai';
import * as fc from 'fast-check';
import { stepOf } from '../../../api/src/crypto/totp.ts';
import { type Answer, Api, PASSWORD, tokensOf } from '../../support/api.ts';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.ts';
import { Clock, codeNow, enrol, finish, logIn, mfaTokenFor } from '../../support/totp.ts';

const MFA = '/api/v1/auth/mfa';
const MINUTE = 60_000;
const RUNS = process.env['TEST_LONG'] === undefined ? 8 : 100;

describe('second factor', () => {
  const clock = new Clock();
  let database: TestDatabase;
  let api: Api;

  before(async () => {
    database = await createTestDatabase();
    api = await Api.start({ databaseUrl: database.url, nowMs: clock.read });
  });
  after(async () => {
    await api?.stop();
    await database?.drop();
  });

  const codeOf = ({ status, body }: Answer): unknown => [status, body['code']];
  const rowsOf = (table: string, email: string) =>
    database.query(`SELECT t.* FROM ${table} t JOIN auth.users_extended u ON u.id = t.user_id WHERE u.email = $1`, [
      email,
    ]);
  const begin = (bearer: string): Promise<Answer> => api.post(`${MFA}/totp`, undefined, { bearer });
  const confirm = (bearer: string, code: string): Promise<Answer> =>
    api.post(`${MFA}/totp/confirm`, { code }, { bearer });

  describe('set up', () => {
    it('Property 18: shows a QR code, a secret to type, and the URI that both stand for', async () => {
      const { accessToken } = await api.newSession();
      const { body, status } = await begin(accessToken);
      expect(status).to.equal(200);
      expect(body['qrCode']).to.match(/^data:image\/png;base64,[A-Za-z0-9+/]{200,}=*$/);
      expect(body['otpauthUri'])
        .to.include(`secret=${String(body['secret'])}`)
        .and.to.include('Latchkey');
    });

    it('is asked for only once its first code was right, and then gives ten codes and a new session id', async () => {
      const email = await api.register();
      const old = await api.login(email);
      const secret = String((await begin(old.accessToken)).body['secret']);
      expect((await logIn(api, email)).body).not.to.have.property('mfaRequired');
      expect(codeOf(await confirm(old.accessToken, '000000'))).to.deep.equal([401, 'mfa-code-wrong']);
      const answer = await confirm(old.accessToken, codeNow(secret, clock.nowMs));
      expect(answer.body['backupCodes']).to.have.length(10);
      const renewed = tokensOf(answer);
      expect(renewed.sessionId).not.to.equal(old.sessionId);
      expect(codeOf(await api.me(old.accessToken))).to.deep.equal([401, 'session-ended']);
      expect((await api.me(renewed.accessToken)).status).to.equal(200);
      const status = await api.get(MFA, { bearer: renewed.accessToken });
      expect(status.body).to.deep.include({ backupCodesLeft: 10 });
      expect(status.body['totp']).to.deep.equal({ isEnabled: true, enabledAt: new Date(clock.nowMs).toISOString() });
      expect((await logIn(api, email)).body['mfaRequired']).to.equal(true);
    });

    it('begins again as often as one likes, but never over one that is confirmed', async () => {
      const { tokens } = await enrol(api, clock);
      expect(codeOf(await begin(tokens.accessToken))).to.deep.equal([409, 'conflict']);
      const { accessToken } = await api.newSession();
      const first = String((await begin(accessToken)).body['secret']);
      const second = String((await begin(accessToken)).body['secret']);
      expect(codeOf(await confirm(accessToken, codeNow(first, clock.nowMs)))).to.deep.equal([401, 'mfa-code-wrong']);
      expect((await confirm(accessToken, codeNow(second, clock.nowMs))).status).to.equal(200);
    });

    it('asks for a recent login, as does everything that changes it', async () => {
      const { tokens, secret, email } = await enrol(api, clock);
      const mfaToken = await mfaTokenFor(api, email);
      const { accessToken } = tokensOf(await finish(api, { mfaToken, code: codeNow(secret, clock.nowMs) }));
      clock.advance(11 * MINUTE);
      const calls = [
        await begin(accessToken),
        await confirm(accessToken, '123456'),
        await api.post(`${MFA}/backup-codes`, undefined, { bearer: accessToken }),
        await api.send('DELETE', `${MFA}/totp`, { body: { code: codeNow(secret, clock.nowMs) }, bearer: accessToken }),
      ];
      for (const answer of calls) expect(codeOf(answer)).to.deep.equal([401, 'recent-login-needed']);
      const proof = { password: PASSWORD, code: codeNow(secret, clock.nowMs) };
      expect(
        codeOf(await api.post('/api/v1/auth/reauthenticate', { password: PASSWORD }, { bearer: accessToken })),
      ).to.deep.equal([401, 'mfa-code-wrong']);
      expect((await api.post('/api/v1/auth/reauthenticate', proof, { bearer: accessToken })).status).to.equal(204);
      expect((await api.post(`${MFA}/backup-codes`, undefined, { bearer: accessToken })).status).to.equal(200);
      void tokens;
    });

    it('Property 22: stands in the database sealed under a named key, and its backup codes as keyed digests', async () => {
      const { email, secret, backupCodes } = await enrol(api, clock);
      const [factor] = await rowsOf('latchkey.totp_factor', email);
      expect(factor?.['sealed_secret']).to.match(new RegExp(`^1\\.${String(factor?.['key_id'])}\\.`));
      const everything = JSON.stringify([
        factor,
        await rowsOf('latchkey.backup_code', email),
        await rowsOf('auth.audit_events', email),
      ]);
      for (const text of [secret, ...backupCodes, ...backupCodes.map((code) => code.replaceAll('-', ''))]) {
        expect(everything).not.to.include(text);
      }
      // A secret that is moved to another account does not open there.
      const other = await enrol(api, clock);
      await database.query(
        `UPDATE latchkey.totp_factor SET sealed_secret = $2 WHERE user_id = (SELECT id FROM auth.users_extended WHERE email = $1)`,
        [other.email, factor?.['sealed_secret']],
      );
      const mfaToken = await mfaTokenFor(api, other.email);
      expect((await finish(api, { mfaToken, code: codeNow(secret, clock.nowMs) })).status).to.equal(500);
    });

    it('tells the owner by mail, and the trail, when it changes', async () => {
      const { email, tokens, secret } = await enrol(api, clock);
      await api.post(`${MFA}/backup-codes`, undefined, { bearer: tokens.accessToken });
      const code = codeNow(secret, clock.nowMs);
      expect((await api.send('DELETE', `${MFA}/totp`, { body: { code }, bearer: tokens.accessToken })).status).to.equal(
        204,
      );
      const events = await rowsOf('auth.audit_events', email);
      const actions = events
        .filter((event) => String(event['event_type']).startsWith('mfa'))
        .map((event) => event['action']);
      expect(actions).to.have.members(['enabled', 'renew-backup-codes', 'disabled']);
      expect((await logIn(api, email)).body).not.to.have.property('mfaRequired');
      expect(await rowsOf('latchkey.backup_code', email)).to.deep.equal([]);
    });
  });

  describe('at login', () => {
    it('Property 20: GHSA-xg6x-h9c9-2m83: the right password alone gives no session, no cookie and no event of a login', async () => {
      await fc.assert(
        fc.asyncProperty(fc.constantFrom('bearer', 'browser'), async (client) => {
          const { email } = await enrol(api, clock);
          const sessions = async () => (await rowsOf('auth.user_sessions', email)).length;
          const events = async () =>
            (await rowsOf('auth.audit_events', email)).filter((event) => event['event_type'] === 'login_succeeded')
              .length;
          const before = [await sessions(), await events()];
          const headers = { origin: `http://127.0.0.1:${api.port}` };
          const answer = await api.post('/api/v1/auth/login', { email, password: PASSWORD, client }, { headers });
          expect(answer.status).to.equal(200);
          expect(answer.body).to.have.all.keys('mfaRequired', 'mfaToken', 'expiresIn', 'methods');
          expect(answer.headers).not.to.have.property('set-cookie');
          expect([await sessions(), await events()]).to.deep.equal(before);
        }),
        { numRuns: 3 },
      );
    });

    it('Property 21: a code of one step before or after is good, one of any other step is not', async () => {
      const { email, secret } = await enrol(api, clock);
      await fc.assert(
        fc.asyncProperty(fc.integer({ min: -4, max: 4 }), async (offset) => {
          clock.advance(10 * MINUTE);
          const mfaToken = await mfaTokenFor(api, email);
          const code = codeNow(secret, clock.nowMs + offset * 30_000);
          const near = [-30_000, 0, 30_000].map((ms) => codeNow(secret, clock.nowMs + ms)).includes(code);
          const { status } = await finish(api, { mfaToken, code });
          expect(status).to.equal(near ? 200 : 401);
          // A right one clears the budget, so that this test measures the window alone.
          if (!near) expect((await finish(api, { mfaToken, code: codeNow(secret, clock.nowMs) })).status).to.equal(200);
        }),
        { numRuns: RUNS },
      );
    });

    it('takes a code once: of twenty at once, one gets in, and the next login needs the next code', async () => {
      const { email, secret } = await enrol(api, clock);
      const tokens = [];
      for (let login = 0; login < 20; login += 1) tokens.push(await mfaTokenFor(api, email));
      const code = codeNow(secret, clock.nowMs);
      const answers = await Promise.all(tokens.map((mfaToken) => finish(api, { mfaToken, code })));
      expect(answers.filter(({ status }) => status === 200)).to.have.length(1);
      clock.advance(30 * MINUTE);
      const mfaToken = await mfaTokenFor(api, email);
      expect((await finish(api, { mfaToken, code })).status).to.equal(401);
      expect((await finish(api, { mfaToken, code: codeNow(secret, clock.nowMs) })).status).to.equal(200);
      expect(stepOf(clock.nowMs)).to.be.a('number');
    });

    it('Property 23: takes each backup code once, however it is typed and however many come at once', async () => {
      const { email, backupCodes } = await enrol(api, clock);
      await fc.assert(
        fc.asyncProperty(
          fc.constantFrom('upper', 'lower', 'plain'),
          fc.integer({ min: 1, max: 5 }),
          async (spelling, parallel) => {
            clock.advance(31 * MINUTE);
            const code = backupCodes[next++] ?? '';
            const backupCode =
              spelling === 'lower' ? code.toLowerCase() : spelling === 'plain' ? code.replaceAll('-', '') : code;
            const tokens = [];
            for (let login = 0; login < parallel; login += 1) tokens.push(await mfaTokenFor(api, email));
            const answers = await Promise.all(tokens.map((mfaToken) => finish(api, { mfaToken, backupCode })));
            expect(answers.filter(({ status }) => status === 200)).to.have.length(1);
            const mfaToken = await mfaTokenFor(api, email);
            expect((await finish(api, { mfaToken, backupCode })).status).to.equal(401);
          },
        ),
        { numRuns: Math.min(RUNS, 8), endOnFailure: true },
      );
    });
    let next = 0;

    it('ends with its five minutes, with its use, with another password, and with the account', async () => {
      const { email, secret } = await enrol(api, clock);
      const finishWith = (mfaToken: string) => finish(api, { mfaToken, code: codeNow(secret, clock.nowMs) });
      const late = await mfaTokenFor(api, email);
      clock.advance(5 * MINUTE);
      expect(codeOf(await finishWith(late))).to.deep.equal([401, 'mfa-token-invalid']);
      const used = await mfaTokenFor(api, email);
      expect((await finishWith(used)).status).to.equal(200);
      clock.advance(30_000);
      expect(codeOf(await finishWith(used))).to.deep.equal([401, 'mfa-token-invalid']);
      const earlier = await mfaTokenFor(api, email);
      await database.query(
        `UPDATE auth.users_extended SET password_changed_at = password_changed_at + interval '1 second' WHERE email = $1`,
        [email],
      );
      expect(codeOf(await finishWith(earlier))).to.deep.equal([401, 'mfa-token-invalid']);
      clock.advance(30_000);
      const disabled = await mfaTokenFor(api, email);
      await database.query('UPDATE auth.users_extended SET is_active = false WHERE email = $1', [email]);
      expect(codeOf(await finishWith(disabled))).to.deep.equal([401, 'mfa-token-invalid']);
    });

    it('asks for one code, of one kind, in its form', async () => {
      const { email } = await enrol(api, clock);
      const mfaToken = await mfaTokenFor(api, email);
      const backupCode = 'ABCD-EFGH-IJKL-MNOP';
      for (const body of [
        {},
        { code: '123456', backupCode },
        { code: '12345' },
        { code: 'abcdef' },
        { backupCode: 'ABCD' },
        { code: 123456 },
      ]) {
        expect(codeOf(await finish(api, { mfaToken, ...body })), JSON.stringify(body)).to.deep.equal([
          400,
          'invalid-request',
        ]);
      }
      expect(codeOf(await finish(api, { mfaToken: 'x', code: '123456' }))).to.deep.equal([401, 'mfa-token-invalid']);
    });

    it('still opens a secret and a backup code after the encryption key has changed, and seals the secret anew', async () => {
      const { email, secret, backupCodes } = await enrol(api, clock);
      const { TEST_KEYS } = await import('../../support/api.ts');
      const env = {
        ENCRYPTION_KEY: Buffer.alloc(32, 7).toString('base64'),
        ENCRYPTION_KEYS_PREVIOUS: TEST_KEYS.ENCRYPTION_KEY,
      };
      const later = await Api.start({ databaseUrl: database.url, nowMs: clock.read, env });
      const keyOf = async () => (await rowsOf('latchkey.totp_factor', email))[0]?.['key_id'];
      const before = await keyOf();
      const first = await finish(later, {
        mfaToken: await mfaTokenFor(later, email),
        code: codeNow(secret, clock.nowMs),
      });
      const second = await finish(later, { mfaToken: await mfaTokenFor(later, email), backupCode: backupCodes[0] });
      expect([first.status, second.status]).to.deep.equal([200, 200]);
      expect(await keyOf()).not.to.equal(before);
      await later.stop();
    });
  });
});
