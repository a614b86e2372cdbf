/**
 * What a step's requests have proven so far, one batch of the sentinel after the other. sentinel.ts keeps the trial beside its
 * window and begins a new one with each step; judge.ts reads the evidence from Observation.sentinel. Lost with the process, which
 * costs a new beginning and nothing else: evidence takes traffic away, and the lack of it never adds any.
 */

import { provesAbove, upperBound } from './evidence.ts';
import { type EProcess, emptyProcess, eValue, overLimit, type Tally, weigh, worseThan } from './sequential.ts';
import type { Matrix } from './spec.ts';
import { errorsIn, loginsIn, slowIn } from './tally.ts';
import type { Counts } from './window.ts';

/** E-values. `over`: the rate is above its limit of P1. `worse`: it is above stable's of the same time. */
export type RateEvidence = { readonly over: number; readonly worse: number };

/** For latencyP95: that more than 5 % are slower than the bound of P1 or P2, block by block. */
export type Evidence = {
  readonly errorRate: RateEvidence;
  readonly authFailureRate: RateEvidence;
  readonly latencyP95: { readonly p1: number; readonly p2: number };
};

/** How many processes share one half of the bound on false alarms (1 - matrix.confidence) of a rollout. */
const PROCESSES = 6;

export function isProven(evidence: number, { confidence }: Matrix): boolean {
  return evidence >= (2 * PROCESSES) / (1 - confidence);
}

/** The checks of the steps share the other half: each look at Prometheus gets a thousandth, and the runbook's schedule looks 90 times. */
const LOOKS = 1_000;

export function lookConfidence({ confidence }: Matrix): number {
  return 1 - (1 - confidence) / (2 * LOOKS);
}

type RateTrial = { readonly over: EProcess; readonly worse: EProcess; readonly stableBefore: Tally };

/** Requests of one block of the latency trial, which is full at MIN_BLOCK of the canary. */
type SlowBlock = { readonly requests: number; readonly slowP1: number; readonly slowP2: number };

export type Trial = {
  readonly errors: RateTrial;
  readonly logins: RateTrial;
  readonly slow: { readonly p1: EProcess; readonly p2: EProcess };
  readonly block: { readonly canary: SlowBlock; readonly stable: SlowBlock };
};

const NOTHING: Tally = { bad: 0, total: 0 };
const NEW_RATE: RateTrial = { over: emptyProcess, worse: emptyProcess, stableBefore: NOTHING };
const NEW_BLOCK: SlowBlock = { requests: 0, slowP1: 0, slowP2: 0 };

export const newTrial: Trial = {
  errors: NEW_RATE,
  logins: NEW_RATE,
  slow: { p1: emptyProcess, p2: emptyProcess },
  block: { canary: NEW_BLOCK, stable: NEW_BLOCK },
};

/** What both tracks counted since the batch before. */
export type Gain = { readonly canary: Counts; readonly stable: Counts };

/** The trial after one more batch. */
export function observeTrial(trial: Trial, { canary, stable }: Gain, matrix: Matrix): Trial {
  return {
    errors: afterRate(trial.errors, [errorsIn(canary), errorsIn(stable)], matrix.errorRate.p1),
    logins: afterRate(trial.logins, [loginsIn(canary), loginsIn(stable)], matrix.authFailureRate.p1),
    ...afterSlow(trial, { canary: blockOf(canary, matrix), stable: blockOf(stable, matrix) }),
  };
}

export function evidenceOf({ errors, logins, slow }: Trial): Evidence {
  return {
    errorRate: { over: eValue(errors.over), worse: eValue(errors.worse) },
    authFailureRate: { over: eValue(logins.over), worse: eValue(logins.worse) },
    latencyP95: { p1: eValue(slow.p1), p2: eValue(slow.p2) },
  };
}

function afterRate(trial: RateTrial, [canary, stable]: readonly [Tally, Tally], limit: number): RateTrial {
  const stableBefore = {
    bad: trial.stableBefore.bad + stable.bad,
    total: trial.stableBefore.total + stable.total,
  };
  // A second without requests is no look: it proves nothing and must not use up a start.
  if (canary.total === 0) return { ...trial, stableBefore };
  return {
    over: limit > 0 && limit < 1 ? weigh(trial.over, overLimit(canary, limit)) : trial.over,
    worse: weigh(trial.worse, worseThan(canary, stable, trial.stableBefore)),
    stableBefore,
  };
}

/** Share of slow requests at which the 95th percentile stands exactly at its bound. */
export const SLOW_SHARE = 0.05;
const MIN_BLOCK = 20;
const BLOCK_CONFIDENCE = 0.95;
/** A block of a canary that is not slow is called slow at most this often: 5 % by the bound, and stable's bound may be wrong as well. */
const SLOW_BLOCK_RATE = 0.1;

/**
 * Requests that are slow together were stopped together: a core that stands still for half a second delays forty of them, and that
 * is one event and not forty. So latency is weighed by blocks, each of at least a second and twenty requests, and each is slow or not.
 */
function afterSlow({ slow, block }: Trial, gain: Trial['block']): Pick<Trial, 'slow' | 'block'> {
  const canary = addBlocks(block.canary, gain.canary);
  const stable = addBlocks(block.stable, gain.stable);
  if (canary.requests < MIN_BLOCK) return { slow, block: { canary, stable } };
  const weighed = (process: EProcess, which: 'slowP1' | 'slowP2'): EProcess => {
    const isSlow = isSlowBlock(
      { bad: canary[which], total: canary.requests },
      { bad: stable[which], total: stable.requests },
    );
    return weigh(process, overLimit({ bad: isSlow ? 1 : 0, total: 1 }, SLOW_BLOCK_RATE));
  };
  return { slow: { p1: weighed(slow.p1, 'slowP1'), p2: weighed(slow.p2, 'slowP2') }, block: newTrial.block };
}

/** Slower than the bound allows; while stable is as well, slower than stable too: a busy node is not the version's fault. */
export function isSlowBlock(canary: Tally, stable: Tally): boolean {
  return provesAbove(canary.bad, canary.total, slowBar(stable), BLOCK_CONFIDENCE);
}

/** The share of slow requests that the canary may have: 5 %, or what stable has when it has more. */
function slowBar(stable: Tally): number {
  const isShared = stable.total >= MIN_BLOCK / 2 && stable.bad / stable.total > SLOW_SHARE;
  return isShared ? Math.max(SLOW_SHARE, upperBound(stable.bad, stable.total, BLOCK_CONFIDENCE)) : SLOW_SHARE;
}

function addBlocks(left: SlowBlock, right: SlowBlock): SlowBlock {
  return {
    requests: left.requests + right.requests,
    slowP1: left.slowP1 + right.slowP1,
    slowP2: left.slowP2 + right.slowP2,
  };
}

function blockOf(counts: Counts, { latencyP95 }: Matrix): SlowBlock {
  const [p1, p2] = [slowIn(counts, latencyP95.p1Ms), slowIn(counts, latencyP95.p2Ms)];
  return { requests: p1.total, slowP1: p1.bad, slowP2: p2.bad };
}
