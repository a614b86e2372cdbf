/**
 * How much a few requests prove. judge.ts asks whether a rate lies above its threshold with the configured confidence;
 * the answer is the exact (Clopper-Pearson) one-sided bound, because normal approximations fail at small counts, which is
 * where a canary lives: 3 errors in 20 requests against a threshold of 1 %.
 *
 * @see docs/adr/0007-evidence-before-a-verdict.md
 */

/**
 * True when `bad` of `total` proves, with this one-sided confidence, a rate above the threshold: P(X ≥ bad | threshold) is
 * smaller than 1 − confidence. Counts may be fractions (PromQL's increase extrapolates).
 */
export function provesAbove(bad: number, total: number, threshold: number, confidence: number): boolean {
  return upperTail(bad, total, threshold) < 1 - confidence;
}

/** The lower end of the one-sided interval: the rate is above it with this confidence. For messages. */
export function lowerBound(bad: number, total: number, confidence: number): number {
  return bisect((rate) => upperTail(bad, total, rate) < 1 - confidence);
}

/** The upper end: the rate is below it with this confidence. */
export function upperBound(bad: number, total: number, confidence: number): number {
  return 1 - lowerBound(total - Math.min(bad, total), total, confidence);
}

/** Largest rate in 0–1 for which `isBelow` holds, to 2^-40; isBelow must be true up to some rate and false after it. */
function bisect(isBelow: (rate: number) => boolean): number {
  let low = 0;
  let high = 1;
  for (let round = 0; round < 40; round += 1) {
    const middle = (low + high) / 2;
    if (isBelow(middle)) low = middle;
    else high = middle;
  }
  return low;
}

/**
 * P(X ≥ bad) for X binomial(total, rate), as the regularised incomplete beta function I_rate(bad, total − bad + 1); the formula holds at
 * the rates 0 and 1 as well. More bad than there are count as all of them; nothing bad, or nothing at all, is what any rate brings.
 */
function upperTail(bad: number, total: number, rate: number): number {
  const a = Math.min(bad, total);
  if (!(a > 0)) return 1;
  const b = total - a + 1;
  const front = Math.exp(logGamma(a + b) - logGamma(a) - logGamma(b) + a * Math.log(rate) + b * Math.log1p(-rate));
  const direct = rate < (a + 1) / (a + b + 2);
  return direct ? (front * betaFraction(a, b, rate)) / a : 1 - (front * betaFraction(b, a, 1 - rate)) / b;
}

/** Continued fraction of the incomplete beta function, by Lentz's method. @see https://dlmf.nist.gov/8.17#v */
function betaFraction(a: number, b: number, x: number): number {
  const tiny = 1e-300;
  const away = (value: number): number => (Math.abs(value) < tiny ? tiny : value);
  let c = 1;
  let d = 1 / away(1 - ((a + b) * x) / (a + 1));
  let fraction = d;
  for (let m = 1; m <= 300; m += 1) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / away(1 + even * d);
    c = away(1 + even / c);
    fraction *= d * c;
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / away(1 + odd * d);
    c = away(1 + odd / c);
    const change = d * c;
    fraction *= change;
    if (Math.abs(change - 1) < 1e-12) break;
  }
  return fraction;
}

/** ln Γ(x) for x > 0: Stirling's series after shifting x above 10; the error is below 1e-11. @see https://dlmf.nist.gov/5.11 */
function logGamma(x: number): number {
  let shifted = x;
  let shift = 0;
  while (shifted < 10) {
    shift -= Math.log(shifted);
    shifted += 1;
  }
  const inverse = 1 / shifted;
  const square = inverse * inverse;
  const series = inverse * (1 / 12 - square * (1 / 360 - square * (1 / 1260 - square / 1680)));
  return shift + (shifted - 0.5) * Math.log(shifted) - shifted + 0.9189385332046728 + series;
}
