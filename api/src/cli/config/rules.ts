/**
 * Everything that can be said against an environment without asking anybody: what the service refuses, names that nothing reads, and what is unsafe
 * where it runs. Called by ../config.ts and compare.ts. Names and sentences; a value only where docs/configuration.md has it as an example.
 */
import { environment } from '../../config.ts';
import { nearest } from '../../core/nearest.ts';
import { type Check, lookAtAll, type Verdict } from '../doctor/check.ts';
import { DATABASE_CHECKS } from '../doctor/database-checks.ts';
import { openInstallation } from '../doctor/installation.ts';
import { MAIL_CHECKS } from '../doctor/mail-checks.ts';
import { SETTING_CHECKS } from '../doctor/setting-checks.ts';
import { type Environment, MATRIX, RUNBOOK_NAMES } from './matrix.ts';

export type Env = Readonly<Record<string, string | undefined>>;

export interface ConfigFinding {
  readonly name: string;
  readonly verdict: Extract<Verdict, 'fail' | 'warn'>;
  readonly finding: string;
  readonly remedy: string;
}

export const KNOWN_NAMES: readonly string[] = Object.keys(environment.shape);

/** Read by the process before anything of ours is, or by the commands alone. */
const OTHERS: ReadonlySet<string> = new Set([
  'BACKUP_PRIVATE_KEY',
  'BACKUP_PUBLIC_KEY',
  'MIGRATION_DATABASE_URL',
  'UV_THREADPOOL_SIZE',
  'NODE_ENV',
  'NODE_OPTIONS',
  'NODE_EXTRA_CA_CERTS',
  'NODE_COMPILE_CACHE',
  'TZ',
]);

/** Checks of `latchkey doctor` that look at the environment and open nothing. */
const OFFLINE = new Set([
  'configuration',
  'proxy-trust',
  'https',
  'password-cost',
  'email-verification',
  'modes',
  'mail-folder',
  'database-tls',
]);
const OFFLINE_CHECKS: readonly Check[] = [...SETTING_CHECKS, ...DATABASE_CHECKS, ...MAIL_CHECKS].filter(({ id }) =>
  OFFLINE.has(id),
);

/** The findings of these checks begin with the variable that they are about. */
const split = (finding: string): { readonly name: string; readonly rest: string } => {
  const [, name = '', rest = finding] = /^([A-Z][A-Z0-9_]+) (.*)$/s.exec(finding) ?? [];
  return { name, rest };
};

const ofChecks = async (env: Env): Promise<readonly ConfigFinding[]> => {
  const installation = openInstallation({ env, nowMs: () => 0, pods: 1, deadlineMs: 60_000 });
  const reports = await lookAtAll(OFFLINE_CHECKS, installation);
  return reports.flatMap(({ outcomes }) =>
    outcomes.flatMap((outcome) => {
      if (outcome.verdict === 'ok' || outcome.verdict === 'skipped') return [];
      const { name, rest } = split(outcome.finding);
      return [{ name, verdict: outcome.verdict, finding: rest, remedy: outcome.remedy }];
    }),
  );
};

const ofMatrix = (env: Env, where: Environment): readonly ConfigFinding[] =>
  MATRIX[where].flatMap(({ name, wanted, unsafe }) => {
    const why = unsafe(env[name], env);
    return why === undefined ? [] : [{ name, verdict: 'warn' as const, finding: why, remedy: `${name}=${wanted}` }];
  });

/** A file is ours alone, so every name in it means something; a process has names of everybody. */
const ofNames = (env: Env, isFile: boolean): readonly ConfigFinding[] =>
  Object.keys(env).flatMap((name): readonly ConfigFinding[] => {
    if (KNOWN_NAMES.includes(name) || OTHERS.has(name)) return [];
    const meant = RUNBOOK_NAMES[name];
    if (meant !== undefined)
      return [
        {
          name,
          verdict: 'fail',
          finding: "is the runbook's name: nothing reads it here",
          remedy: `rename it to ${meant}`,
        },
      ];
    const near = nearest(name, KNOWN_NAMES);
    if (near !== undefined && env[near] === undefined)
      return [{ name, verdict: 'fail', finding: 'is read by nothing', remedy: `did you mean ${near}?` }];
    if (!isFile) return [];
    return [{ name, verdict: 'warn', finding: 'is read by nothing', remedy: 'leave it out' }];
  });

/** One finding a variable and sentence: two checks may have come to the same. */
const distinct = (findings: readonly ConfigFinding[]): readonly ConfigFinding[] => {
  const seen = new Map<string, ConfigFinding>();
  for (const finding of findings) {
    const key = `${finding.name} ${finding.remedy}`;
    if (!seen.has(key)) seen.set(key, finding);
  }
  return [...seen.values()];
};

export interface Judged {
  readonly env: Env;
  readonly where: Environment;
  readonly isFile: boolean;
}

/** All findings, those of the service first. */
export const judge = async ({ env, where, isFile }: Judged): Promise<readonly ConfigFinding[]> => {
  const said = env['APP_ENV'] ?? 'production';
  const other: readonly ConfigFinding[] =
    said === where
      ? []
      : [{ name: 'APP_ENV', verdict: 'fail', finding: `is not ${where}`, remedy: `APP_ENV=${where}` }];
  const asThere = { ...env, APP_ENV: where };
  return distinct([...other, ...(await ofChecks(asThere)), ...ofNames(env, isFile), ...ofMatrix(env, where)]);
};
