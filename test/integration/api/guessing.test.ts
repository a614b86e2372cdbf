/** Attempt budgets at the login: who has failed too often waits, and its victim does not. */
import { expect } from 'chai';
import * as fc from 'fast-check';
import { createSealedBoxes } from '../../../api/src/crypto/sealed-box.ts';
import { Database } from '../../../api/src/db/database.ts';
import { createLog } from '../../../api/src/log.ts';
import { createMetrics } from '../../../api/src/metrics.ts';
import { sendLockoutNotices } from '../../../api/src/services/lockout-notices.ts';
import { createEnqueueMail } from '../../../api/src/services/mail-outbox.ts';
import { type Answer, Api, PASSWORD } from '../../support/api.ts';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.ts';
import { Clock } from '../../support/totp.ts';

const LOGIN = '/api/v1/auth/login';
const WRONG = `${PASSWORD}!`;
const MINUTE = 60_000;

describe('guessing passwords', () => {
  const clock = new Clock();
  let database: TestDatabase;
  let api: Api;

  before(async () => {
    database = await createTestDatabase();
    // A mail server, so that the notices of the server's own background round are kept too, whichever comes first.
    const env = { LOCKOUT_BACKOFF_MS: '1000', SMTP_URL: 'smtp://127.0.0.1:1' };
    api = await Api.start({ databaseUrl: database.url, nowMs: clock.read, env });
  });
  after(async () => {
    await api?.stop();
    await database?.drop();
  });

  const register = (): Promise<string> => api.register();
  const tryLogin = (email: string, password = PASSWORD, more: object = {}): Promise<Answer> =>
    api.post(LOGIN, { email, password, ...more }, { headers: { 'x-request-id': 'the-same-id' } });
  const burn = async (email: string, times = 5, more: object = {}): Promise<void> => {
    for (let time = 0; time < times; time += 1) await tryLogin(email, WRONG, more);
  };

  describe('after failures', () => {
    it('Property 7: is refused from the fifth failure on, for thirty minutes, right password or not', async () => {
      const email = await register();
      await burn(email, 4);
      clock.advance(10_000);
      expect((await tryLogin(email)).status, 'four are forgiven').to.equal(200);
      await burn(email);
      expect((await tryLogin(email)).status).to.equal(401);
      clock.advance(30 * MINUTE - 1_000);
      expect((await tryLogin(email)).status, 'a second too early').to.equal(401);
      clock.advance(1_000);
      expect((await tryLogin(email)).status).to.equal(200);
    });

    it('Property 6: counts one failure for each wrong password, and none after a right one', async () => {
      const failuresOf = async (email: string) =>
        (
          await database.query(
            `SELECT b.failures FROM latchkey.attempt_budget b JOIN auth.users_extended u ON u.id = b.user_id WHERE u.email = $1`,
            [email],
          )
        ).map((row) => row['failures']);
      const runs = fc.asyncProperty(fc.integer({ min: 1, max: 4 }), fc.boolean(), async (wrong, inParallel) => {
        const email = await register();
        if (inParallel) await Promise.all(Array.from({ length: wrong }, () => tryLogin(email, WRONG)));
        else await burn(email, wrong);
        expect(await failuresOf(email)).to.deep.equal([wrong]);
        clock.advance(10_000);
        expect((await tryLogin(email)).status).to.equal(200);
        expect(await failuresOf(email)).to.deep.equal([]);
      });
      await fc.assert(runs, { numRuns: process.env['TEST_LONG'] === undefined ? 8 : 100 });
    });

    it('waits between the tries: 1, 2 and 4 seconds after the second, third and fourth', async () => {
      const email = await register();
      for (const [failures, waitMs] of [
        [2, 1_000],
        [3, 2_000],
        [4, 4_000],
      ] as const) {
        await burn(email, failures);
        clock.advance(waitMs - 1);
        expect((await tryLogin(email)).status, `${failures} failures`).to.equal(401);
        clock.advance(1);
        expect((await tryLogin(email)).status, `${failures} failures`).to.equal(200);
      }
    });

    it('of other accounts and other spellings: one address is one budget, and each has its own', async () => {
      const [first, second] = [await register(), await register()];
      for (const spelling of [first.toUpperCase(), ` ${first}`, first.replace('user', 'ｕｓｅｒ'), first, first]) {
        await tryLogin(spelling, WRONG);
      }
      expect((await tryLogin(first)).status).to.equal(401);
      expect((await tryLogin(second)).status).to.equal(200);
    });

    it('survives a restart and needs no Redis', async () => {
      const email = await register();
      await burn(email);
      const other = await Api.start({ databaseUrl: database.url, nowMs: clock.read });
      expect((await other.post(LOGIN, { email, password: PASSWORD })).status).to.equal(401);
      await other.stop();
    });

    it('mails the owner once for each time it closes, and nobody else', async () => {
      const email = await register();
      await burn(email, 8);
      await burn(`nobody-${email}`, 8);
      const direct = new Database({ url: database.url, metrics: createMetrics(), onIdleError: () => undefined });
      const boxes = createSealedBoxes(Buffer.alloc(32, 1));
      const enqueueMail = createEnqueueMail(boxes, clock.read);
      const deps = { database: direct, enqueueMail, log: createLog('silent', undefined), nowMs: clock.read };
      await Promise.all([sendLockoutNotices(deps), sendLockoutNotices(deps)]);
      await sendLockoutNotices(deps);
      await direct.close();
      const mails = await database.query(
        `SELECT recipient FROM latchkey.mail_outbox WHERE template = 'account-locked' AND recipient IN ($1, $2)`,
        [email, `nobody-${email}`],
      );
      expect(mails.map(({ recipient }) => recipient)).to.deep.equal([email]);
    });
  });

  describe('from a device that the account knows', () => {
    const deviceOf = async (email: string): Promise<string> => String((await tryLogin(email)).body['deviceToken']);

    it('GHSA-cq42-vhv7-xr7p: works while an attacker keeps the account closed to strangers', async () => {
      const email = await register();
      const deviceToken = await deviceOf(email);
      await burn(email, 20);
      expect((await tryLogin(email)).status, 'a stranger').to.equal(401);
      expect((await tryLogin(email, PASSWORD, { deviceToken })).status, 'the owner').to.equal(200);
      expect((await tryLogin(email)).status, "the owner's login opens nothing to strangers").to.equal(401);
    });

    it('has a budget of its own, which ends too', async () => {
      const email = await register();
      const deviceToken = await deviceOf(email);
      await burn(email, 5, { deviceToken });
      expect((await tryLogin(email, PASSWORD, { deviceToken })).status).to.equal(401);
      expect((await tryLogin(email)).status, 'strangers have theirs').to.equal(200);
    });

    it('is no device of another account, of another password, of another key, or of any other text', async () => {
      const [email, other] = [await register(), await register()];
      const deviceToken = await deviceOf(email);
      const foreign = await deviceOf(other);
      await burn(email);
      const flipped = `${deviceToken.slice(0, -2)}${deviceToken.endsWith('AA') ? 'BB' : 'AA'}`;
      for (const text of [foreign, flipped, deviceToken.slice(0, -1), 'lkd1', deviceToken.replace('lkd1', 'lkd2')]) {
        expect((await tryLogin(email, PASSWORD, { deviceToken: text })).status, text).to.equal(401);
      }
      await database.query(
        `UPDATE auth.users_extended SET password_changed_at = password_changed_at + interval '1 second' WHERE email = $1`,
        [email],
      );
      expect((await tryLogin(email, PASSWORD, { deviceToken })).status, 'a new password forgets it').to.equal(401);
    });

    it('is remembered by a browser in a cookie that scripts cannot read, and that alone lets nobody in', async () => {
      const email = await register();
      const origin = { origin: `http://127.0.0.1:${api.port}` };
      const answer = await api.post(LOGIN, { email, password: PASSWORD, client: 'browser' }, { headers: origin });
      const cookies = [answer.headers['set-cookie'] ?? []].flat();
      const device = cookies.find((cookie) => cookie.startsWith('__Host-latchkey-device='));
      expect(device).to.match(/; Path=\/; HttpOnly; Secure; SameSite=Strict/);
      const cookie = device?.split(';')[0] ?? '';
      expect((await api.get('/api/v1/auth/me', { headers: { cookie } })).status).to.equal(401);
      await burn(email);
      const again = await api.post(
        LOGIN,
        { email, password: PASSWORD, client: 'browser' },
        { headers: { ...origin, cookie } },
      );
      expect(again.status).to.equal(200);
    });
  });

  describe('from one client address', () => {
    it('is told to wait after a hundred failures over any accounts, unless its device is known', async () => {
      const own = await createTestDatabase();
      const limited = await Api.start({
        databaseUrl: own.url,
        nowMs: clock.read,
        env: { TRUST_PROXY: '127.0.0.0/8', LOCKOUT_ADDRESS_FAILURES: '10' },
      });
      const from = (ip: string) => ({ headers: { 'x-forwarded-for': ip } });
      const email = await limited.register();
      const device = await limited.post(LOGIN, { email, password: PASSWORD });
      for (let guess = 0; guess < 10; guess += 1) {
        const answer = await limited.post(
          LOGIN,
          { email: `spray-${guess}@example.com`, password: 'x' },
          from(`2001:db8:1:${guess.toString(16)}::${guess}`),
        );
        expect(answer.status).to.equal(401);
      }
      const sprayer = from('2001:db8:1:ff::1');
      const refused = await limited.post(LOGIN, { email, password: PASSWORD }, sprayer);
      expect([refused.status, refused.body['code']]).to.deep.equal([429, 'rate-limited']);
      expect(Number(refused.headers['retry-after'])).to.be.within(1_700, 1_800);
      const { deviceToken } = device.body;
      expect((await limited.post(LOGIN, { email, password: PASSWORD, deviceToken }, sprayer)).status).to.equal(200);
      expect((await limited.post(LOGIN, { email, password: PASSWORD }, from('2001:db8:1:100::1'))).status).to.equal(
        200,
      );
      await limited.stop();
      await own.drop();
    });
  });
});
