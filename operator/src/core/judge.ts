/**
 * From samples to a verdict. reconcile.ts calls judge with each observation, sentinel.ts calls judgeSentinel with each
 * batch; the verdict goes to decide.ts.
 */

import { judgeAlerts } from './alerts.ts';
import { type CheckpointAnswer, judgeCheckpoints } from './checkpoints.ts';
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
  type RateProof,
  type SlowCounts,
  type SlowProof,
  unknownFinding,
  type Verdict,
} from './checks.ts';
import { reportedComplaints } from './complaints.ts';
import { provesAbove } from './evidence.ts';
import type { Observation, Sample, StepSamples } from './observation.ts';
import type { Tally } from './sequential.ts';
import type { Matrix } from './spec.ts';
import type { CheckName } from './status.ts';
import { errorsIn, loginsIn, slowIn } from './tally.ts';
import { type Evidence, evidenceOf, isProven, lookConfidence, newTrial, type RateEvidence } from './trial.ts';
import type { Counts, SentinelView, SpanView } from './window.ts';

export type Judged = { readonly verdict: Verdict; readonly results: readonly CheckResult[] };

export type Judgement = {
  /** P0 and P1 only. Its pass means that nothing severe was seen; it is never enough to advance. */
  readonly sentinel: Judged;
  /** Undefined when this pass ran no checks. */
  readonly step: Judged | undefined;
  /** What others say; known in every pass. */
  readonly alerts: Judged;
  /** What the checkpoints before the next step say; absent when this pass did not ask them. */
  readonly checkpoints?: readonly CheckpointAnswer[];
};

/** A batch older than three beats of the sentinel says nothing about now. */
export const SENTINEL_FRESH_MS = 3_000;

/** Judges everything that was sampled; total and deterministic. */
export function judge(observation: Observation): Judgement {
  const matrix = matrixOf(observation);
  if (matrix === undefined)
    return { sentinel: judged([], 'sentinel', 0), step: undefined, alerts: judgeAlerts(observation.signals) };
  const { status, sentinel, samples, nowMs, complaints = [] } = observation;
  const reported = reportedComplaints(complaints, status?.revision, { matrix, nowMs });
  const sinceMs = status?.stepStartedAt === undefined ? undefined : Date.parse(status.stepStartedAt);
  const checkpoints = judgeCheckpoints(observation);
  const knownSilentMs = status?.silentSince === undefined ? undefined : Date.parse(status.silentSince);
  return {
    sentinel: judgeSentinel(sentinel, matrix, { nowMs, sinceMs, silentSinceMs: knownSilentMs, reported }),
    step: samples && judgeStep(samples, sentinel, matrix, { weight: status?.weight ?? 0, reported }),
    alerts: judgeAlerts(observation.signals),
    ...(checkpoints === undefined ? {} : { checkpoints }),
  };
}

/**
 * `sinceMs`: start of the step, earlier counts are another step's. `silentSinceMs`: silence known from before a restart. `reported`:
 * complaints that people brought; the sentinel's own look each second knows none, a complaint rings for a pass itself.
 */
export type SentinelContext = {
  readonly nowMs: number;
  readonly sinceMs: number | undefined;
  readonly silentSinceMs: number | undefined;
  readonly reported?: number;
};

/** What the sentinel calls each second: a failing verdict interrupts the running pass of the rollout. */
export function judgeSentinel(view: SentinelView | undefined, matrix: Matrix, times: SentinelContext): Judged {
  const { reported = 0 } = times;
  if (view === undefined || times.nowMs - view.takenAtMs > SENTINEL_FRESH_MS) {
    const findings = [unknownFinding('serviceDown', 'NoSentinel'), complaintsIn([], reported, matrix)];
    return judged(findings.filter((finding) => finding !== undefined).map(severeOnly), 'sentinel', 0);
  }
  const spans = view.spans.filter((span, index) => index === 0 || startsWithin(span, view, times.sinceMs));
  const proofs = proofsOf(view.evidence, matrix);
  const errors = tellingSpan(spans, errorsIn);
  const logins = tellingSpan(spans, loginsIn);
  const slow = tellingSpan(spans, (counts) => slowIn(counts, matrix.latencyP95.p1Ms));
  const findings = [
    checkServiceDown(silenceMs(view, times), matrix),
    checkDataLoss(view.dataLoss, matrix),
    errors && checkErrorRate(errorsIn(errors.canary), matrix, proofs.errors),
    slow && checkLatency(slowCounts(slow.canary, matrix), slow.canary.requests, { matrix, proof: proofs.slow }),
    logins &&
      checkAuthFailures(loginsIn(logins.canary), stormiestLogins(spans, matrix), { matrix, proof: proofs.logins }),
    worstOf(spans, (span) => checkDatabaseErrors(span.canary.databaseErrors, span.spanMs, matrix)),
    complaintsIn(spans, reported, matrix),
  ];
  return judged(findings.filter((finding) => finding !== undefined).map(severeOnly), 'sentinel', SENTINEL_FRESH_MS);
}

/** Those that the pods counted and those that people reported, together; undefined where nobody did either. */
function complaintsIn(spans: readonly SpanView[], reported: number, matrix: Matrix): Finding | undefined {
  const counted = worstOf(
    spans.filter((span) => span.spanMs <= matrix.complaints.windowMs),
    (span) => checkComplaints(span.canary.complaints + reported, matrix),
  );
  return counted ?? (reported > 0 ? checkComplaints(reported, matrix) : undefined);
}

/** What the trial says of a rate whose limit of P1 it was weighed against; of higher limits it says nothing. */
function rateProof({ over, worse }: RateEvidence, p1: number, matrix: Matrix): RateProof {
  const isOver = isProven(over, matrix);
  return { isOver: (limit) => isOver && limit <= p1, isWorse: isProven(worse, matrix) };
}

type Proofs = { readonly errors: RateProof; readonly logins: RateProof; readonly slow: SlowProof };

function proofsOf({ errorRate, authFailureRate, latencyP95 }: Evidence, matrix: Matrix): Proofs {
  return {
    errors: rateProof(errorRate, matrix.errorRate.p1, matrix),
    logins: rateProof(authFailureRate, matrix.authFailureRate.p1, matrix),
    slow: { p1: isProven(latencyP95.p1, matrix), p2: isProven(latencyP95.p2, matrix) },
  };
}

/** Proven by the trial, or by this window of Prometheus alone. */
function eitherProof(trial: RateProof, { bad, total }: Tally, matrix: Matrix): RateProof {
  const isOver = (limit: number): boolean =>
    trial.isOver(limit) || provesAbove(bad, total, limit, lookConfidence(matrix));
  return { ...trial, isOver };
}

function judgeStep(
  samples: StepSamples,
  view: SentinelView | undefined,
  matrix: Matrix,
  { weight, reported }: { readonly weight: number; readonly reported: number },
): Judged {
  const { requests, serverErrors, slow, databaseErrors, complaints, dataLoss } = samples;
  const proofs = proofsOf(view?.evidence ?? evidenceOf(newTrial), matrix);
  const findings = [
    view === undefined
      ? unknownFinding('serviceDown', 'NoSentinel')
      : view.canaryPodsAnswering > 0
        ? checkServiceDown(undefined, matrix)
        : unknownFinding('serviceDown', 'NoAnswer'),
    known('errorRate', [serverErrors, requests], ([bad = 0, total = 0]) =>
      checkErrorRate({ bad, total }, matrix, eitherProof(proofs.errors, { bad, total }, matrix)),
    ),
    known('latencyP95', [slow.p1, slow.p2, slow.p3, requests], ([p1 = 0, p2 = 0, p3 = 0, total = 0]) =>
      checkLatency({ p1, p2, p3 }, total, { matrix, proof: proofs.slow }),
    ),
    known('authFailureRate', [samples.logins, samples.loginFailures], ([total = 0, bad = 0]) => {
      const proof = eitherProof(proofs.logins, { bad, total }, matrix);
      const stable = stableLogins(samples);
      const expectedLogins = canaryShareOf(stable?.total ?? 0, weight);
      return checkAuthFailures({ bad, total }, stable, { matrix, proof, expectedLogins });
    }),
    known('databaseErrors', [databaseErrors], ([errors = 0]) =>
      checkDatabaseErrors(errors, samples.databaseWindowMs, matrix),
    ),
    known('complaints', [complaints], ([count = 0]) => checkComplaints(count + reported, matrix)),
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

function silenceMs(view: SentinelView, { nowMs, sinceMs, silentSinceMs }: SentinelContext): number | undefined {
  if (view.silentSinceMs === undefined) return undefined;
  const ownMs = Math.max(view.silentSinceMs, sinceMs ?? 0);
  return nowMs - Math.min(ownMs, silentSinceMs ?? ownMs);
}

function slowCounts(counts: Counts, { latencyP95 }: Matrix): SlowCounts {
  const { p1Ms, p2Ms, p3Ms } = latencyP95;
  return { p1: slowIn(counts, p1Ms).bad, p2: slowIn(counts, p2Ms).bad, p3: slowIn(counts, p3Ms).bad };
}

/**
 * The span whose share names the severity: the one in which the canary stands out most from stable, which is about as long as the
 * fault. A shorter one would take the first second's luck for the fault, a longer one thin it out with the health before it.
 * Without anything that stands out it is the longest, for the figures.
 */
function tellingSpan(spans: readonly SpanView[], tallyIn: (counts: Counts) => Tally): SpanView | undefined {
  const longest = spans.at(-1);
  if (longest === undefined) return undefined;
  const stable = tallyIn(longest.stable);
  const usual = Math.max(USUAL_SHARE, stable.total > 0 ? stable.bad / stable.total : 0);
  const standsOut = (span: SpanView): number => surprise(tallyIn(span.canary), usual);
  return spans.reduce((best, span) => (standsOut(span) > standsOut(best) ? span : best), longest);
}

/** Stable's logins in the span in which most of them failed: a storm that hits both may have begun a moment ago. */
function stormiestLogins(spans: readonly SpanView[], { authFailureRate }: Matrix): Tally | undefined {
  return spans
    .map(({ stable }) => loginsIn(stable))
    .filter(({ total }) => total >= authFailureRate.minLogins)
    .toSorted((left, right) => right.bad / right.total - left.bad / left.total)[0];
}

/** A share of bad answers that no healthy version is below for certain. */
const USUAL_SHARE = 0.0005;

/** The log likelihood ratio of the measured share against the usual one; 0 when it is no higher. */
function surprise({ bad, total }: Tally, usual: number): number {
  const share = total > 0 ? Math.min(1, bad / total) : 0;
  if (share <= usual) return 0;
  const good = share === 1 ? 0 : (1 - share) * Math.log((1 - share) / (1 - usual));
  return total * (share * Math.log(share / usual) + good);
}

/** What the canary should have of something that stable has `count` of, by their weights. */
function canaryShareOf(count: number, weight: number): number {
  return weight >= 100 ? 0 : (count * weight) / (100 - weight);
}

function stableLogins({ stableLogins: total, stableLoginFailures: bad }: StepSamples): Tally | undefined {
  if (total.kind === 'unknown' || bad.kind === 'unknown') return undefined;
  return { bad: bad.value, total: total.value };
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
