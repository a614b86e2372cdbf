/**
 * How long a fault would last before the operator notices it: the operator's own trial, fed with what each second would bring on average.
 * Pure; called by forecast.ts.
 *
 * @see docs/adr/0013-sequential-evidence.md
 */
import { checkErrorRate } from '../core/checks.ts';
import { type EProcess, emptyProcess, eValue, overLimit, type Tally, weigh, worseThan } from '../core/sequential.ts';
import type { Matrix } from '../core/spec.ts';
import { isProven } from '../core/trial.ts';

export interface Fault {
  /** What canary and stable answer in a second. */
  readonly canaryPerSecond: number;
  readonly stablePerSecond: number;
  /** The share of the canary's answers that fail, 0–1. */
  readonly failing: number;
  readonly lastsMs: number;
  readonly checkEveryMs: number;
}

interface Wager {
  readonly over: EProcess;
  readonly worse: EProcess;
  readonly stableBefore: Tally;
}

/** A fault that begins later is harder to tell: the wager has paid for many looks by then. */
const HEALTHY_SECONDS = 600;
const WINDOW_SECONDS = 300;

/** @returns undefined when the fault is not noticed before the step ends */
export function noticedAfterMs(matrix: Matrix, fault: Fault): number | undefined {
  const { canaryPerSecond, failing, lastsMs, checkEveryMs } = fault;
  const p1 = matrix.errorRate.p1;
  let wager: Wager = { over: emptyProcess, worse: emptyProcess, stableBefore: { bad: 0, total: 0 } };
  for (let second = 0; second < HEALTHY_SECONDS; second += 1) wager = afterSecond(wager, { ...fault, failing: 0 }, p1);
  for (let seconds = 1; seconds * 1_000 <= lastsMs; seconds += 1) {
    wager = afterSecond(wager, fault, p1);
    const total = canaryPerSecond * Math.min(seconds, WINDOW_SECONDS);
    const isOver = isProven(eValue(wager.over), matrix);
    const proof = { isOver: (limit: number) => isOver && limit <= p1, isWorse: isProven(eValue(wager.worse), matrix) };
    const { verdict } = checkErrorRate({ bad: total * failing, total }, matrix, proof);
    if (verdict.kind !== 'fail' || verdict.severity === 'P3') continue;
    // The sentinel answers P0 and P1 at once; a P2 waits for the next check of the step.
    if (verdict.severity !== 'P2') return seconds * 1_000;
    const checkedMs = Math.ceil((seconds * 1_000) / checkEveryMs) * checkEveryMs;
    return checkedMs <= lastsMs ? checkedMs : undefined;
  }
  return undefined;
}

function afterSecond(
  { over, worse, stableBefore }: Wager,
  { canaryPerSecond, stablePerSecond, failing }: Fault,
  limit: number,
): Wager {
  const canary = { bad: canaryPerSecond * failing, total: canaryPerSecond };
  const stable = { bad: 0, total: stablePerSecond };
  return {
    over: limit > 0 && limit < 1 ? weigh(over, overLimit(canary, limit)) : over,
    worse: weigh(worse, worseThan(canary, stable, stableBefore)),
    stableBefore: { bad: 0, total: stableBefore.total + stablePerSecond },
  };
}
