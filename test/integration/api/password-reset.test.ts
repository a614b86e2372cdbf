/** A forgotten password, by HTTP and a real mail server. */
import { expect } from 'chai';
import * as fc from 'fast-check';
import { Api, PASSWORD, tokensOf } from '../../support/api.ts';
import { MailServer, tokenOf } from '../../support/mail-server.ts';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.ts';

const RUNS = process.env['TEST_LONG'] === undefined ? 5 : 50;
const HOUR_MS = 3_600_000;
const RESET = /^Reset/;
const headers = { 'x-request-id': 'the-same-id' };

let count = 0;
const freshPassword = (): string => `Fresh-Passw0rd-${(count += 1)}`;

describe('password reset', () => {
  let database: TestDatabase;
  let mails: MailServer;
  let api: Api;
  let nowMs = Date.now();

  before(async () => {
    database = await createTestDatabase();
    mails = await MailServer.start();
    api = await Api.start({ databaseUrl: database.url, env: { SMTP_URL: mails.url }, nowMs: () => nowMs });
  });
  after(async () => {
    await api?.stop();
    await mails?.stop();
    await database?.drop();
  });

  const forgot = (email: string) => api.post('/api/v1/auth/forgot-password', { email }, { headers });
  const reset = (token: string, newPassword: string) => api.post('/api/v1/auth/reset-password', { token, newPassword });
  const login = (email: string, password = PASSWORD) => api.post('/api/v1/auth/login', { email, password });
  const asked = async (email: string, nth = 1): Promise<string> => {
    await forgot(email);
    return tokenOf(await mails.mailTo(email, RESET, nth));
  };
  const auditOf = (eventType: string) =>
    database.query('SELECT user_id, metadata FROM auth.audit_events WHERE event_type::text = $1 ORDER BY created_at', [
      eventType,
    ]);

  it('forgot, mail, new password, login: the whole way', async () => {
    const email = await api.register();
    const token = await asked(email);
    const password = freshPassword();
    expect((await reset(token, password)).status).to.equal(204);
    expect((await login(email)).status).to.equal(401);
    expect((await login(email, password)).status).to.equal(200);
    expect((await mails.mailTo(email, /was changed/)).text).to.include('reset your password now');
  });

  it('Property 59: a request brings a mail to the account’s address where there is one, and the same answer to everybody', async () => {
    const disabled = await api.register();
    await database.query('UPDATE auth.users_extended SET is_active = false WHERE email = $1', [disabled]);
    const unknown = fc.stringMatching(/^[a-z][a-z0-9]{0,20}$/).map((local) => `${local}@nobody.example`);
    await fc.assert(
      fc.asyncProperty(unknown, async (stranger) => {
        const email = await api.register();
        const answers = await Promise.all([email, stranger, disabled].map(forgot));
        expect(new Set(answers.map(({ status, text }) => `${status} ${text}`)).size).to.equal(1);
        expect(answers[0]?.status).to.equal(202);
        const mail = await mails.mailTo(email, RESET);
        expect(mail.text).to.include('/reset-password#token=lko1.');
        expect(mails.mailsTo(stranger)).to.deep.equal([]);
      }),
      { numRuns: RUNS },
    );
    expect(mails.mailsTo(disabled, RESET)).to.deep.equal([]);
  });

  it('Property 60: no two reset tokens are the same, and the database knows none of them', async () => {
    const emails = await Promise.all(Array.from({ length: RUNS * 2 }, () => api.register()));
    const tokens = await Promise.all(emails.map((email) => asked(email)));
    expect(new Set(tokens).size).to.equal(tokens.length);
    const stored = JSON.stringify([
      await database.query('SELECT t::text FROM latchkey.one_time_token t'),
      await database.query('SELECT o::text FROM latchkey.mail_outbox o'),
    ]);
    for (const token of tokens) expect(stored).not.to.include(token.slice(30));
  });

  it('Property 61: a valid token sets the password of its account, and of no other, within an hour', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: 2 * HOUR_MS }), async (ageMs) => {
        const [email, other] = [await api.register(), await api.register()];
        const token = await asked(email);
        nowMs += ageMs;
        const password = freshPassword();
        const isInTime = ageMs < HOUR_MS;
        expect((await reset(token, password)).status).to.equal(isInTime ? 204 : 400);
        expect((await login(email, isInTime ? password : PASSWORD)).status).to.equal(200);
        expect((await login(other)).status).to.equal(200);
      }),
      { numRuns: RUNS, examples: [[HOUR_MS - 1], [HOUR_MS]] },
    );
  });

  it('Property 62: a reset ends every session, of tokens that were handed out and of ones to be refreshed', async () => {
    const sessions = fc.integer({ min: 1, max: 4 });
    await fc.assert(
      fc.asyncProperty(sessions, async (howMany) => {
        const email = await api.register();
        const all = await Promise.all(Array.from({ length: howMany }, () => api.login(email)));
        for (const { accessToken } of all) expect((await api.validate(accessToken)).status).to.equal(200);
        expect((await reset(await asked(email), freshPassword())).status).to.equal(204);
        for (const { accessToken, refreshToken } of all) {
          expect((await api.validate(accessToken)).status).to.equal(401);
          expect((await api.refresh(refreshToken)).status).to.equal(401);
        }
      }),
      { numRuns: RUNS },
    );
    const [row] = await database.query(
      "SELECT count(*)::int AS n FROM auth.user_sessions WHERE revoked_reason = 'password-reset'",
    );
    expect(row?.['n']).to.be.greaterThan(0);
  });

  it('Property 63: a reset refuses the current password and the five before it, without spending the link', async () => {
    const email = await api.register();
    const used = [PASSWORD];
    for (let round = 1; round <= 5; round += 1) {
      const next = freshPassword();
      expect((await reset(await asked(email, round), next)).status).to.equal(204);
      used.push(next);
      nowMs += HOUR_MS; // no more than five mails an hour
    }
    const token = await asked(email, 6);
    for (const old of used) {
      const { status, body } = await reset(token, old);
      expect(status).to.equal(400);
      expect(body).to.deep.include({
        errors: [{ field: 'newPassword', message: 'must be none of your last passwords' }],
      });
    }
    expect((await reset(token, freshPassword())).status).to.equal(204);
    nowMs += HOUR_MS;
    expect((await reset(await asked(email, 7), PASSWORD)).status, 'the sixth before may come back').to.equal(204);
  });

  it('Property 64: each attempt is written down, of unknown addresses and wrong tokens too, without token or address', async () => {
    const email = await api.register();
    const [account] = await database.query('SELECT id FROM auth.users_extended WHERE email = $1', [email]);
    const before = (await auditOf('password_reset_requested')).length;
    const token = await asked(email);
    await forgot('stranger@nobody.example');
    const requests = (await auditOf('password_reset_requested')).slice(before);
    expect(requests.map((event) => event['user_id'])).to.have.members([account?.['id'], null]);
    const resets = (await auditOf('password_reset')).length;
    await reset(`${token.slice(0, -1)}${token.endsWith('A') ? 'B' : 'A'}`, freshPassword());
    await reset('nonsense', freshPassword());
    await reset(token, freshPassword());
    const attempts = (await auditOf('password_reset')).slice(resets);
    expect(attempts.map((event) => event['user_id'])).to.have.members([null, null, account?.['id']]);
    const everything = JSON.stringify(await database.query('SELECT * FROM auth.audit_events'));
    expect(everything).not.to.include(token).and.not.to.include('stranger@nobody.example');
  });

  it('a weak password is refused with its field and does not spend the link', async () => {
    const email = await api.register();
    const token = await asked(email);
    const { status, body } = await reset(token, 'short');
    expect(status).to.equal(400);
    expect(body).to.deep.include({ errors: [{ field: 'newPassword', message: 'must have at least 12 characters' }] });
    expect((await reset(token, freshPassword())).status).to.equal(204);
  });

  it('a reset keeps the second factor', async () => {
    const email = await api.register();
    const { accessToken } = tokensOf(await login(email));
    expect((await api.me(accessToken)).status).to.equal(200);
    await database.query(
      `INSERT INTO latchkey.totp_factor (id, org_id, user_id, sealed_secret, key_id, confirmed_at)
       SELECT gen_random_uuid(), org_id, id, 'sealed', 'key', now() FROM auth.users_extended WHERE email = $1`,
      [email],
    );
    const password = freshPassword();
    await reset(await asked(email), password);
    expect((await login(email, password)).body).to.include({ mfaRequired: true });
  });

  it('a link that went to an address that the account no longer has is worth nothing', async () => {
    const email = await api.register();
    const token = await asked(email);
    await database.query('UPDATE auth.users_extended SET email = $2 WHERE email = $1', [email, `new-${email}`]);
    expect((await reset(token, freshPassword())).body).to.include({ code: 'link-invalid' });
  });

  it('a reset takes the other links of the account with it, and opens a locked one', async () => {
    const email = await api.register();
    const first = await asked(email);
    const second = await asked(email, 2);
    for (let guess = 0; guess < 6; guess += 1) await login(email, `Wrong-Passw0rd-${guess}`);
    expect((await login(email)).status, 'locked').to.equal(401);
    const password = freshPassword();
    expect((await reset(second, password)).status).to.equal(204);
    expect((await reset(first, freshPassword())).body).to.include({ code: 'link-invalid' });
    expect((await login(email, password)).status).to.equal(200);
  });
});
