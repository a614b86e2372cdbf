/**
 * `latchkey drill FILE`: proves that a backup can be restored, on the server where it would be, without touching anything there. Exit codes: 0
 * it can, 1 it cannot, 2 wrong usage. docs/backup.md says how often.
 */
import { randomBytes } from 'node:crypto';
import { escapeIdentifier } from 'pg';
import { rowsOf } from '../backup/contents.ts';
import { privateKeyOf } from '../backup/environment.ts';
import { openBackup, resolveBackup } from '../backup/read.ts';
import { type Restored, restore } from '../backup/restore.ts';
import { type Check, verify, withOwner, withPatientOwner } from '../db/migrate.ts';
import { type Answer, type Call, command, runAlone, UsageError } from './command.ts';
import { progressTo, type Terminal } from './terminal.ts';

const HELP = `Usage: latchkey drill FILE [options]

Restores a backup (of a folder: its newest) into a new database of the server, compares every table with what was written, runs every check of
the schema, says how long it took, and drops the database.

Options
  --keep          leave the database there and say its name
  -o, --output    text (default) or json
  -h, --help      this text

Environment
  BACKUP_PRIVATE_KEY       lkkey_…, the other half of the key that the backup was written with
  MIGRATION_DATABASE_URL   a role that may create databases on the server

Exit codes: 0 it can be restored, 1 it cannot, 2 wrong usage
`;

const OPTIONS = { keep: { type: 'boolean', default: false } } as const;

interface Drilled {
  readonly restored: Restored;
  readonly checks: readonly Check[];
  readonly tookMs: number;
}

const inDatabase = (url: string, file: string, terminal: Terminal): Promise<Drilled> =>
  withPatientOwner(url, async (client) => {
    const startedMs = terminal.nowMs();
    const { header, records } = await openBackup(file, privateKeyOf(terminal.env));
    const restored = await restore(client, header, records, {
      replace: false,
      exact: true,
      onProgress: progressTo(terminal),
    });
    return { restored, checks: await verify(client), tookMs: terminal.nowMs() - startedMs };
  });

const sayDrilled = (file: string, { restored, checks, tookMs }: Drilled): Answer => {
  const rows = rowsOf(restored.tables);
  const failed = checks.filter(({ isPassed }) => !isPassed);
  const data = { file, rows, tables: Object.fromEntries(restored.tables), tookMs, checks: checks.length, failed };
  const verdict = `${rows} rows of ${restored.tables.size} tables as they were written, in ${(tookMs / 1_000).toFixed(1)} s; ${checks.length} checks`;
  const text =
    failed.length === 0
      ? `ok    ${file}: ${verdict}`
      : [`FAIL  ${file}: ${verdict}`, ...failed.map(({ name, detail }) => `  ${name}: ${detail}`)].join('\n');
  return { data, text, isGood: failed.length === 0 };
};

const run = async (path: string | undefined, { values, terminal }: Call<typeof OPTIONS>): Promise<Answer> => {
  if (path === undefined) throw new UsageError('drill needs a file, or a folder whose newest backup is meant');
  const server = terminal.env['MIGRATION_DATABASE_URL'];
  if (server === undefined) throw new UsageError('set MIGRATION_DATABASE_URL to a role that may create databases');
  const file = await resolveBackup(path);
  const name = `latchkey_drill_${randomBytes(4).toString('hex')}`;
  const url = new URL(server);
  url.pathname = `/${name}`;
  await withOwner(server, (client) => client.query(`CREATE DATABASE ${escapeIdentifier(name)}`));
  try {
    return sayDrilled(file, await inDatabase(url.href, file, terminal));
  } finally {
    if (values.keep) terminal.complain(`the database ${name} is still there\n`);
    else await withOwner(server, (client) => client.query(`DROP DATABASE ${escapeIdentifier(name)} WITH (FORCE)`));
  }
};

export const drill = command({
  name: 'drill',
  help: HELP,
  options: OPTIONS,
  work: (call) => run(call.operands[0], call),
});

if (import.meta.main) await runAlone(drill);
