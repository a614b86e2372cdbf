/** The whole way of one person, over HTTP and a real mail server: register, verify, log in, second factor, an attack, a reset. */
import { expect } from 'chai';
import { type Answer, Api, PASSWORD, tokensOf } from '../../support/api.ts';
import { NEXT_PASSWORD } from '../../support/credentials.ts';
import { MailServer, tokenOf } from '../../support/mail-server.ts';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.ts';
import { Clock, codeNow, finish, logIn, mfaTokenFor } from '../../support/totp.ts';

describe('the way of one person', function () {
  this.timeout(60_000);
  const clock = new Clock();
  const email = 'ada@example.com';
  let database: TestDatabase;
  let mails: MailServer;
  let api: Api;

  before(async () => {
    database = await createTestDatabase();
    mails = await MailServer.start();
    const env = { EMAIL_VERIFICATION: 'required', SMTP_URL: mails.url };
    api = await Api.start({ databaseUrl: database.url, nowMs: clock.read, env });
  });
  after(async () => {
    await api?.stop();
    await mails?.stop();
    await database?.drop();
  });

  const mailOf = (subject: RegExp) => mails.mailTo(email, subject);
  const codeOf = ({ status, body }: Answer): unknown => [status, body['code']];
  let deviceToken = '';
  let secret = '';
  let backupCodes: readonly string[] = [];

  it('registers, cannot log in, proves the address, and logs in', async () => {
    expect((await api.post('/api/v1/auth/register', { email, password: PASSWORD })).status).to.equal(202);
    expect(codeOf(await logIn(api, email))).to.deep.equal([401, 'invalid-credentials']);
    const token = tokenOf(await mailOf(/Confirm/));
    expect((await api.post('/api/v1/auth/verify-email', { token })).status).to.equal(204);
    const answer = await logIn(api, email);
    expect(answer.status).to.equal(200);
    deviceToken = String(answer.body['deviceToken']);
  });

  it('enrols an app, logs out, and logs in with password and code, or with a backup code', async () => {
    const first = tokensOf(await logIn(api, email));
    const begun = await api.post('/api/v1/auth/mfa/totp', undefined, { bearer: first.accessToken });
    secret = String(begun.body['secret']);
    const code = codeNow(secret, clock.nowMs);
    const confirmed = await api.post('/api/v1/auth/mfa/totp/confirm', { code }, { bearer: first.accessToken });
    backupCodes = confirmed.body['backupCodes'] as readonly string[];
    const { refreshToken } = tokensOf(confirmed);
    expect((await api.post('/api/v1/auth/logout', { refreshToken })).status).to.equal(204);
    expect((await mailOf(/second factor/)).text).to.include('enabled');
    clock.advance(30_000);
    const withCode = await finish(api, { mfaToken: await mfaTokenFor(api, email), code: codeNow(secret, clock.nowMs) });
    expect((await api.me(tokensOf(withCode).accessToken)).status).to.equal(200);
    const withBackup = await finish(api, { mfaToken: await mfaTokenFor(api, email), backupCode: backupCodes[0] });
    expect(withBackup.status).to.equal(200);
  });

  it('is attacked: strangers are shut out, the known device is not, and a mail says so', async () => {
    for (let guess = 0; guess < 6; guess += 1) await logIn(api, email, { password: `Guess-${guess}-of-many!` });
    expect(codeOf(await logIn(api, email))).to.deep.equal([401, 'invalid-credentials']);
    clock.advance(30_000);
    const mfaToken = await mfaTokenFor(api, email, { deviceToken });
    expect((await finish(api, { mfaToken, code: codeNow(secret, clock.nowMs) })).status).to.equal(200);
    expect((await mailOf(/Too many/)).text).to.include('Devices that you used before can still log in');
  });

  it('opens the account to every device again with a new password, and keeps the second factor', async () => {
    expect((await api.post('/api/v1/auth/forgot-password', { email })).status).to.equal(202);
    const token = tokenOf(await mailOf(/Reset/));
    expect((await api.post('/api/v1/auth/reset-password', { token, newPassword: NEXT_PASSWORD })).status).to.equal(204);
    expect(codeOf(await logIn(api, email))).to.deep.equal([401, 'invalid-credentials']);
    clock.advance(30_000);
    const mfaToken = await mfaTokenFor(api, email, { password: NEXT_PASSWORD });
    expect((await finish(api, { mfaToken, code: codeNow(secret, clock.nowMs) })).status).to.equal(200);
    const rows = await database.query(
      `SELECT event_type FROM auth.audit_events e JOIN auth.users_extended u ON u.id = e.user_id WHERE u.email = $1`,
      [email],
    );
    expect(rows.map((row) => row['event_type'])).to.include.members([
      'user_created',
      'email_verified',
      'login_failed',
      'login_succeeded',
      'mfa_enabled',
      'logout',
      'account_locked',
      'password_reset',
    ]);
  });
});
