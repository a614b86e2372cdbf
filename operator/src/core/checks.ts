/**
 * The seven checks, each from counts to a verdict with its figures. judge.ts feeds them the sentinel's spans and the
 * step's samples alike, so that both judge by the same rules.
 */

import { msToDuration } from './duration.ts';
import { upperBound } from './evidence.ts';
import { type Proof, rowsOf, type Severity } from './matrix.ts';
import type { UnknownWhy } from './observation.ts';
import type { Tally } from './sequential.ts';
import type { Matrix } from './spec.ts';
import type { CheckName } from './status.ts';
import { SLOW_SHARE } from './trial.ts';

export type Verdict =
  | { readonly kind: 'pass' }
  | { readonly kind: 'fail'; readonly severity: Severity }
  | { readonly kind: 'unknown'; readonly why: UnknownWhy };

/** One check with its figures; value and threshold are text with a unit, made for people. */
export type CheckResult = {
  readonly check: CheckName;
  readonly verdict: Verdict;
  readonly value: string | undefined;
  readonly threshold: string | undefined;
  readonly requests: number | undefined;
  readonly source: 'sentinel' | 'prometheus' | 'alertmanager';
  readonly windowMs: number;
};

export type Finding = Omit<CheckResult, 'source' | 'windowMs'>;

const PASS: Verdict = { kind: 'pass' };

/**
 * Below this many requests no rate fails either: three failures of three requests are one client with one bad token as
 * often as a broken release. 20 is half a second at the 40 requests/s that the three-second promise is made for.
 */
const MIN_REQUESTS_TO_FAIL = 20;

/**
 * What is proven of a rate, by the trial of the revision or by a window of Prometheus. Proven worse than stable, the canary is at
 * fault and its measured share names the severity; proven above a limit, it is so whatever stable does.
 */
export type RateProof = { readonly isOver: (limit: number) => boolean; readonly isWorse: boolean };

export function unknownFinding(check: CheckName, why: UnknownWhy): Finding {
  return { check, verdict: { kind: 'unknown', why }, value: undefined, threshold: undefined, requests: undefined };
}

/**
 * Share of requests answered with a 5xx status. The proof says that the canary is at fault; how bad it is, the measured share
 * says: once P1 is proven, a share above P0's limit is a P0. Both mean weight 0 at once, and after it no request comes that could
 * prove more, so waiting for P0's own proof would let the first second's luck name the severity.
 */
export function checkErrorRate({ bad, total }: Tally, matrix: Matrix, proof: RateProof): Finding {
  const { p0, p1, p2, p3 } = matrix.errorRate;
  const thresholds = { P0: p0, P1: p1, P2: p2, P3: p3 };
  const share = total > 0 ? bad / total : 0;
  const floor = Math.min(matrix.minRequests, MIN_REQUESTS_TO_FAIL);
  const proven = worstCrossed('errorRate', (row) => {
    const limit = thresholds[row.severity];
    // The runbook's P0 is "more than", its others are "from".
    const isCrossed = row.severity === 'P0' ? share > limit : share >= limit;
    if (row.proof === 'estimate') return isCrossed && total >= matrix.minRequests;
    return isCrossed && total >= floor && (proof.isWorse || proof.isOver(limit));
  });
  const severity = proven === 'P1' && share > p0 ? 'P0' : proven;
  return {
    check: 'errorRate',
    verdict: verdictOf(severity, total >= matrix.minRequests),
    value: percent(share),
    threshold: percent(thresholds[severity ?? 'P3']),
    requests: Math.round(total),
  };
}

export type SlowCounts = { readonly p1: number; readonly p2: number; readonly p3: number };
export type SlowProof = { readonly p1: boolean; readonly p2: boolean };

/**
 * p95 lies above a bound exactly when more than 5 % of the requests are slower than it, which can be counted. P1 and P2 want both:
 * a share above it now, and the trial's proof that this is no single stall and not stable's trouble as well.
 */
export function checkLatency(
  slow: SlowCounts,
  requests: number,
  { matrix, proof }: { readonly matrix: Matrix; readonly proof: SlowProof },
): Finding {
  const { p1Ms, p2Ms, p3Ms } = matrix.latencyP95;
  const slower: Readonly<Record<Severity, number>> = { P0: 0, P1: slow.p1, P2: slow.p2, P3: slow.p3 };
  const boundsMs: Readonly<Record<Severity, number>> = { P0: p1Ms, P1: p1Ms, P2: p2Ms, P3: p3Ms };
  const isProven: Readonly<Record<Severity, boolean>> = { P0: false, P1: proof.p1, P2: proof.p2, P3: true };
  const floor = Math.min(matrix.minRequests, MIN_REQUESTS_TO_FAIL);
  const severity = worstCrossed('latencyP95', (row) => {
    const least = row.proof === 'estimate' ? matrix.minRequests : floor;
    return requests >= least && slower[row.severity] / requests > SLOW_SHARE && isProven[row.severity];
  });
  const shown = severity ?? 'P3';
  return {
    check: 'latencyP95',
    verdict: verdictOf(severity, requests >= matrix.minRequests),
    value: `${percent(requests > 0 ? slower[shown] / requests : 0)} slower`,
    threshold: `5% over ${msToDuration(boundsMs[shown])}`,
    requests: Math.round(requests),
  };
}

/**
 * Share of failed logins. While stable's own share is over the limit too (somebody sprays passwords at both), only a canary that is
 * proven worse than stable fails: it is not to blame for the weather.
 *
 * People log in once and then send thousands of requests, so a canary at 5 % may see no login for minutes although it has all the
 * requests a verdict needs. Few logins are therefore `FewLogins`, which stops nobody, unless stable's own logins say that the
 * canary should have had enough (`expectedLogins`): logins that go missing are a symptom, and `TooLittleTraffic` holds.
 */
export function checkAuthFailures(
  canary: Tally,
  stable: Tally | undefined,
  { matrix, proof, expectedLogins = 0 }: LoginContext,
): Finding {
  const { p1, minLogins } = matrix.authFailureRate;
  const share = canary.total > 0 ? canary.bad / canary.total : 0;
  const isShared = stable !== undefined && stable.total >= minLogins && stable.bad / stable.total > p1;
  const threshold = isShared ? Math.max(p1, upperBound(stable.bad, stable.total, matrix.confidence)) : p1;
  const isProven = canary.total >= minLogins && share > p1 && (proof.isWorse || proof.isOver(threshold));
  // Not proven, and not healthy either: there is no P3 of this check to hold, so doubt must.
  const isDoubtful = canary.total >= matrix.minRequests && share > threshold;
  return {
    check: 'authFailureRate',
    verdict: isProven
      ? { kind: 'fail', severity: 'P1' }
      : isDoubtful
        ? DOUBT
        : evidenceOf(canary.total, expectedLogins, minLogins),
    value: percent(share),
    threshold: percent(threshold),
    requests: Math.round(canary.total),
  };
}

export type LoginContext = { readonly matrix: Matrix; readonly proof: RateProof; readonly expectedLogins?: number };

const DOUBT: Verdict = { kind: 'unknown', why: 'TooLittleTraffic' };

/** Twice the minimum: a canary that is merely unlucky in its share of the logins is not missing them. */
const MISSED_FACTOR = 2;

function evidenceOf(logins: number, expectedLogins: number, minLogins: number): Verdict {
  if (logins >= minLogins) return PASS;
  return { kind: 'unknown', why: expectedLogins >= MISSED_FACTOR * minLogins ? 'TooLittleTraffic' : 'FewLogins' };
}

/** Database errors a minute: a count, and more than the limit within less than a minute is more than the limit in it. */
export function checkDatabaseErrors(errors: number, windowMs: number, matrix: Matrix): Finding {
  const perMinute = errors / Math.max(1, windowMs / 60_000);
  const limit = matrix.databaseErrors.p1PerMinute;
  return fact('databaseErrors', perMinute > limit ? 'P1' : undefined, `${round(perMinute)}/min`, `${limit}/min`);
}

/** Complaints of users within spec.matrix.complaints.window. */
export function checkComplaints(complaints: number, matrix: Matrix): Finding {
  const { p1, p2 } = matrix.complaints;
  const severity = complaints >= p1 ? 'P1' : complaints >= p2 ? 'P2' : undefined;
  return fact('complaints', severity, String(round(complaints)), String(severity === 'P1' ? p1 : p2));
}

/** Signals that the database has lost what it had confirmed. */
export function checkDataLoss(signals: number, matrix: Matrix): Finding {
  return fact(
    'dataLoss',
    signals >= matrix.dataLoss.p0 ? 'P0' : undefined,
    String(round(signals)),
    String(matrix.dataLoss.p0),
  );
}

/** No canary pod has answered since; a moment of silence is unknown, and only the limit makes it a P0. */
export function checkServiceDown(silentMs: number | undefined, matrix: Matrix): Finding {
  if (silentMs === undefined) return fact('serviceDown', undefined, '0s', msToDuration(matrix.serviceDown.p0Ms));
  if (silentMs <= matrix.serviceDown.p0Ms) return unknownFinding('serviceDown', 'NoAnswer');
  // The limit and not the ticking time: a figure that changes each second would write the status each second.
  const limit = msToDuration(matrix.serviceDown.p0Ms);
  return fact('serviceDown', 'P0', `> ${limit}`, limit);
}

/** The one verdict of many: the worst failure, else what is not known, else pass. */
export function overallVerdict(findings: readonly Finding[]): Verdict {
  const failed = worstCrossedOf(findings);
  if (failed !== undefined) return { kind: 'fail', severity: failed };
  const unknowns = findings
    .map((finding) => finding.verdict)
    .filter((verdict) => verdict.kind === 'unknown' && verdict.why !== 'FewLogins');
  // Being blind outranks being bored: TooLittleTraffic is shown only when nothing else is unknown.
  const isBlind = (verdict: Verdict): boolean => verdict.kind === 'unknown' && verdict.why !== 'TooLittleTraffic';
  return unknowns.find(isBlind) ?? unknowns[0] ?? PASS;
}

function worstCrossedOf(findings: readonly Finding[]): Severity | undefined {
  const severities = findings.flatMap(({ verdict }) => (verdict.kind === 'fail' ? [verdict.severity] : []));
  return severities.toSorted()[0];
}

function worstCrossed(
  check: CheckName,
  isCrossed: (row: { readonly severity: Severity; readonly proof: Proof }) => boolean,
): Severity | undefined {
  return rowsOf(check).find(isCrossed)?.severity;
}

function verdictOf(severity: Severity | undefined, hasEvidence: boolean): Verdict {
  if (severity !== undefined) return { kind: 'fail', severity };
  return hasEvidence ? PASS : { kind: 'unknown', why: 'TooLittleTraffic' };
}

function fact(check: CheckName, severity: Severity | undefined, value: string, threshold: string): Finding {
  return { check, verdict: verdictOf(severity, true), value, threshold, requests: undefined };
}

function percent(share: number): string {
  return `${round(share * 100)}%`;
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
