/**
 * From samples to a verdict. reconcile.ts calls judge with each observation, sentinel.ts calls judgeSentinel with each
 * batch; the verdict goes to decide.ts.
 */

import {
  type CheckResult,
  checkAuthFailures,
  checkComplaints,
  checkDatabaseErrors,
  checkDataLoss,
  checkErrorRate,
  checkLatency,
  checkServiceDown,
  type Finding,
  overallVerdict,
  unknownFinding,
  type Verdict,
} from './checks.ts';
import type { Observation, Sample, StepSamples } from './observation.ts';
import type { Matrix } from './spec.ts';
import type { CheckName } from './status.ts';
import type { SentinelView, SpanView } from './window.ts';

export type Judged = { readonly verdict: Verdict; readonly results: readonly CheckResult[] };

export type Judgement = {
  /** P0 and P1 only. Its pass means that nothing severe was seen; it is never enough to advance. */
  readonly sentinel: Judged;
  /** Undefined when this pass ran no checks. */
  readonly step: Judged | undefined;
};

/** A batch older than three beats of the sentinel says nothing about now. */
export const SENTINEL_FRESH_MS = 3_000;

/** Judges everything that was sampled; total and deterministic. */
export function judge(observation: Observation): Judgement {
  const matrix = matrixOf(observation);
  if (matrix === undefined) return { sentinel: judged([], 'sentinel', 0), step: undefined };
  const { status, sentinel, samples, nowMs } = observation;
  const sinceMs = status?.stepStartedAt === undefined ? undefined : Date.parse(status.stepStartedAt);
  const knownSilentMs = status?.silentSince === undefined ? undefined : Date.parse(status.silentSince);
  return {
    sentinel: judgeSentinel(sentinel, matrix, { nowMs, sinceMs, silentSinceMs: knownSilentMs }),
    step: samples === undefined ? undefined : judgeStep(samples, sentinel, matrix, status?.weight ?? 0),
  };
}

/** `sinceMs`: start of the step, earlier counts are another step's. `silentSinceMs`: silence known from before a restart. */
export type SentinelTimes = {
  readonly nowMs: number;
  readonly sinceMs: number | undefined;
  readonly silentSinceMs: number | undefined;
};

/** What the sentinel calls each second: a failing verdict interrupts the running pass of the rollout. */
export function judgeSentinel(view: SentinelView | undefined, matrix: Matrix, times: SentinelTimes): Judged {
  if (view === undefined || times.nowMs - view.takenAtMs > SENTINEL_FRESH_MS) {
    return judged([unknownFinding('serviceDown', 'NoSentinel')], 'sentinel', 0);
  }
  const spans = view.spans.filter((span, index) => index === 0 || startsWithin(span, view, times.sinceMs));
  const findings = [
    checkServiceDown(silenceMs(view, times), matrix),
    checkDataLoss(view.dataLoss, matrix),
    worstOf(spans, (span) => checkErrorRate(span.canary.serverErrors, span.canary.requests, matrix)),
    worstOf(spans, (span) => checkLatency(slowIn(span, matrix), span.canary.requests, matrix)),
    worstOf(spans, (span) => checkAuthFailures(loginsIn(span.canary), loginsIn(span.stable), matrix)),
    worstOf(spans, (span) => checkDatabaseErrors(span.canary.databaseErrors, span.spanMs, matrix)),
    worstOf(
      spans.filter((span) => span.spanMs <= matrix.complaints.windowMs),
      (span) => checkComplaints(span.canary.complaints, matrix),
    ),
  ];
  return judged(findings.filter((finding) => finding !== undefined).map(severeOnly), 'sentinel', SENTINEL_FRESH_MS);
}

function judgeStep(samples: StepSamples, view: SentinelView | undefined, matrix: Matrix, weight: number): Judged {
  const { requests, serverErrors, slow, databaseErrors, complaints, dataLoss } = samples;
  const stable = stableLogins(samples);
  const findings = [
    view === undefined
      ? unknownFinding('serviceDown', 'NoSentinel')
      : view.canaryPodsAnswering > 0
        ? checkServiceDown(undefined, matrix)
        : unknownFinding('serviceDown', 'NoAnswer'),
    known('errorRate', [serverErrors, requests], ([errors = 0, total = 0]) => checkErrorRate(errors, total, matrix)),
    known('latencyP95', [slow.p1, slow.p2, slow.p3, requests], ([p1 = 0, p2 = 0, p3 = 0, total = 0]) =>
      checkLatency({ p1, p2, p3 }, total, matrix),
    ),
    known('authFailureRate', [samples.logins, samples.loginFailures], ([attempts = 0, failures = 0]) =>
      checkAuthFailures({ attempts, failures }, stable, matrix, canaryShareOf(stable?.attempts ?? 0, weight)),
    ),
    known('databaseErrors', [databaseErrors], ([errors = 0]) =>
      checkDatabaseErrors(errors, samples.databaseWindowMs, matrix),
    ),
    known('complaints', [complaints], ([count = 0]) => checkComplaints(count, matrix)),
    known('dataLoss', [dataLoss], ([signals = 0]) => checkDataLoss(signals, matrix)),
  ];
  return judged(findings, 'prometheus', samples.windowMs);
}

function matrixOf({ spec }: Observation): Matrix | undefined {
  return spec.kind === 'valid' ? spec.spec.matrix : spec.usable?.matrix;
}

function judged(findings: readonly Finding[], source: CheckResult['source'], windowMs: number): Judged {
  return {
    verdict: overallVerdict(findings),
    results: findings.map((finding) => ({ ...finding, source, windowMs })),
  };
}

/** The sentinel has no opinion on P2 and P3, and too little traffic in a second is its normal state. */
function severeOnly(finding: Finding): Finding {
  const { verdict } = finding;
  const isMild = verdict.kind === 'fail' && (verdict.severity === 'P2' || verdict.severity === 'P3');
  const isShort = verdict.kind === 'unknown' && (verdict.why === 'TooLittleTraffic' || verdict.why === 'FewLogins');
  return isMild || isShort ? { ...finding, verdict: { kind: 'pass' } } : finding;
}

/** The finding of the span that shows the worst; of equal ones the shortest, which is the newest. */
function worstOf(spans: readonly SpanView[], check: (span: SpanView) => Finding): Finding | undefined {
  const rank = ({ verdict }: Finding): string => (verdict.kind === 'fail' ? verdict.severity : 'none');
  return spans
    .map(check)
    .toSorted((left, right) => (rank(left) < rank(right) ? -1 : rank(left) > rank(right) ? 1 : 0))[0];
}

function startsWithin(span: SpanView, view: SentinelView, sinceMs: number | undefined): boolean {
  return sinceMs === undefined || view.takenAtMs - span.spanMs >= sinceMs - SENTINEL_FRESH_MS;
}

function silenceMs(view: SentinelView, { nowMs, sinceMs, silentSinceMs }: SentinelTimes): number | undefined {
  if (view.silentSinceMs === undefined) return undefined;
  const ownMs = Math.max(view.silentSinceMs, sinceMs ?? 0);
  return Math.max(0, nowMs - Math.min(ownMs, silentSinceMs ?? ownMs));
}

function slowIn(
  { canary }: SpanView,
  matrix: Matrix,
): { readonly p1: number; readonly p2: number; readonly p3: number } {
  const slowerThan = (boundMs: number): number =>
    Math.max(0, canary.requests - (canary.fasterThan[String(boundMs)] ?? canary.requests));
  const { p1Ms, p2Ms, p3Ms } = matrix.latencyP95;
  return { p1: slowerThan(p1Ms), p2: slowerThan(p2Ms), p3: slowerThan(p3Ms) };
}

function loginsIn(counts: SpanView['canary']): { readonly attempts: number; readonly failures: number } {
  return { attempts: counts.logins, failures: counts.loginFailures };
}

/** What the canary should have of something that stable has `count` of, by their weights. */
function canaryShareOf(count: number, weight: number): number {
  return weight >= 100 ? 0 : (count * weight) / (100 - weight);
}

function stableLogins(samples: StepSamples): { readonly attempts: number; readonly failures: number } | undefined {
  const { stableLogins: attempts, stableLoginFailures: failures } = samples;
  if (attempts.kind === 'unknown' || failures.kind === 'unknown') return undefined;
  return { attempts: attempts.value, failures: failures.value };
}

/** Runs a check on its samples when each of them is a number; a sample that is not makes the check unknown. */
function known(
  check: CheckName,
  samples: readonly Sample[],
  judgeValues: (values: readonly number[]) => Finding,
): Finding {
  const values: number[] = [];
  for (const sample of samples) {
    if (sample.kind === 'unknown') return unknownFinding(check, sample.why);
    if (!Number.isFinite(sample.value)) return unknownFinding(check, 'NotANumber');
    values.push(Math.max(0, sample.value));
  }
  return judgeValues(values);
}
