/**
 * `latchkey config validate|compare`: an environment held against the rules of the service and of the runbook's matrix, and two against each other.
 * Exit codes: 0 no finding, 1 findings, 2 wrong usage. No value of a secret is ever shown.
 */
import { type Answer, command, UsageError, verbOf } from './command.ts';
import { compare, type Side } from './config/compare.ts';
import { readEnvFile } from './config/env-file.ts';
import { ENVIRONMENTS, type Environment } from './config/matrix.ts';
import { type ConfigFinding, type Env, judge } from './config/rules.ts';
import { drawFindings } from './doctor/view.ts';
import type { Terminal } from './terminal.ts';

const HELP = `Usage: latchkey config <command> [options]

Commands
  validate [FILE]   every fault at once: what the service refuses, names that nothing reads (with the name that was meant),
                    and what is unsafe in its environment; without FILE the environment of this process
  compare A B       two files: rules that either breaks, names that one of them lacks, secrets and places that are the same in
                    both, and settings in which a test of one would say little about the other

A FILE has lines NAME=value, as node --env-file reads them. Names and rules are shown, never the value of a secret.

Options
  --environment <name>   validate as development, staging or production (default: APP_ENV of the file, or production)
  --fail-on <what>       warn (default): warnings are findings too; fail: they are only said
  -o, --output           text (default) or json
  -h, --help             this text

Exit codes: 0 no finding, 1 findings or a file cannot be read, 2 wrong usage
`;

const VERBS = ['validate', 'compare'] as const;

interface Options {
  readonly environment: string | undefined;
  readonly failOn: 'warn' | 'fail';
  readonly terminal: Terminal;
}

const environmentOf = (wanted: string | undefined, env: Env): Environment => {
  const text = wanted ?? env['APP_ENV'] ?? 'production';
  const found = ENVIRONMENTS.find((name) => name === text);
  if (found === undefined && wanted !== undefined)
    throw new UsageError(`--environment is one of ${ENVIRONMENTS.join(', ')}`);
  return found ?? 'production'; // an APP_ENV that is none of them is a violation of its own
};

const answerOf = (
  about: Readonly<Record<string, unknown>>,
  findings: readonly ConfigFinding[],
  { failOn, terminal }: Options,
): Answer => {
  const isGood = findings.every(({ verdict }) => verdict === 'warn' && failOn === 'fail');
  const canvas = { columns: terminal.columns(), hasColour: terminal.hasColour };
  return { data: { isGood, ...about, findings }, text: drawFindings(findings, canvas).join('\n'), isGood };
};

const runValidate = async (files: readonly string[], options: Options): Promise<Answer> => {
  const [file, ...rest] = files;
  if (rest.length > 0) throw new UsageError('validate takes one file; compare takes two');
  const { label, env } =
    file === undefined ? { label: 'this process', env: options.terminal.env } : await readEnvFile(file);
  const where = environmentOf(options.environment, env);
  const findings = await judge({ env, where, isFile: file !== undefined });
  return answerOf({ file: label, environment: where }, findings, options);
};

const broken = async ({ label, env }: Side): Promise<readonly ConfigFinding[]> => {
  const findings = await judge({ env, where: environmentOf(undefined, env), isFile: true });
  return findings.map((one) => ({ ...one, finding: `${label}: ${one.finding}` }));
};

const runCompare = async (files: readonly string[], options: Options): Promise<Answer> => {
  const [first, second, ...rest] = files;
  if (first === undefined || second === undefined || rest.length > 0)
    throw new UsageError('compare takes two files: latchkey config compare staging.env production.env');
  if (options.environment !== undefined)
    throw new UsageError('--environment is for validate: compare reads APP_ENV of each file');
  const [a, b] = await Promise.all([readEnvFile(first), readEnvFile(second)]);
  const sides = [a, b].map(({ label, env }) => ({ file: label, environment: environmentOf(undefined, env) }));
  const findings = [...compare(a, b), ...(await broken(a)), ...(await broken(b))];
  return answerOf({ compared: sides }, findings, options);
};

export const config = command({
  name: 'config',
  help: HELP,
  verbs: VERBS,
  options: {
    environment: { type: 'string', values: ENVIRONMENTS },
    'fail-on': { type: 'string', default: 'warn', values: ['warn', 'fail'] },
  },
  work: async ({ operands, values, terminal }) => {
    const verb = verbOf(VERBS, operands[0]);
    const failOn = values['fail-on'];
    if (failOn !== 'warn' && failOn !== 'fail') throw new UsageError('--fail-on is warn or fail');
    const options = { environment: values.environment, failOn, terminal } as const;
    switch (verb) {
      case 'validate':
        return runValidate(operands.slice(1), options);
      case 'compare':
        return runCompare(operands.slice(1), options);
    }
  },
});
