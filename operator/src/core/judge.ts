/**
 * From samples to a verdict. reconcile.ts calls judge with each observation, sentinel.ts calls judgeSentinel with each
 * batch; the verdict goes to decide.ts.
 */

import type { Observation, UnknownWhy } from './observation.ts';
import type { Matrix } from './spec.ts';
import type { CheckName } from './status.ts';
import type { SentinelView } from './window.ts';

export type Severity = 'P0' | 'P1' | 'P2' | 'P3';

export type Verdict =
  | { readonly kind: 'pass' }
  | { readonly kind: 'fail'; readonly severity: Severity }
  | { readonly kind: 'unknown'; readonly why: UnknownWhy };

/** One check with its figures. value and threshold are text with a unit, made for people. */
export type CheckResult = {
  readonly check: CheckName;
  readonly verdict: Verdict;
  readonly value: string | undefined;
  readonly threshold: string | undefined;
  readonly requests: number | undefined;
  readonly source: 'sentinel' | 'prometheus';
  readonly windowMs: number;
};

export type Judgement = {
  /** P0 and P1 only; pass here means that nothing severe was seen, and is never enough to advance. */
  readonly sentinel: { readonly verdict: Verdict; readonly results: readonly CheckResult[] };
  /** Undefined when this pass ran no checks. */
  readonly step: { readonly verdict: Verdict; readonly results: readonly CheckResult[] } | undefined;
};

export declare function judge(observation: Observation): Judgement;
/** What the sentinel calls each second: its verdict alone decides whether the pass of this rollout is interrupted. */
export declare function judgeSentinel(
  view: SentinelView | undefined,
  matrix: Matrix,
  nowMs: number,
): Judgement['sentinel'];
