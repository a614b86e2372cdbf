/** Migrations go back and forth under a service that works: no client is told of it, and who keeps a migration from its locks is named. */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { Client } from 'pg';
import { MigrationError, migrate, rehearse, rollback, withOwner } from '../../../api/src/db/migrate.ts';
import { Api, PASSWORD, type Tokens, tokensOf } from '../../support/api.ts';
import { eventually } from '../../support/eventually.ts';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.ts';

const CLIENTS = 12;
const ROUND_TRIPS = 6;
/** Between two requests of a client: some four hundred a second in all. */
const THINK_MS = 60;

describe('a migration under a service that works', function () {
  this.timeout(120_000);
  let database: TestDatabase;

  beforeEach(async () => {
    database = await createTestDatabase();
  });
  afterEach(() => database.drop());

  it('of many tables deadlocks with no request: every one is answered as ever', async () => {
    const api = await Api.start({ databaseUrl: database.url });
    const answers = new Map<string, number>();
    const over = new AbortController();
    const counted = async (what: string, sent: ReturnType<Api['me']>) => {
      const answer = await sent;
      const named = `${what} ${answer.status}`;
      answers.set(named, (answers.get(named) ?? 0) + 1);
      return answer;
    };
    const useSession = async (email: string, first: Tokens): Promise<void> => {
      let tokens = first;
      while (!over.signal.aborted) {
        const refreshed = await counted('refresh', api.refresh(tokens.refreshToken));
        if (refreshed.status === 200) tokens = tokensOf(refreshed);
        await counted('me', api.me(tokens.accessToken));
        await counted('login', api.post('/api/v1/auth/login', { email, password: PASSWORD }));
        await sleep(THINK_MS);
      }
    };
    const users: [email: string, first: Tokens][] = [];
    // One after the other: on a busy machine a dozen of passwords at once is more than are checked.
    for (let user = 0; user < CLIENTS; user += 1) {
      const email = await api.register();
      users.push([email, await api.login(email)]);
    }
    const clients = Promise.all(users.map(([email, first]) => useSession(email, first)));
    for (let done = 0; done < ROUND_TRIPS; done += 1) {
      await withOwner(database.ownerUrl, rollback);
      await withOwner(database.ownerUrl, migrate);
    }
    over.abort();
    await clients;
    await api.stop();
    expect([...answers.keys()].toSorted()).to.deep.equal(['login 200', 'me 200', 'refresh 200']);
  });

  it('gives up when its locks cannot be had, undone, and names the transaction that is in its way', async () => {
    const other = new Client({ connectionString: database.ownerUrl, application_name: 'a long report' });
    await other.connect();
    await other.query('BEGIN; SELECT count(*) FROM auth.user_sessions; SELECT pg_sleep(1.1)');
    const said: string[] = [];
    const patience = { giveUpAfterMs: 400, sayAfterMs: 0, onBlocked: (who: string) => void said.push(who) };
    const failure = await withOwner(database.ownerUrl, (client) => rollback(client, patience)).catch(
      (error: unknown) => error,
    );
    await other.query('COMMIT');
    await other.end();
    if (!(failure instanceof MigrationError) || !(failure.cause instanceof Error)) throw new Error(String(failure));
    expect(failure.message).to.match(/^rollback of \d+ failed and was undone$/);
    expect(failure.cause.message).to.match(
      /^its locks could not be had in \d+ s; the oldest open transactions: process \d+ \(a long report\) for \d+ s$/,
    );
    expect(said, 'once, though it was tried again and again').to.have.length(1);
    expect(said[0]).to.include('(a long report)');
    expect(await withOwner(database.ownerUrl, migrate)).to.deep.equal([]);
  });

  it('is rehearsed as patiently: it waits for a transaction that ends, and nothing of it stays', async () => {
    await withOwner(database.ownerUrl, rollback);
    const other = new Client({ connectionString: database.ownerUrl });
    await other.connect();
    await other.query('BEGIN; SELECT count(*) FROM auth.user_sessions');
    const rehearsal = withOwner(database.ownerUrl, rehearse);
    const isWaiting = async (): Promise<boolean> => {
      const rows = await database.query(
        `SELECT 1 FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE NOT l.granted AND a.application_name = 'latchkey-migrate'`,
      );
      return rows.length > 0;
    };
    await eventually('it waits', 5_000, isWaiting);
    await other.query('COMMIT');
    await other.end();
    const { names, checks } = await rehearsal;
    expect(checks.filter(({ isPassed }) => !isPassed)).to.deep.equal([]);
    expect(names).to.have.length(1);
    expect(await withOwner(database.ownerUrl, migrate)).to.deep.equal(names);
  });
});
