/**
 * `latchkey doctor`: looks at everything that the service needs, from where the service runs, and says of each fault what to do. It reads the same
 * environment, asks and changes nothing. Exit codes: 0 no finding, 1 findings, 2 wrong usage. docs/latchkey-cli.md lists the checks.
 */

import { nearest } from '../core/nearest.ts';
import { command, UsageError } from './command.ts';
import { AUDIT_CHECKS } from './doctor/audit-checks.ts';
import { type Check, type CheckReport, lookAtAll } from './doctor/check.ts';
import { CLOCK_CHECK } from './doctor/clock-check.ts';
import { DATABASE_CHECKS } from './doctor/database-checks.ts';
import { openInstallation } from './doctor/installation.ts';
import { KEY_CHECKS } from './doctor/key-checks.ts';
import { MAIL_CHECKS } from './doctor/mail-checks.ts';
import { REDIS_CHECKS } from './doctor/redis-checks.ts';
import { SCHEMA_CHECKS } from './doctor/schema-checks.ts';
import { SETTING_CHECKS } from './doctor/setting-checks.ts';
import { countOf, drawReports, rowsOf } from './doctor/view.ts';
import type { Terminal } from './terminal.ts';

export const CHECKS: readonly Check[] = [
  ...SETTING_CHECKS,
  ...DATABASE_CHECKS,
  ...SCHEMA_CHECKS,
  ...AUDIT_CHECKS,
  ...KEY_CHECKS,
  ...REDIS_CHECKS,
  ...MAIL_CHECKS,
  CLOCK_CHECK,
];

const HELP = `Usage: latchkey doctor [options]

Looks at the configuration, PostgreSQL, the schema, the audit trail, keys, Redis, mail, proxy trust and the clocks, all at once, as the
service would use them. Each fault comes with its remedy. Nothing is changed, no mail is sent, no secret is shown.

Options
  --only <id,id>     some checks only; --list names them
  --list             the checks and what each looks at
  --pods <n>         how many pods share PostgreSQL, a rollout's canary included (default 2)
  --deadline <s>     how long a check may take, in seconds (default 5)
  --fail-on <what>   warn (default): warnings are findings too; fail: they are only said
  -o, --output       text (default) or json
  -h, --help         this text

Environment
  what the service reads (docs/configuration.md)
  MIGRATION_DATABASE_URL   optional: the schema's owner, who may compare the applied migrations with this release's files

Exit codes: 0 no finding, 1 findings, 2 wrong usage
`;

const chosenChecks = (only: string | undefined): readonly Check[] => {
  if (only === undefined) return CHECKS;
  const ids = CHECKS.map(({ id }) => id);
  const wanted = only.split(',').map((id) => id.trim());
  const unknown = wanted.find((id) => !ids.includes(id));
  if (unknown !== undefined) {
    const near = nearest(unknown, ids);
    throw new UsageError(
      `there is no check ${unknown}${near === undefined ? ': see --list' : `; did you mean ${near}?`}`,
    );
  }
  return CHECKS.filter(({ id }) => wanted.includes(id));
};

export const wholeNumber = (name: string, text: string, most: number): number => {
  const value = /^\d{1,6}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= 1 && value <= most) return value;
  throw new UsageError(`--${name} is a whole number from 1 to ${most}`);
};

export interface Examination {
  readonly only?: string | undefined;
  readonly pods: number;
  readonly deadlineMs: number;
}

/** Makes the checks and closes every connection. Called by `report` too. @throws UsageError */
export const examine = async (
  { env, nowMs }: Pick<Terminal, 'env' | 'nowMs'>,
  { only, pods, deadlineMs }: Examination,
): Promise<readonly CheckReport[]> => {
  const checks = chosenChecks(only);
  const installation = openInstallation({ env, nowMs, pods, deadlineMs });
  try {
    return await lookAtAll(checks, installation);
  } finally {
    await installation.close();
  }
};

/** One object a finding, flat, for jq. */
export const flat = (reports: readonly CheckReport[]) =>
  reports.flatMap(({ id, looksAt, outcomes, tookMs }) =>
    outcomes.map((outcome) => ({ id, ...outcome, looksAt, tookMs })),
  );

export const doctor = command({
  name: 'doctor',
  help: HELP,
  options: {
    only: { type: 'string', values: CHECKS.map(({ id }) => id) },
    list: { type: 'boolean', default: false },
    pods: { type: 'string', default: '2' },
    deadline: { type: 'string', default: '5' },
    'fail-on': { type: 'string', default: 'warn', values: ['warn', 'fail'] },
  },
  work: async ({ operands, values, terminal }) => {
    if (operands.length > 0) throw new UsageError('doctor takes no arguments: --only chooses checks');
    if (values['fail-on'] !== 'warn' && values['fail-on'] !== 'fail') throw new UsageError('--fail-on is warn or fail');
    if (values.list) {
      const listed = CHECKS.map(({ id, looksAt }) => ({ id, looksAt }));
      const width = Math.max(...listed.map(({ id }) => id.length));
      return {
        data: listed,
        text: listed.map(({ id, looksAt }) => `${id.padEnd(width)}  ${looksAt}`).join('\n'),
        isGood: true,
      };
    }
    const pods = wholeNumber('pods', values.pods, 10_000);
    const deadlineMs = wholeNumber('deadline', values.deadline, 600) * 1000;
    const reports = await examine(terminal, { only: values.only, pods, deadlineMs });
    const rows = rowsOf(reports);
    const isGood = countOf(rows, 'fail') === 0 && (values['fail-on'] === 'fail' || countOf(rows, 'warn') === 0);
    const canvas = { columns: terminal.columns(), hasColour: terminal.hasColour };
    return { data: { isGood, checks: flat(reports) }, text: drawReports(reports, canvas).join('\n'), isGood };
  },
});
