/**
 * `latchkey db migrate|status|verify|import-profiles|rollback`: the schema's commands, for people and for the chart's job, which starts this file by
 * itself. Exit codes: 0 done, 1 failed or a check did not pass, 2 wrong usage.
 */
import type { Client } from 'pg';
import { ensureApplicationRole } from '../db/login-role.ts';
import {
  type Check,
  importProfiles,
  migrate,
  migrationStatus,
  rehearse,
  rollback,
  verify,
  withOwner,
} from '../db/migrate.ts';
import type { Patience } from '../db/schema-change.ts';
import { type Answer, command, runAlone, UsageError, verbOf } from './command.ts';
import type { Terminal } from './terminal.ts';

const HELP = `Usage: latchkey db <command> [options]

Commands
  migrate    apply what is pending; safe to run from several pods at once
  status     list the migrations and their state
  verify     run the verification queries; exit 1 when a check does not pass
  import-profiles
             take over accounts from public.profile that were added or corrected since migration 0027; safe to run again
  rollback   take the newest migration back, WITH ITS DATA; needs --yes

Options
  --yes           confirm a rollback
  --dry-run       migrate: apply everything, verify it, and take it back again; nothing stays
  -o, --output    text (default) or json
  -h, --help      this text

Environment
  MIGRATION_DATABASE_URL   the schema's owner (falls back to DATABASE_URL)
  DATABASE_URL             the API's login role; migrate creates it when it is missing and grants it latchkey_app

Exit codes: 0 done, 1 failed, 2 wrong usage
`;

const VERBS = ['migrate', 'status', 'verify', 'import-profiles', 'rollback'] as const;

const patienceOf = (terminal: Terminal): Patience => ({
  onBlocked: (who) => terminal.complain(`db: waiting for its locks; ${who}\n`),
});

const runMigrate = async (client: Client, terminal: Terminal): Promise<Answer> => {
  const { env } = terminal;
  const applied = await migrate(client, patienceOf(terminal));
  const role = await ensureApplicationRole(client, env);
  const text = applied.length === 0 ? 'nothing to apply' : applied.map((name) => `applied ${name}`).join('\n');
  return {
    data: { applied, role },
    text: role === undefined ? text : `${text}\nrole ${role} may use the schema`,
    isGood: true,
  };
};

const runStatus = async (client: Client): Promise<Answer> => {
  const states = await migrationStatus(client);
  const text = states.map(
    (s) => `${String(s.version).padStart(4, '0')}  ${s.state.padEnd(8)}  ${s.appliedAt ?? '-'.padEnd(24)}  ${s.name}`,
  );
  return { data: states, text: text.join('\n'), isGood: states.every(({ state }) => state !== 'changed') };
};

const checkLine = (c: Check): string =>
  `${c.isPassed ? 'ok  ' : 'FAIL'}  ${String(c.migration).padStart(4, '0')}  ${c.name}: ${c.detail}`;

const runVerify = async (client: Client): Promise<Answer> => {
  const checks = await verify(client);
  return { data: checks, text: checks.map(checkLine).join('\n'), isGood: checks.every(({ isPassed }) => isPassed) };
};

const runRehearsal = async (client: Client, terminal: Terminal): Promise<Answer> => {
  const { names, checks } = await rehearse(client, patienceOf(terminal));
  const failed = checks.filter(({ isPassed }) => !isPassed);
  const would = names.length === 0 ? ['nothing to apply'] : names.map((name) => `would apply ${name}`);
  const verdict = failed.length === 0 ? [`${checks.length} checks would pass`] : failed.map(checkLine);
  return { data: { names, checks }, text: [...would, ...verdict].join('\n'), isGood: failed.length === 0 };
};

const runImport = async (client: Client): Promise<Answer> => {
  const outcomes = await importProfiles(client);
  const text = outcomes.map(({ outcome, profiles }) => `${profiles} ${outcome}`);
  const isGood = outcomes.every(({ outcome }) => outcome === 'imported' || outcome === 'already-there');
  return { data: outcomes, text: text.length === 0 ? 'nothing to take over' : text.join('\n'), isGood };
};

const runRollback = async (client: Client, isConfirmed: boolean, terminal: Terminal): Promise<Answer> => {
  if (!isConfirmed) throw new UsageError('a rollback drops the data of the migration: add --yes if you mean it');
  const name = await rollback(client, patienceOf(terminal));
  return { data: { rolledBack: name }, text: `rolled back ${name}`, isGood: true };
};

interface Flags {
  readonly yes: boolean;
  readonly 'dry-run': boolean;
}

const run = (
  verb: (typeof VERBS)[number],
  { yes, 'dry-run': isRehearsal }: Flags,
  terminal: Terminal,
): Promise<Answer> => {
  const { env } = terminal;
  const url = env['MIGRATION_DATABASE_URL'] ?? env['DATABASE_URL'];
  const withUrl = (work: (client: Client) => Promise<Answer>): Promise<Answer> => {
    if (url === undefined) throw new UsageError('set MIGRATION_DATABASE_URL (or DATABASE_URL) to the database');
    return withOwner(url, work);
  };
  switch (verb) {
    case 'migrate':
      return withUrl((client) => (isRehearsal ? runRehearsal : runMigrate)(client, terminal));
    case 'status':
      return withUrl(runStatus);
    case 'verify':
      return withUrl(runVerify);
    case 'rollback':
      return withUrl((client) => runRollback(client, yes, terminal));
    case 'import-profiles':
      return withUrl(runImport);
  }
};

export const db = command({
  name: 'db',
  help: HELP,
  verbs: VERBS,
  options: { yes: { type: 'boolean', default: false }, 'dry-run': { type: 'boolean', default: false } },
  work: async ({ operands, values, terminal }) => run(verbOf(VERBS, operands[0]), values, terminal),
});

if (import.meta.main) await runAlone(db);
