/**
 * Whether two samples of times come from one distribution. Used by the tests of timing: ranks, because one slow request on a busy machine must
 * not decide anything.
 */

interface Ranked {
  readonly isFirst: boolean;
  readonly rank: number;
}

/** Ties share their mean rank. */
const ranksOf = (first: readonly number[], second: readonly number[]): readonly Ranked[] => {
  const all = [
    ...first.map((value) => ({ value, isFirst: true })),
    ...second.map((value) => ({ value, isFirst: false })),
  ];
  const sorted = all.toSorted((a, b) => a.value - b.value);
  return sorted.map(({ value, isFirst }) => {
    const from = sorted.findIndex((other) => other.value === value);
    const to = sorted.findLastIndex((other) => other.value === value);
    return { isFirst, rank: (from + to) / 2 + 1 };
  });
};

/** Abramowitz and Stegun 26.2.17: good to 7.5e-8. */
const upperTail = (z: number): number => {
  const t = 1 / (1 + 0.2316419 * z);
  const polynomial = t * (0.31938153 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))));
  return (Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI)) * polynomial;
};

/** Two-sided p of the Mann-Whitney U test, by the normal approximation (samples of 20 and more). */
export const mannWhitney = (first: readonly number[], second: readonly number[]): number => {
  const [n, m] = [first.length, second.length];
  const rankSum = ranksOf(first, second).reduce((sum, { isFirst, rank }) => sum + (isFirst ? rank : 0), 0);
  const u = rankSum - (n * (n + 1)) / 2;
  const deviation = Math.sqrt((n * m * (n + m + 1)) / 12);
  return Math.min(1, 2 * upperTail(Math.abs(u - (n * m) / 2) / deviation));
};

export const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
