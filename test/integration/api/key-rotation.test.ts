/**
 * The order of docs/security-configuration.md in which pepper and encryption key change: while a rollout climbs, pods of one step and of the
 * next serve the same users, and none of them notices.
 */
import { randomBytes } from 'node:crypto';
import { expect } from 'chai';
import { z } from 'zod';
import { withOwner } from '../../../api/src/db/migrate.ts';
import { Api, TEST_KEYS } from '../../support/api.ts';
import { runLatchkey } from '../../support/command-line.ts';
import { blocksOf } from '../../support/page-commands.ts';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.ts';
import { Clock, codeNow, type Enrolled, enrol, finish, logIn, mfaTokenFor } from '../../support/totp.ts';

const OLD = { pepper: TEST_KEYS.PASSWORD_PEPPER, key: TEST_KEYS.ENCRYPTION_KEY };
const NEW = { pepper: randomBytes(32).toString('base64'), key: randomBytes(32).toString('base64') };
type Keys = typeof OLD;
/** Of several statements, an answer each. */
const counted = z.tuple([
  z.unknown(),
  z.object({ rows: z.array(z.object({ of: z.string(), key: z.string(), count: z.string() })) }),
]);

const envOf = (current: Keys, previous?: Keys): Readonly<Record<string, string>> => ({
  PASSWORD_PEPPER: current.pepper,
  ENCRYPTION_KEY: current.key,
  ...(previous && { PASSWORD_PEPPERS_PREVIOUS: previous.pepper, ENCRYPTION_KEYS_PREVIOUS: previous.key }),
});
/** The page's table, from today to the end. */
const STEPS = [envOf(OLD), envOf(OLD, NEW), envOf(NEW, OLD), envOf(NEW)] as const;

describe('a rotation of pepper and encryption key in two steps', () => {
  const clock = new Clock();
  let database: TestDatabase;
  let pods: readonly Api[];

  before(async () => {
    database = await createTestDatabase();
    pods = await Promise.all(STEPS.map((env) => Api.start({ databaseUrl: database.url, env, nowMs: clock.read })));
  });
  after(async () => {
    await Promise.all((pods ?? []).map((pod) => pod.stop()));
    await database?.drop();
  });

  const podOf = (step: 0 | 1 | 2 | 3): Api => {
    const pod = pods[step];
    if (pod === undefined) throw new Error(`no pod of step ${step}`);
    return pod;
  };
  const logInWithCode = async (pod: Api, { email, secret }: Enrolled): Promise<number> => {
    clock.advance(30_000); // a code is good once
    const mfaToken = await mfaTokenFor(pod, email);
    return (await finish(pod, { mfaToken, code: codeNow(secret, clock.nowMs) })).status;
  };
  const logInWithBackup = async (pod: Api, { email, backupCodes }: Enrolled, which: number): Promise<number> =>
    (await finish(pod, { mfaToken: await mfaTokenFor(pod, email), backupCode: backupCodes[which] })).status;

  for (const [older, newer] of [
    [0, 1],
    [1, 2],
  ] as const) {
    it(`lets who logs in at pods of step ${newer} log in at pods of step ${older} again, with password, code and backup codes`, async () => {
      const [before, later] = [podOf(older), podOf(newer)];
      for (const begunAt of [before, later]) {
        const user = await enrol(begunAt, clock);
        expect(await logInWithCode(later, user)).to.equal(200);
        expect(await logInWithCode(before, user)).to.equal(200);
        expect(await logInWithBackup(later, user, 0)).to.equal(200);
        expect(await logInWithBackup(before, user, 1)).to.equal(200);
      }
    });
  }

  it('lets in without the old ones who has logged in with a code since the second step', async () => {
    const user = await enrol(podOf(1), clock);
    expect(await logInWithCode(podOf(2), user)).to.equal(200);
    expect(await logInWithCode(podOf(3), user)).to.equal(200);
  });

  it('without the first step makes stable refuse right passwords: that is what it is for', async () => {
    const email = await podOf(0).register();
    expect((await logIn(podOf(2), email)).status).to.equal(200);
    expect((await logIn(podOf(0), email)).status).to.equal(401);
  });

  it('shows in the page’s statement who still needs the old ones', async () => {
    const [statement = ''] = blocksOf('docs/security-configuration.md', 'sql');
    // As the API's role, which row level security filters as it does the owner.
    const answers: unknown = await withOwner(database.url, (client) => client.query(statement));
    const [, { rows }] = counted.parse(answers);
    for (const kind of ['password', 'second factor', 'backup code'])
      expect(new Set(rows.filter(({ of }) => of === kind).map(({ key }) => key)).size, kind).to.equal(2);
  });
});

describe('a rotation of', () => {
  let database: TestDatabase;

  before(async () => {
    database = await createTestDatabase();
  });
  after(() => database?.drop());

  it('REFRESH_TOKEN_KEY costs everybody one login, and nobody the access token that he has', async () => {
    const [before, later] = await Promise.all([
      Api.start({ databaseUrl: database.url }),
      Api.start({ databaseUrl: database.url, env: { REFRESH_TOKEN_KEY: randomBytes(32).toString('base64') } }),
    ]);
    const { accessToken, refreshToken } = await before.newSession();
    expect((await later.me(accessToken)).status).to.equal(200);
    const refused = await later.post('/api/v1/auth/refresh', { refreshToken });
    expect([refused.status, refused.body['code']]).to.deep.equal([401, 'refresh-token-invalid']);
    await Promise.all([before.stop(), later.stop()]);
  });

  it('the API’s password is a second role, which the migration makes; the first can then be dropped', async () => {
    const roles = ['latchkey_rotation_1', 'latchkey_rotation_2'] as const;
    const urlAs = (role: string): string => {
      const url = new URL(database.url);
      url.username = role;
      url.password = `password-of-${role}`;
      return url.href;
    };
    const env = (role: string) => ({ MIGRATION_DATABASE_URL: database.ownerUrl, DATABASE_URL: urlAs(role) });
    for (const role of roles) expect((await runLatchkey(['db', 'migrate'], { env: env(role) })).code).to.equal(0);
    const [before, later] = await Promise.all(roles.map((role) => Api.start({ databaseUrl: urlAs(role) })));
    const email = (await before?.register()) ?? '';
    await before?.stop();
    await database.query(`REVOKE latchkey_app FROM ${roles[0]}`);
    await database.query(`DROP ROLE ${roles[0]}`);
    expect((await later?.login(email))?.accessToken).to.be.a('string');
    await later?.stop();
    await database.query(`DROP ROLE ${roles[1]}`);
  });
});
