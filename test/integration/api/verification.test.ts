/** From registration to the first login, by HTTP and a real mail server. */
import { expect } from 'chai';
import * as fc from 'fast-check';
import { Api, PASSWORD } from '../../support/api.ts';
import { MailServer, tokenOf } from '../../support/mail-server.ts';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.ts';

const RUNS = process.env['TEST_LONG'] === undefined ? 5 : 50;
const HOUR_MS = 3_600_000;
const CONFIRM = /^Confirm/;
const headers = { 'x-request-id': 'the-same-id' };

let count = 0;
const newAddress = (): string => `verify-${(count += 1)}@example.com`;

describe('verification', () => {
  let database: TestDatabase;
  let mails: MailServer;
  let api: Api;
  let nowMs = Date.now();

  before(async () => {
    database = await createTestDatabase();
    mails = await MailServer.start();
    api = await Api.start({
      databaseUrl: database.url,
      env: { EMAIL_VERIFICATION: 'required', SMTP_URL: mails.url, PUBLIC_URL: 'https://auth.example.com/app/' },
      nowMs: () => nowMs,
    });
  });
  after(async () => {
    await api?.stop();
    await mails?.stop();
    await database?.drop();
  });

  const register = (email: string, password = PASSWORD) =>
    api.post('/api/v1/auth/register', { email, password }, { headers });
  const verify = (token: string) => api.post('/api/v1/auth/verify-email', { token });
  const login = (email: string, password = PASSWORD) =>
    api.post('/api/v1/auth/login', { email, password }, { headers });
  const resend = (email: string) => api.post('/api/v1/auth/resend-verification', { email }, { headers });
  const registered = async (email = newAddress()): Promise<{ email: string; token: string }> => {
    expect((await register(email)).status).to.equal(202);
    return { email, token: tokenOf(await mails.mailTo(email, CONFIRM)) };
  };

  it('register, verify, log in: the whole way', async () => {
    const { email, token } = await registered();
    expect((await login(email)).body).to.include({ code: 'invalid-credentials' });
    expect((await verify(token)).status).to.equal(204);
    const { status, body } = await login(email);
    expect(status).to.equal(200);
    expect((await api.me(String(body['accessToken']))).body['user']).to.include({ email, emailVerified: true });
  });

  it('Property 53: every registration is followed by a mail with a link, to that address and no other', async () => {
    const local = fc.stringMatching(/^[a-z][a-z0-9._+-]{0,20}[a-z0-9]$/).filter((text) => !text.includes('..'));
    await fc.assert(
      fc.asyncProperty(local, async (text) => {
        const email = `${text}.${(count += 1)}@example.com`;
        const before = mails.received.length;
        await register(email);
        const mail = await mails.mailTo(email, CONFIRM);
        expect(mail.text).to.include('https://auth.example.com/app/verify-email#token=lko1.');
        expect(mails.received.slice(before).map(({ to }) => to)).to.deep.equal([email]);
      }),
      { numRuns: RUNS },
    );
  });

  it('Property 54: no two verification tokens are the same, and none is stored', async () => {
    const addresses = Array.from({ length: RUNS * 2 }, newAddress);
    await Promise.all(addresses.map((email) => register(email)));
    const tokens = await Promise.all(addresses.map(async (email) => tokenOf(await mails.mailTo(email, CONFIRM))));
    expect(new Set(tokens).size).to.equal(tokens.length);
    for (const token of tokens) expect(token).to.match(/^lko1\.[\w-]{22}\.[\w-]{43}$/);
    const stored = JSON.stringify([
      await database.query('SELECT t::text FROM latchkey.one_time_token t'),
      await database.query('SELECT o::text FROM latchkey.mail_outbox o'),
    ]);
    for (const token of tokens) expect(stored).not.to.include(token.slice(30));
  });

  it('Property 55: the token verifies its own account, once, and no changed token verifies any', async () => {
    const { email, token } = await registered();
    const position = fc.integer({ min: 0, max: token.length - 1 });
    await fc.assert(
      fc.asyncProperty(position, fc.constantFrom('A', 'b', '0', '-', '.'), async (at, character) => {
        const changed = token.slice(0, at) + character + token.slice(at + 1);
        fc.pre(changed !== token);
        expect((await verify(changed)).body).to.include({ status: 400, code: 'link-invalid' });
      }),
      { numRuns: RUNS * 5 },
    );
    expect((await verify(token)).status).to.equal(204);
    expect((await verify(token)).body).to.include({ code: 'link-invalid' });
    const [row] = await database.query(
      'SELECT email_verified, email_verified_at FROM auth.users_extended WHERE email = $1',
      [email],
    );
    expect(row).to.deep.equal({ email_verified: true, email_verified_at: new Date(nowMs) });
    const events = await database.query(
      "SELECT count(*)::int AS n FROM auth.audit_events WHERE event_type = 'email_verified' AND user_id = (SELECT id FROM auth.users_extended WHERE email = $1)",
      [email],
    );
    expect(events[0]).to.deep.equal({ n: 1 });
  });

  it('Property 56: an unverified account does not log in, with the answer of a wrong password to the byte', async () => {
    const { email } = await registered();
    const answers = await Promise.all([login(email), login(email, `${PASSWORD}!`), login('nobody@example.com')]);
    expect(new Set(answers.map(({ status, text }) => `${status} ${text}`)).size).to.equal(1);
    expect(answers[0]?.status).to.equal(401);
  });

  it('Property 57: resend brings another link that works, and answers the same for every kind of address', async () => {
    const { email } = await registered();
    const verified = await registered();
    await verify(verified.token);
    const answers = await Promise.all([email, verified.email, newAddress()].map(resend));
    expect(new Set(answers.map(({ status, text }) => `${status} ${text}`)).size).to.equal(1);
    expect(answers[0]).to.include({ status: 202 });
    const again = tokenOf(await mails.mailTo(email, CONFIRM, 2));
    expect((await verify(again)).status).to.equal(204);
    expect(mails.mailsTo(verified.email, CONFIRM), 'a verified account gets none').to.have.length(1);
  });

  it('Property 58: a link works for 24 hours by the clock; after that a new one does', async () => {
    const { email, token } = await registered();
    nowMs += 24 * HOUR_MS;
    expect((await verify(token)).body).to.include({ code: 'link-invalid' });
    await resend(email);
    const next = tokenOf(await mails.mailTo(email, CONFIRM, 2));
    nowMs += 24 * HOUR_MS - 1;
    expect((await verify(next)).status).to.equal(204);
  });

  it('a taken address answers like a new one, changes nothing, and its owner hears of it', async () => {
    const { email, token } = await registered();
    await verify(token);
    const [taken, fresh] = await Promise.all([register(email, 'Another-Passw0rd!'), register(newAddress())]);
    expect(taken.text).to.equal(fresh.text);
    expect(taken.status).to.equal(fresh.status);
    expect(Object.keys(taken.headers).toSorted()).to.deep.equal(Object.keys(fresh.headers).toSorted());
    expect((await mails.mailTo(email, /already/)).text).to.include('nothing was changed');
    expect((await login(email, 'Another-Passw0rd!')).status).to.equal(401);
    expect((await login(email)).status).to.equal(200);
    const leftovers = await database.query("SELECT 1 FROM auth.users_extended WHERE email LIKE '%taken.invalid'");
    expect(leftovers).to.deep.equal([]);
  });

  it('who registers somebody else’s address first has prepared nothing: the owner’s link sets the owner’s password', async () => {
    const { email, token: ofTheIntruder } = await registered();
    await register(email, 'The-0wners-password!');
    const ofTheOwner = tokenOf(await mails.mailTo(email, CONFIRM, 2));
    expect((await verify(ofTheOwner)).status).to.equal(204);
    expect((await verify(ofTheIntruder)).body).to.include({ code: 'link-invalid' });
    expect((await login(email)).status).to.equal(401);
    expect((await login(email, 'The-0wners-password!')).status).to.equal(200);
  });

  it('nobody’s mailbox is filled: five links an hour to one address, and the sixth request answers the same', async () => {
    const { email } = await registered();
    for (let sent = 2; sent <= 5; sent += 1) {
      await resend(email);
      await mails.mailTo(email, CONFIRM, sent);
    }
    expect((await resend(email)).status).to.equal(202);
    await registered(); // a mail that was asked for later has come
    expect(mails.mailsTo(email, CONFIRM)).to.have.length(5);
  });

  it('a GET does not spend a link', async () => {
    const { token } = await registered();
    const answer = await api.get(`/api/v1/auth/verify-email?token=${token}`);
    expect(answer).to.include({ status: 405 });
    expect((await verify(token)).status).to.equal(204);
  });
});
