/**
 * `node api/src/cli/db.ts migrate|status|verify|import-profiles|rollback`: the schema's commands, for people and for the chart's job.
 * Exit codes: 0 done, 1 failed or a check did not pass, 2 wrong usage.
 */
import { parseArgs } from 'node:util';
import type { Client } from 'pg';
import { ensureLoginRole } from '../db/login-role.ts';
import {
  type Check,
  importProfiles,
  MigrationError,
  migrate,
  migrationStatus,
  rehearse,
  rollback,
  verify,
  withOwner,
} from '../db/migrate.ts';

const HELP = `Usage: db.ts <command> [options]

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

class UsageError extends Error {
  override readonly name = 'UsageError';
}

interface Answer {
  readonly data: unknown;
  readonly text: string;
  readonly isGood: boolean;
}

const runMigrate = async (client: Client): Promise<Answer> => {
  const applied = await migrate(client);
  const { DATABASE_URL: application, MIGRATION_DATABASE_URL: owner } = process.env;
  const hasOwnRole =
    application !== undefined && owner !== undefined && new URL(application).username !== new URL(owner).username;
  const role = hasOwnRole ? await ensureLoginRole(client, application) : undefined;
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

const runRehearsal = async (client: Client): Promise<Answer> => {
  const { names, checks } = await rehearse(client);
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

const runRollback = async (client: Client, isConfirmed: boolean): Promise<Answer> => {
  if (!isConfirmed) throw new UsageError('a rollback drops the data of the migration: add --yes if you mean it');
  const name = await rollback(client);
  return { data: { rolledBack: name }, text: `rolled back ${name}`, isGood: true };
};

interface Flags {
  readonly yes: boolean;
  readonly 'dry-run': boolean;
}

const run = (command: string | undefined, { yes, 'dry-run': isRehearsal }: Flags): Promise<Answer> => {
  const url = process.env['MIGRATION_DATABASE_URL'] ?? process.env['DATABASE_URL'];
  const withUrl = (work: (client: Client) => Promise<Answer>): Promise<Answer> => {
    if (url === undefined) throw new UsageError('set MIGRATION_DATABASE_URL (or DATABASE_URL) to the database');
    return withOwner(url, work);
  };
  switch (command) {
    case 'migrate':
      return withUrl(isRehearsal ? runRehearsal : runMigrate);
    case 'status':
      return withUrl(runStatus);
    case 'verify':
      return withUrl(runVerify);
    case 'rollback':
      return withUrl((client) => runRollback(client, yes));
    case 'import-profiles':
      return withUrl(runImport);
    case undefined:
      throw new UsageError('a command is needed');
    default:
      throw new UsageError(`there is no command ${command}`);
  }
};

/** A sentence for people, without connection strings; the database's own sentence is the useful one. */
const describe = (error: unknown): string => {
  if (!(error instanceof Error)) return 'failed';
  const cause = error instanceof MigrationError && error.cause instanceof Error ? `: ${error.cause.message}` : '';
  const message = error instanceof AggregateError ? error.errors.map(describe).join('; ') : error.message;
  return `${message}${cause}`.replaceAll(/\b\w+:\/\/[^\s@/]+@/g, '[address]@');
};

const main = async (): Promise<number> => {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        yes: { type: 'boolean', default: false },
        'dry-run': { type: 'boolean', default: false },
        output: { type: 'string', short: 'o', default: 'text' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
    if (values.help) {
      process.stdout.write(HELP);
      return 0;
    }
    if (values.output !== 'text' && values.output !== 'json') throw new UsageError('--output is text or json');
    const answer = await run(positionals[0], values);
    process.stdout.write(`${values.output === 'json' ? JSON.stringify(answer.data, null, 2) : answer.text}\n`);
    return answer.isGood ? 0 : 1;
  } catch (error) {
    const isUsage = error instanceof UsageError || (error instanceof TypeError && 'code' in error);
    process.stderr.write(`db: ${describe(error)}\n${isUsage ? '\nSee db.ts --help\n' : ''}`);
    return isUsage ? 2 : 1;
  }
};

process.exitCode = await main();
