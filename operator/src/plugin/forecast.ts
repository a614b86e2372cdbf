/**
 * What a schedule means in time, requests and risk. Pure, from the spec, a request rate and the time; plan.ts calls forecast, plan-view.ts
 * draws it. The evidence is judged by core/checks.ts itself, so that a plan promises what the operator keeps.
 */
import { checkErrorRate } from '../core/checks.ts';
import { provesAbove } from '../core/evidence.ts';
import { SEVERITIES, type Severity } from '../core/matrix.ts';
import type { Matrix, Spec, Step } from '../core/spec.ts';
import { lookConfidence } from '../core/trial.ts';
import { noticedAfterMs } from './exposure.ts';

/** Where a run stands; a new one starts with the whole of step 0. */
export interface Standing {
  readonly stepIndex: number;
  readonly startedAtMs: number;
}

export interface Traffic {
  /** Of stable and canary together; undefined where nobody knows. */
  readonly requestsPerSecond: number | undefined;
  /** The share of failing answers, 0–1, that the worst case is reckoned with. */
  readonly failing: number;
}

export interface StepForecast {
  readonly index: number;
  readonly weight: number;
  readonly fromMs: number;
  readonly toMs: number;
  /** What the canary answers in the whole step. */
  readonly requests: number | undefined;
  /** What it answers in the longest window of the step's checks. */
  readonly windowRequests: number | undefined;
  /** The smallest error rates that one window proves; undefined where no rate is provable. */
  readonly smallestP1: number | undefined;
  readonly smallestP2: number | undefined;
  readonly worst: Worst | undefined;
}

export interface Worst {
  /** From the first bad answer to the last; undefined when nothing would notice it in this step. */
  readonly exposedMs: number | undefined;
  readonly badAnswers: number;
}

/** The longest window of a step's checks and of the sentinel. @see core/checks-due.ts */
const MAX_WINDOW_MS = 300_000;
/** The sentinel's beat, the patch and the gateway, twice what is measured. */
const REACTION_MS = 2_000;

export function forecast(spec: Spec, standing: Standing, traffic: Traffic): readonly StepForecast[] {
  let fromMs = standing.startedAtMs;
  return spec.schedule.flatMap((step, index) => {
    if (index < standing.stepIndex) return [];
    const perSecond =
      traffic.requestsPerSecond === undefined ? undefined : (traffic.requestsPerSecond * step.weight) / 100;
    const lastsMs = perSecond === undefined ? step.holdMs : lastsFor(spec.matrix, step, perSecond);
    const risk =
      perSecond === undefined ? UNKNOWN : riskOf(spec.matrix, { ...step, lastsMs, perSecond }, traffic.failing);
    const entry = { index, weight: step.weight, fromMs, toMs: fromMs + lastsMs, ...risk };
    fromMs += lastsMs;
    return [entry];
  });
}

type Risk = Omit<StepForecast, 'index' | 'weight' | 'fromMs' | 'toMs'>;

const UNKNOWN: Risk = {
  requests: undefined,
  windowRequests: undefined,
  smallestP1: undefined,
  smallestP2: undefined,
  worst: undefined,
};

/** The hold, and longer where the window needs more time to have the requests of a verdict. */
function lastsFor({ minRequests }: Matrix, { holdMs }: Step, perSecond: number): number {
  return Math.max(holdMs, Math.min(MAX_WINDOW_MS, Math.ceil(minRequests / perSecond) * 1_000));
}

interface Stage extends Step {
  readonly lastsMs: number;
  /** What the canary answers. */
  readonly perSecond: number;
}

function riskOf(matrix: Matrix, stage: Stage, failing: number): Risk {
  const { perSecond, lastsMs } = stage;
  const windowRequests = (perSecond * Math.min(MAX_WINDOW_MS, lastsMs)) / 1_000;
  return {
    requests: (perSecond * lastsMs) / 1_000,
    windowRequests,
    smallestP1: smallestShare(windowRequests, 'P1', matrix),
    smallestP2: smallestShare(windowRequests, 'P2', matrix),
    worst: worstOf(matrix, stage, failing),
  };
}

/** True when a step's check alone, without the sentinel's trial, proves this many failures to be at least that bad. */
function isProven(errors: number, requests: number, severity: Severity, matrix: Matrix): boolean {
  const proof = {
    isOver: (limit: number) => provesAbove(errors, requests, limit, lookConfidence(matrix)),
    isWorse: false,
  };
  const { verdict } = checkErrorRate({ bad: errors, total: requests }, matrix, proof);
  return verdict.kind === 'fail' && SEVERITIES.indexOf(verdict.severity) <= SEVERITIES.indexOf(severity);
}

/** More failures never prove less, so the fewest that prove it are found by halving. */
function smallestShare(requests: number, severity: Severity, matrix: Matrix): number | undefined {
  const whole = Math.floor(requests);
  let few = 0;
  let enough = whole;
  if (whole === 0 || !isProven(enough, whole, severity, matrix)) return undefined;
  while (enough - few > 1) {
    const middle = Math.floor((few + enough) / 2);
    if (isProven(middle, whole, severity, matrix)) enough = middle;
    else few = middle;
  }
  return enough / whole;
}

/** Until the operator notices it a fault goes on; one that nothing notices lasts the whole step. */
function worstOf(matrix: Matrix, stage: Stage, failing: number): Worst {
  const { perSecond, weight, lastsMs, checkEveryMs } = stage;
  const stablePerSecond = (perSecond * (100 - weight)) / weight;
  const fault = { canaryPerSecond: perSecond, stablePerSecond, failing, lastsMs, checkEveryMs };
  const noticedMs = noticedAfterMs(matrix, fault);
  const exposedMs = noticedMs === undefined ? undefined : noticedMs + REACTION_MS;
  return { exposedMs, badAnswers: (perSecond * failing * Math.min(lastsMs, exposedMs ?? lastsMs)) / 1_000 };
}
