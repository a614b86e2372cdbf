/** `me` asks for many sessions with one statement: each answer belongs to its question, whatever stands beside it, and one statement is all there is. */
import { expect } from 'chai';
import * as fc from 'fast-check';
import { Database } from '../../../api/src/db/database.ts';
import { ProfileReader } from '../../../api/src/db/profile.ts';
import { createMetrics } from '../../../api/src/metrics.ts';
import { Api } from '../../support/api.ts';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.ts';

const RUNS = process.env['TEST_LONG'] === undefined ? 30 : 500;

describe('questions for profiles', function () {
  this.timeout(60_000);
  let database: TestDatabase;
  let api: Api;
  let pool: Database;
  let statements = 0;
  const sessions: {
    readonly email: string;
    readonly tenantId: string;
    readonly userId: string;
    readonly sessionId: string;
  }[] = [];

  before(async () => {
    database = await createTestDatabase();
    api = await Api.start({ databaseUrl: database.url });
    for (let index = 0; index < 4; index += 1) {
      const email = await api.register();
      await api.login(email);
    }
    const rows = await database.query(
      'SELECT u.email, u.org_id, u.id AS user_id, s.id AS session_id FROM auth.user_sessions s JOIN auth.users_extended u ON u.id = s.user_id',
    );
    for (const row of rows) {
      const [email, tenantId, userId, sessionId] = ['email', 'org_id', 'user_id', 'session_id'].map((name) =>
        String(row[name]),
      );
      sessions.push({ email: email ?? '', tenantId: tenantId ?? '', userId: userId ?? '', sessionId: sessionId ?? '' });
    }
    pool = new Database({ url: database.url, metrics: createMetrics(), onIdleError: () => undefined });
    const query = pool.query.bind(pool);
    pool.query = (...args) => {
      statements += 1;
      return query(...args);
    };
  });
  after(async () => {
    await pool?.close();
    await api?.stop();
    await database?.drop();
  });

  it('are answered each with its own account, or with none, and share one statement', async () => {
    expect(sessions).to.have.length(4);
    const known = fc.integer({ min: 0, max: 3 }).map((index) => ({ index, isLive: true }));
    const strangers = fc.integer({ min: 0, max: 3 }).map((index) => ({ index, isLive: false }));
    await fc.assert(
      fc.asyncProperty(fc.array(fc.oneof(known, strangers), { minLength: 1, maxLength: 100 }), async (questions) => {
        const reader = new ProfileReader(pool);
        statements = 0;
        const answers = await Promise.all(
          questions.map(({ index, isLive }) => {
            const session = sessions[index];
            if (session === undefined) throw new Error('no session');
            // Another account's session: there is none of that id for this user.
            const { sessionId } = isLive ? session : (sessions[(index + 1) % sessions.length] ?? session);
            return reader.find({ ...session, sessionId });
          }),
        );
        expect(statements).to.equal(1);
        const emails = answers.map((text) => (text === undefined ? undefined : emailIn(text)));
        expect(emails).to.deep.equal(
          questions.map(({ index, isLive }) => (isLive ? sessions[index]?.email : undefined)),
        );
      }),
      { numRuns: RUNS },
    );
  });

  it('beyond a hundred go out in several statements, and lose none', async () => {
    const reader = new ProfileReader(pool);
    statements = 0;
    const [session] = sessions;
    if (session === undefined) throw new Error('no session');
    const answers = await Promise.all(Array.from({ length: 250 }, () => reader.find(session)));
    expect(statements).to.equal(3);
    expect(new Set(answers.map((text) => emailIn(text ?? '{}')))).to.deep.equal(new Set([session.email]));
  });
});

const emailIn = (text: string): unknown => {
  const { user }: { user?: { email?: string } } = JSON.parse(text) as { user?: { email?: string } };
  return user?.email;
};
