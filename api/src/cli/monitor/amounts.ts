/**
 * What counters and gauges of a reading come to: sums, shares, rates, quantiles. Pure. Called by figures.ts.
 */
import type { Reading } from './growth.ts';

/** Fewer say nothing of a rate: one failure in three is no P0. */
export const MIN_REQUESTS = 20;

export type Labels = Readonly<Record<string, string>>;

/** By how much a counter grew, all its series that fit; undefined where nobody shows it. */
export const grown = (
  { growth }: Reading,
  name: string,
  where: (labels: Labels) => boolean = () => true,
): number | undefined => {
  const found = growth.filter((series) => series.name === name);
  if (found.length === 0) return undefined;
  return found.filter(({ labels }) => where(labels)).reduce((sum, { value }) => sum + value, 0);
};

/** A gauge of all processes as one. */
export const gauge = ({ gauges }: Reading, name: string, how: 'sum' | 'max' | 'min'): number | undefined => {
  const values = gauges.filter((series) => series.name === name).map(({ value }) => value);
  if (values.length === 0) return undefined;
  if (how === 'sum') return values.reduce((sum, value) => sum + value, 0);
  return how === 'max' ? Math.max(...values) : Math.min(...values);
};

/**
 * A quantile of a histogram's growth, in seconds, interpolated within its bucket as Prometheus does. The limits of the matrix are bucket bounds,
 * so no interpolation moves it across one. undefined without observations.
 */
export const quantile = ({ growth }: Reading, name: string, q: number): number | undefined => {
  const sums = new Map<number, number>();
  for (const series of growth) {
    if (series.name !== `${name}_bucket`) continue;
    const bound = series.labels['le'] === '+Inf' ? Number.POSITIVE_INFINITY : Number(series.labels['le']);
    sums.set(bound, (sums.get(bound) ?? 0) + series.value);
  }
  const buckets = [...sums].toSorted(([a], [b]) => a - b);
  const total = buckets.at(-1)?.[1] ?? 0;
  if (total <= 0) return undefined;
  const rank = q * total;
  const i = buckets.findIndex(([, count]) => count >= rank);
  const [bound = 0, count = 0] = buckets[i] ?? [];
  const [lower, before] = buckets[i - 1] ?? [0, 0];
  if (bound === Number.POSITIVE_INFINITY) return lower;
  if (count === before) return bound;
  // Rounding must not carry it over the bound either: 0.1 * 6 / 6 is more than 0.1.
  return Math.min(bound, lower + ((bound - lower) * (rank - before)) / (count - before));
};

export interface Value {
  readonly value: number | undefined;
  readonly note?: string;
}

/** A share in percent of at least MIN_REQUESTS, or nothing and why. */
export const share = (part: number | undefined, whole: number | undefined, of: string): Value => {
  if (part === undefined || whole === undefined || whole === 0) return { value: undefined, note: `no ${of}` };
  const note = `${Math.round(whole)} ${of}`;
  return whole < MIN_REQUESTS ? { value: undefined, note: `${note}: too few` } : { value: (100 * part) / whole, note };
};

export const rate = (count: number | undefined, seconds: number, per: number): number | undefined =>
  count === undefined || seconds <= 0 ? undefined : (count * per) / seconds;

export const ms = (seconds: number | undefined): number | undefined =>
  seconds === undefined ? undefined : seconds * 1000;
