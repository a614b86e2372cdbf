/** The migration runner and its command: twice at once, edited files, rollback, and a command line that says what it did. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { Client } from 'pg';
import { migrate, migrationStatus, readMigrations, rollback, verify, withOwner } from '../../../api/src/db/migrate.ts';
import { createEmptyDatabase, type TestDatabase } from '../../support/postgres.ts';

const CLI = fileURLToPath(new URL('../../../api/src/cli/db.ts', import.meta.url));

interface Run {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

const run = (args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Run> =>
  new Promise((resolve) => {
    const { PATH = '' } = process.env;
    execFile(process.execPath, [CLI, ...args], { env: { PATH, ...env }, timeout: 20_000 }, (error, out, err) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? -1), out, err });
    });
  });

describe('migrations', () => {
  let database: TestDatabase;

  beforeEach(async () => {
    database = await createEmptyDatabase();
  });
  afterEach(() => database.drop());

  /** `0021_name`, oldest first: the tests below hold for any number of migrations. */
  const allNames = async (): Promise<readonly string[]> =>
    (await readMigrations()).map(({ version, name }) => `${String(version).padStart(4, '0')}_${name}`);
  const rollBackTo = async (version: number): Promise<void> => {
    await withOwner(database.ownerUrl, async (client) => {
      const states = await migrationStatus(client);
      let newer = states.filter((each) => each.version > version && each.state === 'applied').length;
      for (; newer > 0; newer -= 1) await rollback(client);
    });
  };
  const tables = () => database.query("SELECT table_name FROM information_schema.tables WHERE table_schema = 'auth'");

  it('applied by two at once are applied once, and both succeed', async () => {
    const results = await Promise.all([1, 2, 3].map(() => withOwner(database.ownerUrl, migrate)));
    const all = await allNames();
    expect(results.toSorted((a, b) => a.length - b.length)).to.deep.equal([[], [], all]);
    expect(await tables()).to.have.length(12);
  });

  it('by an owner who is no superuser leave a schema that verifies', async () => {
    await database.query(
      `DO $$ BEGIN CREATE ROLE plain_owner LOGIN CREATEROLE PASSWORD 'test'; EXCEPTION WHEN duplicate_object THEN NULL; END $$`,
    );
    await database.query(`GRANT CREATE ON DATABASE ${database.name} TO plain_owner`);
    await database.query('GRANT CREATE, USAGE ON SCHEMA public TO plain_owner WITH GRANT OPTION');
    const checks = await withOwner(database.ownerUrl.replace('//postgres:', '//plain_owner:'), async (client) => {
      await migrate(client);
      return verify(client);
    });
    expect(checks.filter(({ isPassed }) => !isPassed)).to.deep.equal([]);
    await database.query('DROP OWNED BY plain_owner CASCADE');
  });

  it('that were edited after they were applied stop the runner, which says what to do', async () => {
    await withOwner(database.ownerUrl, migrate);
    await database.query("UPDATE latchkey.migration SET checksum = 'other' WHERE version = 21");
    const result = await run(['migrate'], { MIGRATION_DATABASE_URL: database.ownerUrl });
    expect([result.code, result.err.trim()]).to.deep.equal([
      1,
      'db: migration 21 was edited after it was applied: add a new one instead',
    ]);
  });

  it('that fail leave nothing behind and name the cause', async () => {
    await database.query('CREATE SCHEMA auth');
    const result = await run(['migrate'], { MIGRATION_DATABASE_URL: database.ownerUrl });
    expect(result.code).to.equal(1);
    expect(result.err).to.match(/migration 21 failed and was undone: schema "auth" already exists/);
    expect(await withOwner(database.ownerUrl, migrationStatus)).to.containSubset([
      { version: 20, state: 'applied' },
      { version: 21, state: 'pending' },
    ]);
  });

  it('adopt an organization table that is already there, and leave it when they are rolled back', async () => {
    await database.query(
      'CREATE TABLE public.organization (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name text, created_at timestamptz DEFAULT now())',
    );
    await database.query("INSERT INTO public.organization (name) VALUES ('Theirs'), ('Other')");
    const env = { MIGRATION_DATABASE_URL: database.ownerUrl };
    expect((await run(['migrate'], env)).code).to.equal(0);
    expect(
      await database.query("SELECT count(*)::int AS n FROM public.organization WHERE slug = 'default'"),
    ).to.deep.equal([{ n: 1 }]);
    expect((await database.query('SELECT count(*)::int AS n FROM auth.roles'))[0]).to.deep.equal({ n: 10 });
    await rollBackTo(0);
    expect(await database.query('SELECT count(*)::int AS n FROM public.organization')).to.deep.equal([{ n: 2 }]);
  });

  describe('the command', () => {
    const app = () => database.ownerUrl.replace('//postgres:test@', '//made_by_command:secret@');

    it('migrates an empty server to one that the API can use, is idempotent, and verifies', async () => {
      const env = { MIGRATION_DATABASE_URL: database.ownerUrl, DATABASE_URL: app() };
      const lines = (await allNames()).map((name) => `applied ${name}\n`);
      expect((await run(['migrate'], env)).out).to.equal(`${lines.join('')}role made_by_command may use the schema\n`);
      expect(await run(['migrate'], env)).to.deep.include({ code: 0, err: '' });
      const verified = await run(['verify', '-o', 'json'], env);
      expect(verified.code).to.equal(0);
      expect(JSON.parse(verified.out)).to.be.an('array').with.length.greaterThan(10);
      const client = new Client({ connectionString: app() });
      await client.connect();
      expect((await client.query('SELECT 1 FROM auth.permissions')).rowCount).to.be.at.least(26);
      await client.end();
    });

    it('says the state in text and JSON', async () => {
      const env = { MIGRATION_DATABASE_URL: database.ownerUrl };
      expect((await run(['status'], env)).out).to.match(/0021 {2}pending/);
      await run(['migrate'], env);
      expect(JSON.parse((await run(['status', '-o', 'json'], env)).out)).to.containSubset([
        { version: 21, state: 'applied' },
      ]);
    });

    it('verify fails on what was broken by hand, and names it', async () => {
      const env = { MIGRATION_DATABASE_URL: database.ownerUrl };
      await run(['migrate'], env);
      await database.query('ALTER TABLE auth.user_sessions NO FORCE ROW LEVEL SECURITY');
      const result = await run(['verify'], env);
      expect(result.code).to.equal(1);
      expect(result.out).to.match(
        /FAIL {2}0021 {2}every table has row level security, forced on its owner too: user_sessions/,
      );
    });

    it('rolls back only with --yes, one migration at a time, and forward again', async () => {
      const env = { MIGRATION_DATABASE_URL: database.ownerUrl };
      await run(['migrate'], env);
      const refused = await run(['rollback'], env);
      expect([refused.code, refused.err]).to.satisfy(
        ([code, err]: [number, string]) => code === 2 && err.includes('add --yes'),
      );
      expect(await tables()).to.have.length(12);
      const all = await allNames();
      expect((await run(['rollback', '--yes'], env)).out).to.equal(`rolled back ${all.at(-1)}\n`);
      await rollBackTo(20);
      expect(await tables()).to.have.length(0);
      expect(
        (await database.query("SELECT typname FROM pg_type WHERE typname IN ('session_status', 'bee_status_type')"))
          .length,
      ).to.equal(0);
      const again = all.slice(1).map((name) => `applied ${name}\n`);
      expect((await run(['migrate'], env)).out).to.equal(again.join(''));
    });

    it('rehearses: says what it would apply and whether that verifies, and leaves nothing behind', async () => {
      const env = { MIGRATION_DATABASE_URL: database.ownerUrl };
      const result = await run(['migrate', '--dry-run'], env);
      expect(result.code, result.err).to.equal(0);
      expect(result.out.split('\n').slice(0, -2)).to.deep.equal(
        (await allNames()).map((name) => `would apply ${name}`),
      );
      expect(result.out).to.match(/\d+ checks would pass\n$/);
      const schemas = "SELECT 1 FROM pg_namespace WHERE nspname IN ('auth', 'latchkey')";
      expect(await database.query(schemas)).to.deep.equal([]);
      await run(['migrate'], env);
      expect((await run(['migrate', '--dry-run'], env)).out).to.match(/^nothing to apply\n/);
      await database.query('ALTER TABLE auth.roles NO FORCE ROW LEVEL SECURITY');
      const broken = await run(['migrate', '--dry-run'], env);
      expect([broken.code, broken.out]).to.satisfy(
        ([code, out]: [number, string]) => code === 1 && out.includes('FAIL  0021'),
      );
    });

    it('takes over profiles that came later, and exits 1 while some could not be', async () => {
      const env = { MIGRATION_DATABASE_URL: database.ownerUrl };
      await run(['migrate'], env);
      expect(await run(['import-profiles'], env)).to.deep.include({ code: 0, out: 'nothing to take over\n' });
      await database.query(
        `CREATE TABLE public.profile (id uuid, email text, email_verified boolean, first_name text, last_name text, display_name text,
           avatar_url text, phone text, created_at timestamptz, updated_at timestamptz)`,
      );
      await database.query(
        "INSERT INTO public.profile (id, email) VALUES (gen_random_uuid(), 'a@example.com'), (gen_random_uuid(), 'A@example.com')",
      );
      const result = await run(['import-profiles'], env);
      expect([result.code, result.out]).to.deep.equal([1, '1 email-taken\n1 imported\n']);
    });

    it('goes back to nothing and forward again, one migration at a time, each verified on the way', async () => {
      const env = { MIGRATION_DATABASE_URL: database.ownerUrl };
      await run(['migrate'], env);
      for (const name of (await allNames()).toReversed()) {
        expect(await withOwner(database.ownerUrl, rollback)).to.equal(name);
        const rest = await withOwner(database.ownerUrl, verify);
        const failing = rest.filter(({ isPassed, detail }) => !isPassed && detail !== 'pending');
        expect(failing, `after ${name} was rolled back`).to.deep.equal([]);
      }
      expect((await run(['migrate'], env)).code).to.equal(0);
      expect((await run(['verify'], env)).code).to.equal(0);
    });

    it('explains itself, and wrong usage exits 2 with a sentence', async () => {
      expect(await run(['--help'])).to.satisfy(
        ({ code, out }: Run) => code === 0 && out.startsWith('Usage: latchkey db'),
      );
      for (const args of [[], ['destroy'], ['status', '-o', 'xml'], ['status', '--nope'], ['status']]) {
        const result = await run(args);
        expect(result.code, args.join(' ')).to.equal(2);
        expect(result.err, args.join(' ')).to.match(/^db: .+\n\nSee latchkey db --help\n$/s);
      }
    });

    it('never shows the password of a server that it cannot reach', async () => {
      const result = await run(['status'], { DATABASE_URL: 'postgres://someone:hunter2@127.0.0.1:1/x' });
      expect(result.code).to.equal(1);
      expect(result.err).to.include('ECONNREFUSED').and.not.to.include('hunter2');
    });
  });
});
