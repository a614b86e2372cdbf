/**
 * The seven checks, each from counts to a verdict with its figures. judge.ts feeds them the sentinel's spans and the
 * step's samples alike, so that both judge by the same rules.
 */

import { msToDuration } from './duration.ts';
import { provesAbove, upperBound } from './evidence.ts';
import { rowsOf, type Severity } from './matrix.ts';
import type { UnknownWhy } from './observation.ts';
import type { Matrix } from './spec.ts';
import type { CheckName } from './status.ts';

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
  readonly source: 'sentinel' | 'prometheus';
  readonly windowMs: number;
};

export type Finding = Omit<CheckResult, 'source' | 'windowMs'>;

const PASS: Verdict = { kind: 'pass' };

/**
 * Below this many requests no rate fails either: three failures of three requests are one client with one bad token as
 * often as a broken release. 20 is half a second at the 40 requests/s that the three-second promise is made for.
 */
const MIN_REQUESTS_TO_FAIL = 20;

export function unknownFinding(check: CheckName, why: UnknownWhy): Finding {
  return { check, verdict: { kind: 'unknown', why }, value: undefined, threshold: undefined, requests: undefined };
}

/**
 * Share of requests answered with a 5xx status. The bound proves that the canary is at fault; how bad it is, the measured share
 * says: once P1 is proven, a share above P0's limit is a P0. Both mean weight 0 at once, and after it no request comes that could
 * prove more, so waiting for P0's own bound would let the first second's luck name the severity.
 */
export function checkErrorRate(errors: number, requests: number, matrix: Matrix): Finding {
  const { p0, p1, p2, p3 } = matrix.errorRate;
  const thresholds = { P0: p0, P1: p1, P2: p2, P3: p3 };
  const floor = Math.min(matrix.minRequests, MIN_REQUESTS_TO_FAIL);
  const proven = worstCrossed('errorRate', (row) =>
    row.proof === 'estimate'
      ? requests >= matrix.minRequests && errors / requests >= thresholds[row.severity]
      : requests >= floor && provesAbove(errors, requests, thresholds[row.severity], matrix.confidence),
  );
  const severity = proven === 'P1' && errors / requests > p0 ? 'P0' : proven;
  return {
    check: 'errorRate',
    verdict: verdictOf(severity, requests >= matrix.minRequests),
    value: percent(requests > 0 ? errors / requests : 0),
    threshold: percent(thresholds[severity ?? 'P3']),
    requests: Math.round(requests),
  };
}

/** The share of slow requests at which the 95th percentile stands exactly at the bound. */
const SLOW_SHARE = 0.05;

/** p95 lies above a bound exactly when more than 5 % of the requests are slower than it, which can be counted and proven. */
export function checkLatency(
  slow: { readonly p1: number; readonly p2: number; readonly p3: number },
  requests: number,
  matrix: Matrix,
): Finding {
  const { p1Ms, p2Ms, p3Ms } = matrix.latencyP95;
  const slower: Readonly<Record<Severity, number>> = { P0: 0, P1: slow.p1, P2: slow.p2, P3: slow.p3 };
  const boundsMs: Readonly<Record<Severity, number>> = { P0: p1Ms, P1: p1Ms, P2: p2Ms, P3: p3Ms };
  const floor = Math.min(matrix.minRequests, MIN_REQUESTS_TO_FAIL);
  const severity = worstCrossed('latencyP95', (row) =>
    row.proof === 'estimate'
      ? requests >= matrix.minRequests && slower[row.severity] / requests > SLOW_SHARE
      : requests >= floor && provesAbove(slower[row.severity], requests, SLOW_SHARE, matrix.confidence),
  );
  const shown = severity ?? 'P3';
  return {
    check: 'latencyP95',
    verdict: verdictOf(severity, requests >= matrix.minRequests),
    value: `${percent(requests > 0 ? slower[shown] / requests : 0)} slower`,
    threshold: `5% over ${msToDuration(boundsMs[shown])}`,
    requests: Math.round(requests),
  };
}

export type Logins = { readonly attempts: number; readonly failures: number };

/**
 * Share of failed logins. When stable fails as often too (somebody sprays passwords at both), the canary must be proven
 * worse than stable's upper bound, not just worse than the threshold: it is not to blame for the weather.
 *
 * People log in once and then send thousands of requests, so a canary at 5 % may see no login for minutes although it has all the
 * requests a verdict needs. Few logins are therefore `FewLogins`, which stops nobody, unless stable's own logins say that the
 * canary should have had enough (`expectedLogins`): logins that go missing are a symptom, and `TooLittleTraffic` holds.
 */
export function checkAuthFailures(
  canary: Logins,
  stable: Logins | undefined,
  matrix: Matrix,
  expectedLogins = 0,
): Finding {
  const { p1, minLogins } = matrix.authFailureRate;
  const isShared = stable !== undefined && stable.attempts >= minLogins && stable.failures / stable.attempts > p1;
  const threshold = isShared ? Math.max(p1, upperBound(stable.failures, stable.attempts, matrix.confidence)) : p1;
  const isProven =
    canary.attempts >= minLogins && provesAbove(canary.failures, canary.attempts, threshold, matrix.confidence);
  // Not proven, and not healthy either: there is no P3 of this check to hold, so doubt must.
  const isDoubtful = canary.attempts >= matrix.minRequests && canary.failures / canary.attempts > threshold;
  return {
    check: 'authFailureRate',
    verdict: isProven
      ? { kind: 'fail', severity: 'P1' }
      : isDoubtful
        ? DOUBT
        : evidenceOf(canary.attempts, expectedLogins, minLogins),
    value: percent(canary.attempts > 0 ? canary.failures / canary.attempts : 0),
    threshold: percent(threshold),
    requests: Math.round(canary.attempts),
  };
}

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
  isCrossed: (row: { readonly severity: Severity; readonly proof: 'bound' | 'estimate' | 'fact' }) => boolean,
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
