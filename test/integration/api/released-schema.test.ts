/**
 * A server of the release before runs on the schema of this one, as stable and canary do side by side. released-statements.json is what version
 * 0.1.0 sent to PostgreSQL for register, login (right, wrong, unknown), validate, me, refresh (and its retry), a replay and logout, with what it
 * got; here every statement runs again, as the application's role, and must get the same. A recording, so that no old code has to be kept.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { Client } from 'pg';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.ts';

interface Statement {
  readonly text: string;
  readonly values: readonly unknown[];
  readonly rows: readonly Readonly<Record<string, unknown>>[];
  readonly rowCount: number;
}

const RECORDING = fileURLToPath(new URL('./released-statements.json', import.meta.url));
const statements = JSON.parse(readFileSync(RECORDING, 'utf8')) as readonly Statement[];

const UUID = /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g;
const IS_TIME = /^\d{4}-\d\d-\d\dT/;

/** The ids of the recording, each with the one that stands for it in this run. */
class Ids {
  readonly #now = new Map<string, string>();

  learn(recorded: unknown, found: unknown): void {
    if (typeof recorded === 'string' && typeof found === 'string' && recorded.match(UUID)?.[0] === recorded)
      this.#now.set(recorded, found);
  }

  translate<T>(value: T): T {
    return JSON.parse(JSON.stringify(value).replaceAll(UUID, (id) => this.#now.get(id) ?? id)) as T;
  }
}

/** A later release may give more (permissions), never less; times are those of the run. */
const isSame = (recorded: unknown, found: unknown): boolean => {
  if (typeof recorded === 'string' && IS_TIME.test(recorded)) return found instanceof Date;
  if (Array.isArray(recorded)) return Array.isArray(found) && recorded.every((each) => found.includes(each));
  return JSON.stringify(recorded) === JSON.stringify(found);
};

describe('the schema', () => {
  let database: TestDatabase;
  let client: Client;

  before(async () => {
    database = await createTestDatabase();
    client = new Client({ connectionString: database.url });
    await client.connect();
  });
  after(async () => {
    await client?.end();
    await database?.drop();
  });

  /** Runs one again and compares; a transaction ends where the next begins. */
  const replay = async (ids: Ids, { text, values, rows, rowCount }: Statement): Promise<void> => {
    if (text.startsWith('BEGIN')) await client.query('COMMIT');
    const results: unknown = await client
      .query(ids.translate(text), [...ids.translate(values)])
      .catch((error: unknown) => {
        throw new Error(`the released server could not run:\n${text}`, { cause: error });
      });
    const last = (Array.isArray(results) ? results.at(-1) : results) as Statement;
    expect(last.rowCount ?? 0, text).to.equal(rowCount);
    rows.forEach((recorded, i) => {
      const found = last.rows[i] ?? {};
      for (const [column, value] of Object.entries(recorded)) {
        ids.learn(value, found[column]);
        const isFitting = isSame(ids.translate(value), found[column]);
        expect(isFitting, `${column} of ${text}: ${JSON.stringify(found[column])}`).to.equal(true);
      }
    });
  };

  it('of this release carries a server of the release before through register, login, refresh, replay and logout', async () => {
    expect(statements).to.have.length.greaterThan(40);
    const ids = new Ids();
    for (const statement of statements) await replay(ids, statement);
    await client.query('COMMIT');
    const [account] = await database.query(
      `SELECT count(*)::int AS sessions, count(*) FILTER (WHERE s.status = 'revoked')::int AS ended
       FROM auth.users_extended u JOIN auth.user_sessions s ON s.user_id = u.id WHERE u.email = 'released@example.com'`,
    );
    expect(account).to.deep.equal({ sessions: 2, ended: 2 });
  });
});
