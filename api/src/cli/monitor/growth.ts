/**
 * By how much counters grew between two looks at one process, and over a window of many. Pure. Called by addresses.ts; Prometheus does the same
 * for prometheus.ts with increase().
 */
import type { Series } from './exposition.ts';

const keyOf = ({ name, labels }: Series): string =>
  `${name} ${Object.entries(labels)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([label, value]) => `${label}=${value}`)
    .join(',')}`;

export interface Look {
  readonly counters: readonly Series[];
  /** When the process began: another time is another process, whose counters began at 0. */
  readonly startedAt: number | undefined;
}

/** A counter that fell was reset, and one that is new began at 0: both grew by what they have now. */
export const growthBetween = (before: Look, after: Look): readonly Series[] => {
  const isRestarted = before.startedAt !== after.startedAt;
  const known = new Map(isRestarted ? [] : before.counters.map((series) => [keyOf(series), series.value]));
  return after.counters.map((series) => {
    const was = known.get(keyOf(series)) ?? 0;
    return { ...series, value: series.value >= was ? series.value - was : series.value };
  });
};

/** The same series of several processes, or of several turns, as one. */
export const added = (all: readonly Series[]): readonly Series[] => {
  const sums = new Map<string, Series>();
  for (const series of all) {
    const key = keyOf(series);
    const sum = sums.get(key);
    sums.set(key, sum === undefined ? series : { ...series, value: sum.value + series.value });
  }
  return [...sums.values()];
};

/** What a figure is made of. */
export interface Reading {
  /** How much each counter grew, over `seconds`, all processes together. */
  readonly growth: readonly Series[];
  readonly seconds: number;
  /** As they are now, one a process. */
  readonly gauges: readonly Series[];
  readonly answering: number;
  readonly asked: number;
  /** The addresses that did not answer, where addresses are asked. */
  readonly away: readonly string[];
}
