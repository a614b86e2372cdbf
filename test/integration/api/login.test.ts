/** Login: whoever gets nothing gets the same nothing, and whoever is the owner gets in. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import bcrypt from 'bcrypt';
import { expect } from 'chai';
import { type Answer, Api, PASSWORD } from '../../support/api.ts';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.ts';
import { statementsOf } from '../../support/statements.ts';
import { Clock } from '../../support/totp.ts';

const LOGIN = '/api/v1/auth/login';
/** What a login reads and writes: the account, budgets, history, tokens. */
const OF_A_LOGIN =
  /LEFT JOIN auth\.users_extended|pool = \$2|INSERT INTO latchkey\.attempt|INSERT INTO auth\.login_history|one_time_token|UPDATE auth\.users/;
const WRONG = `${PASSWORD}!`;
const MINUTE = 60_000;

interface Attempt {
  readonly what: string;
  readonly email: string;
  readonly password: string;
}

describe('login', () => {
  const clock = new Clock();
  let database: TestDatabase;
  let api: Api;
  /** Opens accounts without a mail, on the same database. */
  let registrar: Api;
  let folder: string;

  before(async () => {
    database = await createTestDatabase();
    folder = await mkdtemp(join(tmpdir(), 'latchkey-mails-'));
    const env = { EMAIL_VERIFICATION: 'required', MAIL_FOLDER: folder, LOCKOUT_BACKOFF_MS: '1000' };
    api = await Api.start({ databaseUrl: database.url, nowMs: clock.read, env });
    registrar = await Api.start({ databaseUrl: database.url, nowMs: clock.read });
  });
  after(async () => {
    await api?.stop();
    await registrar?.stop();
    await database?.drop();
    await rm(folder, { recursive: true, force: true });
  });

  const register = async (): Promise<string> => {
    const email = await registrar.register();
    await database.query('UPDATE auth.users_extended SET email_verified = true WHERE email = $1', [email]);
    return email;
  };
  const tryLogin = (email: string, password = PASSWORD, more: object = {}): Promise<Answer> =>
    api.post(LOGIN, { email, password, ...more }, { headers: { 'x-request-id': 'the-same-id' } });
  const burn = async (email: string, times = 5, more: object = {}): Promise<void> => {
    for (let time = 0; time < times; time += 1) await tryLogin(email, WRONG, more);
  };

  /** The five that must look alike. */
  const fiveCases = async (): Promise<readonly Attempt[]> => {
    const [known, locked, disabled] = [await register(), await register(), await register()];
    const unverified = await registrar.register();
    await database.query('UPDATE auth.users_extended SET is_active = false WHERE email = $1', [disabled]);
    await burn(locked);
    return [
      { what: 'unknown', email: `nobody-${known}`, password: PASSWORD },
      { what: 'wrong', email: known, password: WRONG },
      { what: 'locked', email: locked, password: PASSWORD },
      { what: 'disabled', email: disabled, password: PASSWORD },
      { what: 'unverified', email: unverified, password: PASSWORD },
    ];
  };

  describe('of an unknown, wrong, locked, disabled or unverified account (Keycloak CVE-2026-4633, #26625)', () => {
    it('is answered with the same status, header names and bytes', async () => {
      const answers = await Promise.all((await fiveCases()).map(({ email, password }) => tryLogin(email, password)));
      const shown = answers.map(({ status, text, headers }) => [status, text, Object.keys(headers).toSorted().join()]);
      expect(new Set(shown.map((answer) => JSON.stringify(answer))).size, JSON.stringify(shown)).to.equal(1);
      expect(answers[0]?.status).to.equal(401);
    });

    it('runs the same statements and as many rounds of hashing, and leaves as many rows', async () => {
      const counts = async (): Promise<readonly unknown[]> =>
        Object.values(
          (
            await database.query(
              `SELECT (SELECT count(*)::int FROM auth.login_history) AS history, (SELECT count(*)::int FROM auth.audit_events) AS audit`,
            )
          )[0] ?? {},
        );
      const compare = bcrypt.compare;
      const work: unknown[] = [];
      for (const { what, email, password } of await fiveCases()) {
        let rounds = 0;
        Object.assign(bcrypt, {
          compare: (...args: Parameters<typeof compare>) => {
            rounds += 2 ** Number(args[1].slice(4, 6));
            return compare(...args);
          },
        });
        const before = await counts();
        const statements = await statementsOf(OF_A_LOGIN, () => tryLogin(email, password));
        const after = await counts();
        Object.assign(bcrypt, { compare });
        const rows = after.map((count, index) => Number(count) - Number(before[index]));
        work.push([what, { statements, rounds, rows }]);
      }
      const [first, ...others] = work.map((entry) => JSON.stringify((entry as unknown[])[1]));
      expect(first).to.match(/"rounds":(16|32),"rows":\[1,1\]/);
      for (const other of others) expect(other).to.equal(first);
    });

    it('closes for the unknown address as it does for the known one, with the same work', async () => {
      const known = await register();
      const [first, second] = [known, `nobody-${known}`];
      const closing = [];
      for (const email of [first, second]) {
        await burn(email, 4);
        closing.push(await statementsOf(OF_A_LOGIN, () => tryLogin(email, WRONG)));
      }
      expect(closing[0]).to.deep.equal(closing[1]);
      const rows = await database.query(
        `SELECT failures, lockouts, blocked_until FROM latchkey.attempt_budget WHERE pool = 'password' AND blocked_until = $1`,
        [new Date(clock.nowMs + 30 * MINUTE)],
      );
      expect(rows.length).to.be.at.least(2);
    });

    it('tells the trail, and nobody else, which it was', async () => {
      const attempts = await fiveCases();
      await Promise.all(attempts.map(({ email, password }) => tryLogin(email, password)));
      const rows = await database.query(
        'SELECT failure_reason FROM auth.login_history ORDER BY created_at DESC LIMIT 5',
      );
      expect(rows.map((row) => row['failure_reason'])).to.have.members([
        'unknown-account',
        'wrong-password',
        'locked',
        'disabled',
        'unverified',
      ]);
    });
  });

  it('of a password that has expired, or must be changed, says so after the right password only', async () => {
    for (const change of ["password_expires_at = now() - interval '1 day'", 'must_change_password = true']) {
      const email = await register();
      await database.query(`UPDATE auth.users_extended SET ${change} WHERE email = $1`, [email]);
      expect((await tryLogin(email, WRONG)).body).to.include({ code: 'invalid-credentials' });
      const answer = await tryLogin(email);
      expect([answer.status, answer.body['code']]).to.deep.equal([403, 'password-change-needed']);
    }
  });

  it('replaces the hash of an older cost or pepper, and keeps the session of the same password', async () => {
    const email = await register();
    const hashOf = async () =>
      (await database.query('SELECT password_hash FROM auth.users_extended WHERE email = $1', [email]))[0]?.[
        'password_hash'
      ] as string;
    const dearer = await Api.start({ databaseUrl: database.url, nowMs: clock.read, env: { BCRYPT_COST: '5' } });
    const before = await hashOf();
    expect((await dearer.post(LOGIN, { email, password: PASSWORD })).status).to.equal(200);
    const after = await hashOf();
    await dearer.stop();
    expect([before, after].map((hash) => hash.split('$')[4])).to.deep.equal(['04', '05']);
    expect((await tryLogin(email)).status).to.equal(200);
  });
});
