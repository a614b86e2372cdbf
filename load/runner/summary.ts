/** A run as data: what summary.json holds, and what report.ts and words.ts show. Called by main.ts; pure. */
import { countOf, type Figures, outcomeOf, quantileOf } from './figures.ts';
import type { Verdict } from './judge.ts';
import type { Machine, Versions } from './machine.ts';
import type { RunOptions } from './options.ts';
import type { Load } from './stages.ts';

export interface LevelResult {
  readonly name: string;
  readonly from: string;
  readonly unit: string;
  readonly comparison: string;
  readonly limit: number;
  /** Null: nothing was measured, so it does not hold. */
  readonly value: number | null;
  readonly holds: boolean;
}

export interface RouteResult {
  readonly route: string;
  readonly answers: number;
  readonly statuses: Readonly<Record<string, number>>;
  /** Read from buckets, right to 5 %; the levels above are exact. */
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
}

export interface RunSummary {
  readonly scenario: string;
  readonly stage: string;
  readonly startedAt: string;
  readonly holds: boolean;
  readonly levels: readonly LevelResult[];
  readonly routes: readonly RouteResult[];
  readonly answers: number;
  readonly answersPerSecond: number;
  readonly settings: Readonly<Record<string, string | number>>;
  readonly machine: Machine;
  readonly versions: Versions;
}

export interface RunFacts {
  readonly options: RunOptions;
  readonly load: Load;
  readonly startedAt: Date;
  readonly machine: Machine;
  readonly versions: Versions;
  readonly verdicts: readonly Verdict[];
  readonly figures: Figures;
}

const rounded = (value: number): number => Number(value.toPrecision(4));

const levelResult = ({ level, value, holds }: Verdict): LevelResult => ({
  name: level.name,
  from: level.from,
  unit: level.unit,
  comparison: level.comparison,
  limit: level.limit,
  value: value ?? null,
  holds,
});

const routeResults = ({ routes }: Figures): readonly RouteResult[] =>
  [...routes].map(([route, { buckets, statuses }]) => ({
    route,
    answers: countOf(buckets),
    statuses: Object.fromEntries([...statuses].map(([status, count]) => [status === 0 ? 'none' : status, count])),
    p50Ms: rounded(quantileOf(buckets, 0.5)),
    p95Ms: rounded(quantileOf(buckets, 0.95)),
    p99Ms: rounded(quantileOf(buckets, 0.99)),
  }));

const settingsOf = ({ options, load }: RunFacts): Readonly<Record<string, string | number>> => ({
  server: options.baseUrl ?? 'started for the run, as in production',
  users: load.users,
  'requests a second': load.rate === 0 ? 'each user as soon as it is answered' : rounded(load.rate),
  seconds: load.durationS,
  ...(options.slow > 1 ? { 'server slowed down': `${options.slow} times` } : {}),
  ...(options.tolerance > 1 ? { 'limits of time and memory multiplied by': options.tolerance } : {}),
});

export const summaryOf = (facts: RunFacts): RunSummary => {
  const { options, startedAt, machine, versions, verdicts, figures } = facts;
  const routes = routeResults(figures);
  const answers = routes.reduce((sum, route) => sum + route.answers, 0);
  const lastSecond = Math.max(0, ...figures.seconds.keys());
  return {
    scenario: options.scenario,
    stage: options.stage,
    startedAt: startedAt.toISOString(),
    holds: verdicts.length > 0 && verdicts.every(({ holds }) => holds),
    levels: verdicts.map(levelResult),
    routes,
    answers,
    answersPerSecond: rounded(answers / (lastSecond + 1)),
    settings: settingsOf(facts),
    machine,
    versions,
  };
};

/** Every answer of a route, by what it means to the client. */
export const outcomesOf = (statuses: Readonly<Record<string, number>>): Readonly<Record<string, number>> => {
  const outcomes = { good: 0, refused: 0, failed: 0 };
  for (const [status, count] of Object.entries(statuses)) {
    outcomes[outcomeOf(status === 'none' ? 0 : Number(status))] += count;
  }
  return outcomes;
};
