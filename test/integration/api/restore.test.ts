/** What a restore does with records that are not what was written: nothing of it stays. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { Record } from '../../../api/src/backup/contents.ts';
import { createTally, decode, encode } from '../../../api/src/backup/contents.ts';
import { restore } from '../../../api/src/backup/restore.ts';
import { readMigrations, withOwner } from '../../../api/src/db/migrate.ts';
import { storedTable, storedTables } from '../../../api/src/db/snapshot.ts';
import { runBackup, runRestore } from '../../support/backup.ts';
import { createEmptyDatabase, createTestDatabase, type TestDatabase } from '../../support/postgres.ts';

const ORGANIZATION =
  '{"id":"00000000-0000-4000-8000-000000000001","name":"One","slug":"one","created_at":"2026-01-01T00:00:00+00:00"}';
const OPTIONS = { replace: false, exact: true, onProgress: () => undefined };

describe('a restore', () => {
  let migrated: TestDatabase;
  let target: TestDatabase;
  let columns: readonly string[];
  let schemaVersion: number;

  before(async () => {
    migrated = await createTestDatabase();
    schemaVersion = Math.max(...(await readMigrations()).map(({ version }) => version));
    const tables = await withOwner(migrated.ownerUrl, storedTables);
    ({ columns } = storedTable.parse(tables.find(({ name }) => name === 'public.organization')));
  });
  beforeEach(async () => {
    target = await createEmptyDatabase();
  });
  afterEach(() => target.drop());
  after(() => migrated?.drop());

  const records = async function* (
    texts: readonly string[],
    written: readonly string[] = texts,
  ): AsyncGenerator<Record> {
    yield { kind: 'table', name: 'public.organization', columns: [...columns], json: [], key: ['id'] };
    for (const text of texts) yield { kind: 'row', text };
    const tally = createTally();
    for (const text of written) tally.add(text);
    yield { kind: 'end', ...tally.totals() };
  };
  const restoring = async (source: AsyncIterable<Record>): Promise<string> => {
    try {
      await withOwner(target.ownerUrl, (client) => restore(client, { schemaVersion }, source, OPTIONS));
      return 'restored';
    } catch (error) {
      return error instanceof Error && 'code' in error ? String(error.code) : String(error);
    }
  };
  const rows = () => target.query("SELECT slug FROM public.organization WHERE slug <> 'default'");

  it('of rows that differ from what was written is undone', async () => {
    expect(await restoring(records([ORGANIZATION], [ORGANIZATION.replace('One', 'Two')]))).to.equal('rows-differ');
    expect(await rows()).to.deep.equal([]);
  });

  it('of fewer rows than were written is undone', async () => {
    expect(await restoring(records([], [ORGANIZATION]))).to.equal('rows-differ');
    expect(await rows()).to.deep.equal([]);
  });

  it('of a schema that this release does not know writes nothing', async () => {
    schemaVersion += 1;
    expect(await restoring(records([ORGANIZATION]))).to.equal('schema-unknown');
    schemaVersion -= 1;
    expect(await target.query("SELECT to_regclass('public.organization') AS found")).to.deep.equal([{ found: null }]);
  });

  it('of contents that end before their last line is refused', async () => {
    const whole: Uint8Array[] = [];
    for await (const piece of encode(records([ORGANIZATION]))) whole.push(piece);
    const half = Buffer.concat(whole).subarray(0, 40);
    const reading = async (): Promise<string> => {
      try {
        for await (const _ of decode(
          (async function* () {
            yield half;
          })(),
        ))
          continue;
        return 'read';
      } catch (error) {
        return error instanceof Error ? error.message : '';
      }
    };
    expect(await reading()).to.match(/end|unexpected/);
  });

  it('is refused before anything is changed where it would fail after the commit: a file that is there, a folder that is not, a Redis that is away', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'latchkey-restore-'));
    try {
      const made = await runBackup(['create', folder], { MIGRATION_DATABASE_URL: migrated.ownerUrl });
      expect(made.code, made.err).to.equal(0);
      const taken = join(folder, 'taken.env');
      await writeFile(taken, 'kept');
      const refusals: readonly (readonly [string[], object, RegExp])[] = [
        [['--env-file', taken], {}, /^restore: \S+taken\.env is there already: name another file, or move it away\n$/],
        [['--env-file', taken, '--dry-run'], {}, /is there already/],
        [['--env-file', join(folder, 'nowhere', 'new.env')], {}, /^restore: ENOENT/],
        [[], { REDIS_URL: 'redis://127.0.0.1:1' }, /^restore: /],
      ];
      for (const [options, env, says] of refusals) {
        const refused = await runRestore([folder, ...options], { MIGRATION_DATABASE_URL: target.ownerUrl, ...env });
        expect([refused.code, refused.out]).to.deep.equal([1, '']);
        expect(refused.err).to.match(says);
      }
      expect(await target.query("SELECT to_regclass('public.organization') AS found")).to.deep.equal([{ found: null }]);
      expect(await readFile(taken, 'utf8')).to.equal('kept');
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
