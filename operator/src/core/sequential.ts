/**
 * Tests that stay valid however often one looks. trial.ts feeds them one block of counts after the other; judge.ts asks for the
 * e-value. An e-process is a wager against "the canary is not at fault": its value is expected never to grow while that is true,
 * so it passes 1/α with a probability of at most α, at any look whatever (Ville's inequality). A p-value of fixed size has no such
 * bound: looked at every second, it crosses its limit some time in nearly every rollout.
 *
 * @see docs/adr/0013-sequential-evidence.md
 */

/** Counts of one block, whole numbers: `bad` of `total`. */
export type Tally = { readonly bad: number; readonly total: number };

/**
 * One wager for each alternative. A fault may begin at any block, so at each block a part of the capital that was set aside is
 * put in anew: the value is that of the best start, less what it costs not to know it.
 */
export type EProcess = { readonly looks: number; readonly capitals: readonly number[] };

export const emptyProcess: EProcess = { looks: 0, capitals: [] };

/** Far beyond any 1/α, and far below what a number can hold. */
const MAX_CAPITAL = 1e100;

/** The process after one more block, from the block's log likelihood ratio under each alternative. */
export function weigh({ looks, capitals }: EProcess, logRatios: readonly number[]): EProcess {
  const stake = setAside(looks) - setAside(looks + 1);
  return {
    looks: looks + 1,
    capitals: logRatios.map((ratio, index) =>
      Math.min(MAX_CAPITAL, ((capitals[index] ?? 0) + stake) * Math.exp(ratio)),
    ),
  };
}

/** The evidence so far: at least 1/α proves a fault with a false alarm in at most α of all rollouts. 1 in the beginning. */
export function eValue({ looks, capitals }: EProcess): number {
  const wagered = capitals.reduce((sum, capital) => sum + capital, 0) / Math.max(1, capitals.length);
  return wagered + setAside(looks);
}

/** What is kept for starts after this many blocks. It falls so slowly that a fault after hours costs few requests more. */
function setAside(looks: number): number {
  return 1 / Math.log(Math.E + looks);
}

/** How much worse the odds of a bad answer are under each alternative. */
const ODDS = [2, 4, 8, 32, 128, 1_024] as const;

/** Against "the rate is at most `limit`": likelihood ratios of rates above it. @param limit in (0, 1) */
export function overLimit({ bad, total }: Tally, limit: number): readonly number[] {
  return ODDS.map((odds) => {
    const rate = timesOdds(limit, odds);
    return bad * Math.log(rate / limit) + (total - bad) * Math.log((1 - rate) / (1 - limit));
  });
}

const WORSE_ODDS = [3, 10, 30, 100, 1_000] as const;
const RATES = { least: 0.0005, most: 0.5 } as const;

/**
 * Against "the canary is no worse than stable", whatever stable's rate is: the two-sample e-value of Turner and Grünwald. What is
 * expected of stable comes from earlier blocks alone; the null's own rate is the mixture of both, which is what makes the ratio's
 * expectation 1 for every common rate, and less where the canary is the better one.
 * @param stableBefore stable's counts of all earlier blocks
 * @see https://arxiv.org/abs/2106.02693
 */
export function worseThan(canary: Tally, stable: Tally, stableBefore: Tally): readonly number[] {
  const total = canary.total + stable.total;
  // One track alone compares with nothing.
  if (canary.total === 0 || stable.total === 0) return WORSE_ODDS.map(() => 0);
  const expected = (stableBefore.bad + 0.5) / (stableBefore.total + 500);
  const stableRate = Math.min(RATES.most, Math.max(RATES.least, expected));
  return WORSE_ODDS.map((odds) => {
    const rate = timesOdds(stableRate, odds);
    const common = (canary.total * rate + stable.total * stableRate) / total;
    return logRatio(canary, rate, common) + logRatio(stable, stableRate, common);
  });
}

function logRatio({ bad, total }: Tally, rate: number, nullRate: number): number {
  return bad * Math.log(rate / nullRate) + (total - bad) * Math.log((1 - rate) / (1 - nullRate));
}

function timesOdds(rate: number, factor: number): number {
  const odds = (rate / (1 - rate)) * factor;
  return odds / (1 + odds);
}
