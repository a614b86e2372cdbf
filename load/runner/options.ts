/** What the load runner was asked for on its command line. Called by main.ts first. */
import { parseArgs } from 'node:util';
import type { ScenarioName, StageName } from '../service-levels.ts';
import { SCENARIOS, STAGES } from './stages.ts';

/** One scenario of what was asked for. */
export interface RunOptions {
  readonly scenario: ScenarioName;
  readonly stage: StageName;
  /** A server that runs already; undefined: one is started. */
  readonly baseUrl: string | undefined;
  readonly durationS: number | undefined;
  /** Requests a second; 0: as soon as the last was answered. */
  readonly rate: number | undefined;
  readonly users: number | undefined;
  readonly slow: number;
  readonly tolerance: number;
}

export interface LoadOptions {
  readonly action: 'help' | 'list' | 'run';
  readonly runs: readonly RunOptions[];
  readonly isJson: boolean;
  readonly isDryRun: boolean;
  /** Takes a folder a run. */
  readonly folder: string;
}

export class UsageError extends Error {
  override readonly name = 'UsageError';
}

export const HELP = `usage: npm run load -- SCENARIO… [options]

Starts PostgreSQL, Redis and the API as in production, puts load on it with k6, and says whether the service levels hold.
Leaves report.html and summary.json.

scenarios
${SCENARIOS.map(({ name, what }) => `  ${name.padEnd(12)} ${what}`).join('\n')}
  all          each of them, one after the other (with --base-url: those that need no server of their own)

options
  --stage STAGE      ${STAGES.map(({ name }) => name).join(', ')} (default: smoke)
  --base-url URL     a server that runs already; on this machine, unless --allow-remote is given
  --allow-remote     the server of --base-url may be another machine's: it is yours, and its users know
  --duration TIME    30s, 5m, 1h (default: the stage's)
  --rate N           requests a second; 0: every user asks again as soon as it is answered (default: the stage's)
  --users N          virtual users (default: the stage's)
  --tolerance N      limits of time and memory are multiplied by it, for a machine that does other things (default: 1)
  --slow N           the server that is started gets one N-th of its time: proof that the levels notice (default: 1)
  --out DIR          where the reports go, each into SCENARIO-STAGE there (default: dist/load)
  -o json            the summary on stdout; -o text says it in words (default)
  --dry-run          say what would be done
  --list             scenarios, stages and levels
  --help             this text

exit code: 0 every level holds, 1 one does not or the run failed, 2 the command line is wrong`;

const UNITS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600 };

const seconds = (text: string): number => {
  const [, count, unit = ''] = /^(\d+)([smh])$/.exec(text) ?? [];
  const value = Number(count) * (UNITS[unit] ?? Number.NaN);
  if (value > 0) return value;
  throw new UsageError(`--duration ${text}: give a whole number with s, m or h, such as 30s`);
};

const number = (flag: string, text: string, isFit: (value: number) => boolean): number => {
  const value = Number(text);
  if (text.trim() !== '' && isFit(value)) return value;
  throw new UsageError(`--${flag} ${text}: is no fitting number`);
};

const isLoopback = (hostname: string): boolean => /^(localhost|\[::1\]|127\.\d+\.\d+\.\d+)$/.test(hostname);

const checkBaseUrl = (text: string, isRemoteAllowed: boolean): string => {
  if (!/^https?:\/\//.test(text) || !URL.canParse(text)) {
    throw new UsageError(`--base-url ${text}: give an http:// or https:// address, such as http://127.0.0.1:3000`);
  }
  if (isRemoteAllowed || isLoopback(new URL(text).hostname)) return text.replace(/\/$/, '');
  throw new UsageError(`--base-url ${text}: is not this machine; add --allow-remote if the server is yours to load`);
};

const FLAGS = {
  stage: { type: 'string', default: 'smoke' },
  'base-url': { type: 'string' },
  'allow-remote': { type: 'boolean', default: false },
  duration: { type: 'string' },
  rate: { type: 'string' },
  users: { type: 'string' },
  tolerance: { type: 'string', default: '1' },
  slow: { type: 'string', default: '1' },
  out: { type: 'string', default: 'dist/load' },
  output: { type: 'string', short: 'o', default: 'text' },
  'dry-run': { type: 'boolean', default: false },
  list: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
} as const;

const parsed = (argv: readonly string[]) => {
  try {
    return parseArgs({ args: [...argv], options: FLAGS, allowPositionals: true });
  } catch (cause) {
    throw new UsageError(cause instanceof Error ? cause.message : 'the command line cannot be read', { cause });
  }
};

const oneOf = <Name extends string>(what: string, text: string, all: readonly { readonly name: Name }[]): Name => {
  const found = all.find(({ name }) => name === text);
  if (found !== undefined) return found.name;
  throw new UsageError(`${what} ${text}: is none of ${all.map(({ name }) => name).join(', ')}`);
};

const optional = <T>(text: string | undefined, read: (text: string) => T): T | undefined =>
  text === undefined ? undefined : read(text);

const scenariosOf = (names: readonly string[], baseUrl: string | undefined): readonly ScenarioName[] => {
  if (names.length === 0)
    throw new UsageError(`give a scenario: ${SCENARIOS.map(({ name }) => name).join(', ')}, or all`);
  const isAll = names.length === 1 && names[0] === 'all';
  const fit = SCENARIOS.filter(({ needsOwnServer }) => baseUrl === undefined || !needsOwnServer).map(
    ({ name }) => name,
  );
  if (isAll) return fit;
  return names.map((text) => {
    const name = oneOf('scenario', text, SCENARIOS);
    if (fit.includes(name)) return name;
    throw new UsageError(`${name}: needs a server of its own settings, which it starts itself: leave --base-url out`);
  });
};

/** @throws UsageError with a sentence that names what is wrong */
export const parseOptions = (argv: readonly string[]): LoadOptions => {
  const { values, positionals } = parsed(argv);
  const action = values.help ? 'help' : values.list ? 'list' : 'run';
  const baseUrl = optional(values['base-url'], (text) => checkBaseUrl(text, values['allow-remote']));
  const slow = number('slow', values.slow, (value) => value >= 1);
  if (baseUrl !== undefined && slow > 1) {
    throw new UsageError('--slow: only a server that is started here can be slowed down: leave --base-url out');
  }
  const common = {
    stage: oneOf('--stage', values.stage, STAGES),
    baseUrl,
    durationS: optional(values.duration, seconds),
    rate: optional(values.rate, (text) => number('rate', text, (value) => value >= 0)),
    users: optional(values.users, (text) => number('users', text, (value) => Number.isInteger(value) && value > 0)),
    slow,
    tolerance: number('tolerance', values.tolerance, (value) => value >= 1),
  };
  return {
    action,
    runs: action === 'run' ? scenariosOf(positionals, baseUrl).map((scenario) => ({ scenario, ...common })) : [],
    isJson: oneOf('-o', values.output, [{ name: 'text' }, { name: 'json' }]) === 'json',
    isDryRun: values['dry-run'],
    folder: values.out,
  };
};
