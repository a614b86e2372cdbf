/**
 * What a Prometheus range knows of a run: the operator's own queries over tiles that lie side by side. Pure; range.ts asks the
 * queries, range-run.ts puts the tiles together again to what each look would have seen.
 */
import { samplesQuery, stepQueries } from '../api-metrics.ts';
import type { Sample } from '../core/observation.ts';
import { stableNameOf } from '../core/revision.ts';
import type { Spec } from '../core/spec.ts';

export const FIGURES = [
  'requests',
  'serverErrors',
  'slowerThanP1',
  'slowerThanP2',
  'slowerThanP3',
  'logins',
  'loginFailures',
  'databaseErrors',
  'complaints',
  'dataLoss',
  'stableRequests',
  'stableServerErrors',
  'stableSlowerThanP1',
  'stableSlowerThanP2',
  'stableSlowerThanP3',
  'stableLogins',
  'stableLoginFailures',
] as const;
export type FigureName = (typeof FIGURES)[number];
export type ByFigure<T> = Readonly<Record<FigureName, T>>;

export function byFigure<T>(valueOf: (name: FigureName) => T): ByFigure<T> {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- FIGURES has every name
  return Object.fromEntries(FIGURES.map((name) => [name, valueOf(name)])) as ByFigure<T>;
}

/** A sample a tile: what was counted in it, but for dataLoss, which is the absolute value at its end. */
export interface RangeFigures {
  /** Where the first tile begins. */
  readonly fromMs: number;
  readonly tileMs: number;
  readonly count: number;
  readonly series: ByFigure<readonly Sample[]>;
}

export interface RangeScope {
  readonly spec: Spec;
  readonly namespace: string;
  /** As the records name them; empty: all pods of the target count. */
  readonly replicaSets: readonly string[];
}

/** The PromQL of a tile that ends where it is asked. */
export function tileQuestions({ spec, namespace, replicaSets }: RangeScope, tileMs: number): ByFigure<string> {
  const { p1Ms, p2Ms, p3Ms } = spec.matrix.latencyP95;
  const windows = { windowMs: tileMs, databaseWindowMs: tileMs, complaintsWindowMs: tileMs };
  const canary = stepQueries({ namespace, deployment: spec.targetName, replicaSets }, windows);
  const stable = stepQueries({ namespace, deployment: stableNameOf(spec.targetName), replicaSets: [] }, windows);
  return {
    requests: canary.requests,
    serverErrors: canary.serverErrors,
    slowerThanP1: canary.slowerThan(p1Ms),
    slowerThanP2: canary.slowerThan(p2Ms),
    slowerThanP3: canary.slowerThan(p3Ms),
    logins: canary.logins,
    loginFailures: canary.loginFailures,
    databaseErrors: canary.databaseErrors,
    complaints: canary.complaints,
    dataLoss: canary.dataLoss,
    stableRequests: stable.requests,
    stableServerErrors: stable.serverErrors,
    stableSlowerThanP1: stable.slowerThan(p1Ms),
    stableSlowerThanP2: stable.slowerThan(p2Ms),
    stableSlowerThanP3: stable.slowerThan(p3Ms),
    stableLogins: stable.logins,
    stableLoginFailures: stable.loginFailures,
  };
}

/** How many samples a pod has in a window, at most. The counter has no labels of its own: every pod that is scraped has it. */
export function scrapeQuestion({ spec, namespace, replicaSets }: RangeScope, windowMs: number): string {
  // A hair shorter: Prometheus 2 counts both ends of a window, and 15 s fit into 5 min 21 times that way.
  return samplesQuery({ namespace, deployment: spec.targetName, replicaSets }, windowMs - 1);
}

const NO_DATA: Sample = { kind: 'unknown', why: 'NoData' };

export function sampleAt({ series }: RangeFigures, name: FigureName, index: number): Sample {
  return series[name][index] ?? NO_DATA;
}

/**
 * The sum of the last tiles, as one query over all of them would give it: what a pod did not count yet is not missed, but a gap at the
 * moment of the look is not known.
 */
export function sumUntil(figures: RangeFigures, name: FigureName, last: number, tiles: number): Sample {
  const newest = sampleAt(figures, name, last);
  if (newest.kind === 'unknown') return newest;
  let sum = 0;
  for (let index = Math.max(0, last - tiles + 1); index <= last; index += 1) {
    const sample = sampleAt(figures, name, index);
    if (sample.kind === 'value') sum += Math.max(0, sample.value);
    else if (sample.why !== 'NoData') return sample;
  }
  return { kind: 'value', value: sum };
}

/** More looks than this take minutes to think about; a longer range gets longer tiles. */
const MAX_TILES = 20_000;
/** A rate needs two samples of each pod; four of them lose none to a scrape that was late. */
const SCRAPES_A_TILE = 4;

/** @returns how long the tiles are, whole seconds; the last one may reach beyond the range */
export function tileLength(rangeMs: number, scrapeMs: number): number {
  return Math.ceil(Math.max(SCRAPES_A_TILE * scrapeMs, rangeMs / MAX_TILES) / 1_000) * 1_000;
}
