/** What the runner says on a terminal, and the figures as both the terminal and the page write them. Called by main.ts and report.ts; pure. */
import { levelsOf } from '../service-levels.ts';
import type { RunOptions } from './options.ts';
import { LIMITS, LOADS, type Load, SCENARIOS, STAGES } from './stages.ts';
import type { LevelResult, RunSummary } from './summary.ts';

const digits = (value: number): string =>
  value.toLocaleString('en', { maximumFractionDigits: Math.abs(value) >= 100 ? 0 : 1 });

/** `0.9987` as `99.87 %`, `12.34` as `12.3 ms`. */
export const figureText = (value: number | null, unit: string): string => {
  if (value === null) return 'nothing measured';
  if (unit === 'share') return `${(value * 100).toLocaleString('en', { maximumFractionDigits: 3 })} %`;
  return unit === 'times' ? digits(value) : `${digits(value)} ${unit}`;
};

const SIGNS: Readonly<Record<string, string>> = { '==': '=', '>=': '≥', '<=': '≤' };

export const limitText = ({ comparison, limit, unit }: Pick<LevelResult, 'comparison' | 'limit' | 'unit'>): string =>
  `${SIGNS[comparison] ?? comparison} ${figureText(limit, unit)}`;

export const loadText = ({ users, rate, durationS }: Load): string =>
  `${users} users, ${rate === 0 ? 'each as soon as it is answered' : `${digits(rate)} requests/s`}, ${durationS} s`;

const busyText = 'The machine was busy before the run: figures of speed are those of a busy machine.';

const limitedText = ({ scenario, routes, answers }: RunSummary): readonly string[] => {
  const limited = routes.reduce((sum, { statuses }) => sum + (statuses['429'] ?? 0), 0);
  if (limited === 0 || scenario === 'rate-limit') return [];
  return [
    `${digits(limited)} of ${digits(answers)} answers were 429: what was measured are the server's rate limits. Start it with RATE_LIMIT_PER_MINUTE=1000000.`,
  ];
};

/** What makes the figures say less than they seem to. */
export const remarksOf = (result: RunSummary): readonly string[] => [
  ...limitedText(result),
  ...(result.machine.isBusy ? [busyText] : []),
];

export const verdictText = (result: RunSummary): string => {
  const width = Math.max(...result.levels.map(({ name }) => name.length));
  const lines = result.levels.map(
    (level) =>
      `  ${level.holds ? '✓' : '✗'} ${level.name.padEnd(width)}  ${figureText(level.value, level.unit).padStart(12)}  ${limitText(level)}`,
  );
  const missed = result.levels.filter(({ holds }) => !holds).map(({ name }) => name);
  return [
    `${result.scenario}, ${result.stage}: ${digits(result.answers)} answers, ${digits(result.answersPerSecond)}/s`,
    ...lines,
    ...remarksOf(result),
    missed.length === 0 ? 'every service level holds' : `missed: ${missed.join('; ')}`,
  ].join('\n');
};

export const planText = (options: RunOptions, load: Load): string => {
  const levels = levelsOf(options.scenario, { ...options, ...LIMITS[options.stage] });
  const server = options.baseUrl ?? 'PostgreSQL, Redis and the API as in production, started for the run';
  const isGuess = 'hashShare' in LOADS[options.scenario][options.stage] && options.rate === undefined;
  return [
    `${options.scenario}, ${options.stage}: ${loadText(load)}${isGuess ? ' (the rate follows the cores; measured when it runs)' : ''}`,
    `server: ${server}`,
    ...levels.map((level) => `  ${level.name} ${limitText(level)}`),
  ].join('\n');
};

export const listText = (): string =>
  [
    ...STAGES.map(({ name, what }) => `${name.padEnd(8)} ${what}`),
    ...SCENARIOS.flatMap(({ name, what }) => [
      '',
      `${name}: ${what}`,
      ...STAGES.map((stage) => {
        const load = LOADS[name][stage.name];
        const rate = 'rate' in load ? load : undefined;
        const text = rate === undefined ? `${load.users} users, by the cores, ${load.durationS} s` : loadText(rate);
        return `  ${stage.name.padEnd(8)} ${text}`;
      }),
      ...levelsOf(name, { stage: 'average', tolerance: 1, ...LIMITS.average }).map(
        (level) => `  ${level.name} ${limitText(level)} (${level.from})`,
      ),
    ]),
  ].join('\n');
