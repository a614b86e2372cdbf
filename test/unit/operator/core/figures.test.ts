/** What each check says and shows exactly at its limits, with the runbook's matrix. */
import { expect } from 'chai';
import {
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
  unknownFinding,
} from '../../../../operator/src/core/checks.ts';
import { MATRIX, responseTo, rowsOf } from '../../../../operator/src/core/matrix.ts';
import { parseSpec } from '../../../../operator/src/core/spec.ts';
import { specManifest } from '../../../support/operator-core/world.ts';

const reading = parseSpec(specManifest());
if (reading.kind === 'invalid') throw new Error('spec');
const { matrix } = reading.spec;

const NONE: RateProof = { isOver: () => false, isWorse: false };
const WORSE: RateProof = { isOver: () => false, isWorse: true };
const overAt = (proven: number): RateProof => ({ isOver: (limit) => limit <= proven, isWorse: false });

const shown = ({ check, verdict, value, threshold, requests }: Finding): string => {
  const word = verdict.kind === 'fail' ? verdict.severity : verdict.kind === 'unknown' ? verdict.why : 'pass';
  return `${check} ${word} ${value ?? '-'} of ${threshold ?? '-'} in ${requests ?? '-'}`;
};

const table = (): readonly (readonly [says: string, finding: Finding])[] => [
  // The runbook: P0 is more than 5 %, P1 is 1 % or more, P2 0.5 % or more, P3 0.1 % or more.
  ['errorRate pass 0% of 0.1% in 30', checkErrorRate({ bad: 0, total: 30 }, matrix, NONE)],
  ['errorRate TooLittleTraffic 0% of 0.1% in 29', checkErrorRate({ bad: 0, total: 29 }, matrix, NONE)],
  ['errorRate TooLittleTraffic 0% of 0.1% in 0', checkErrorRate({ bad: 0, total: 0 }, matrix, WORSE)],
  ['errorRate P1 5% of 1% in 100', checkErrorRate({ bad: 5, total: 100 }, matrix, WORSE)],
  ['errorRate P0 5.01% of 5% in 10000', checkErrorRate({ bad: 501, total: 10_000 }, matrix, WORSE)],
  ['errorRate P0 10% of 5% in 20', checkErrorRate({ bad: 2, total: 20 }, matrix, overAt(0.01))],
  ['errorRate TooLittleTraffic 100% of 0.1% in 19', checkErrorRate({ bad: 19, total: 19 }, matrix, WORSE)],
  ['errorRate P1 1% of 1% in 100', checkErrorRate({ bad: 1, total: 100 }, matrix, WORSE)],
  ['errorRate P2 0.99% of 0.5% in 10000', checkErrorRate({ bad: 99, total: 10_000 }, matrix, WORSE)],
  ['errorRate P2 0.5% of 0.5% in 200', checkErrorRate({ bad: 1, total: 200 }, matrix, WORSE)],
  ['errorRate P3 0.49% of 0.1% in 10000', checkErrorRate({ bad: 49, total: 10_000 }, matrix, WORSE)],
  ['errorRate P3 0.1% of 0.1% in 1000', checkErrorRate({ bad: 1, total: 1_000 }, matrix, NONE)],
  ['errorRate pass 0.09% of 0.1% in 10000', checkErrorRate({ bad: 9, total: 10_000 }, matrix, WORSE)],
  ['errorRate P3 3.33% of 0.1% in 30', checkErrorRate({ bad: 1, total: 30 }, matrix, NONE)],
  ['errorRate TooLittleTraffic 3.45% of 0.1% in 29', checkErrorRate({ bad: 1, total: 29 }, matrix, NONE)],
  ['errorRate P1 4% of 1% in 100', checkErrorRate({ bad: 4, total: 100 }, matrix, overAt(0.01))],
  ['errorRate P2 4% of 0.5% in 100', checkErrorRate({ bad: 4, total: 100 }, matrix, overAt(0.005))],
  // A matrix that asks for fewer requests gets them.
  ['errorRate P0 100% of 5% in 5', checkErrorRate({ bad: 5, total: 5 }, { ...matrix, minRequests: 5 }, WORSE)],

  // p95 is above a bound when more than 5 % are slower.
  ['latencyP95 pass 0% slower of 5% over 200ms in 30', latency(0, 30)],
  ['latencyP95 TooLittleTraffic 0% slower of 5% over 200ms in 0', latency(0, 0)],
  ['latencyP95 pass 5% slower of 5% over 200ms in 100', latency(5, 100)],
  ['latencyP95 P3 6% slower of 5% over 200ms in 100', latency(6, 100)],
  ['latencyP95 P2 6% slower of 5% over 300ms in 100', latency(6, 100, { p1: false, p2: true })],
  ['latencyP95 P1 6% slower of 5% over 500ms in 100', latency(6, 100, { p1: true, p2: true })],
  ['latencyP95 P1 100% slower of 5% over 500ms in 20', latency(20, 20, { p1: true, p2: true })],
  ['latencyP95 TooLittleTraffic 100% slower of 5% over 200ms in 19', latency(19, 19, { p1: true, p2: true })],
  ['latencyP95 TooLittleTraffic 100% slower of 5% over 200ms in 29', latency(29, 29)],
  ['latencyP95 P3 100% slower of 5% over 200ms in 30', latency(30, 30)],
  ['latencyP95 P1 100% slower of 5% over 500ms in 5', latency(5, 5, { p1: true, p2: true }, 5)],

  ['authFailureRate pass 5% of 5% in 100', logins(5, 100, WORSE)],
  ['authFailureRate P1 6% of 5% in 100', logins(6, 100, WORSE)],
  ['authFailureRate P1 6% of 5% in 100', logins(6, 100, overAt(0.05))],
  ['authFailureRate P1 60% of 5% in 10', logins(6, 10, WORSE)],
  ['authFailureRate FewLogins 66.67% of 5% in 9', logins(6, 9, WORSE)],
  ['authFailureRate FewLogins 0% of 5% in 0', logins(0, 0, WORSE)],
  ['authFailureRate pass 0% of 5% in 10', logins(0, 10, NONE)],
  // Not proven: with 30 logins doubt holds, with fewer it stops nobody.
  ['authFailureRate TooLittleTraffic 6.67% of 5% in 30', logins(2, 30, NONE)],
  ['authFailureRate pass 6.9% of 5% in 29', logins(2, 29, NONE)],
  // Stable has the storm as well: then its own upper bound is the limit.
  ['authFailureRate pass 30% of 34.65% in 100', logins(30, 100, overAt(0.05), { bad: 300, total: 1_000 })],
  ['authFailureRate P1 30% of 34.65% in 100', logins(30, 100, WORSE, { bad: 300, total: 1_000 })],
  ['authFailureRate P1 60% of 34.65% in 100', logins(60, 100, overAt(0.4), { bad: 300, total: 1_000 })],
  ['authFailureRate TooLittleTraffic 60% of 34.65% in 100', logins(60, 100, NONE, { bad: 300, total: 1_000 })],
  ['authFailureRate P1 30% of 5% in 100', logins(30, 100, overAt(0.05), { bad: 9, total: 9 })],
  ['authFailureRate P1 30% of 5% in 100', logins(30, 100, overAt(0.05), { bad: 50, total: 1_000 })],

  ['databaseErrors pass 10/min of 10/min in -', checkDatabaseErrors(10, 60_000, matrix)],
  ['databaseErrors P1 10.5/min of 10/min in -', checkDatabaseErrors(10.5, 60_000, matrix)],
  ['databaseErrors pass 10/min of 10/min in -', checkDatabaseErrors(50, 300_000, matrix)],
  ['databaseErrors P1 11/min of 10/min in -', checkDatabaseErrors(11, 1_000, matrix)],
  ['dataLoss P0 1 of 1 in -', checkDataLoss(1, matrix)],
  ['dataLoss pass 0 of 1 in -', checkDataLoss(0, matrix)],
  ['complaints pass 2 of 3 in -', checkComplaints(2, matrix)],
  ['complaints P2 3 of 3 in -', checkComplaints(3, matrix)],
  ['complaints P2 4 of 3 in -', checkComplaints(4, matrix)],
  ['complaints P1 5 of 5 in -', checkComplaints(5, matrix)],
  ['serviceDown pass 0s of 5m in -', checkServiceDown(undefined, matrix)],
  ['serviceDown NoAnswer - of - in -', checkServiceDown(300_000, matrix)],
  ['serviceDown P0 > 5m of 5m in -', checkServiceDown(300_001, matrix)],
];

function latency(slow: number, requests: number, proof = { p1: false, p2: false }, minRequests = 30): Finding {
  return checkLatency({ p1: slow, p2: slow, p3: slow }, requests, { matrix: { ...matrix, minRequests }, proof });
}

function logins(bad: number, total: number, proof: RateProof, stable?: { bad: number; total: number }): Finding {
  return checkAuthFailures({ bad, total }, stable, { matrix, proof });
}

describe('a check at its limits', () => {
  it('says what the runbook says, and shows the figure beside its limit', () => {
    const rows = table();
    expect(rows.map(([, finding]) => shown(finding))).to.deep.equal(rows.map(([says]) => says));
  });

  it('misses logins only when stable has twice what a verdict needs', () => {
    const why = (expectedLogins: number): unknown => {
      const context = { matrix, proof: NONE, expectedLogins };
      return checkAuthFailures({ bad: 0, total: 9 }, undefined, context).verdict;
    };
    expect(why(19.9)).to.deep.equal({ kind: 'unknown', why: 'FewLogins' });
    expect(why(20)).to.deep.equal({ kind: 'unknown', why: 'TooLittleTraffic' });
  });

  it('measures each latency with the count of its own bound', () => {
    const proof = { p1: true, p2: true };
    const severity = (p1: number, p2: number, p3: number): string =>
      shown(checkLatency({ p1, p2, p3 }, 100, { matrix, proof }));
    expect(severity(1, 7, 9)).to.equal('latencyP95 P2 7% slower of 5% over 300ms in 100');
    expect(severity(1, 2, 9)).to.equal('latencyP95 P3 9% slower of 5% over 200ms in 100');
    expect(severity(1, 2, 3)).to.equal('latencyP95 pass 3% slower of 5% over 200ms in 100');
  });
});

describe('the verdict of many checks', () => {
  const failing = checkDataLoss(1, matrix);
  const worse = checkComplaints(5, matrix);
  const unknown = (why: 'NoData' | 'TooLittleTraffic' | 'FewLogins'): Finding => unknownFinding('errorRate', why);

  it('is the worst failure, else blindness, else too little traffic, else a pass', () => {
    expect(overallVerdict([worse, unknown('NoData'), failing])).to.deep.equal({ kind: 'fail', severity: 'P0' });
    expect(overallVerdict([unknown('TooLittleTraffic'), unknown('NoData')])).to.deep.equal({
      kind: 'unknown',
      why: 'NoData',
    });
    expect(overallVerdict([unknown('FewLogins'), unknown('TooLittleTraffic')])).to.deep.equal({
      kind: 'unknown',
      why: 'TooLittleTraffic',
    });
    expect(overallVerdict([unknown('FewLogins')])).to.deep.equal({ kind: 'pass' });
    expect(overallVerdict([])).to.deep.equal({ kind: 'pass' });
  });
});

describe('the decision matrix', () => {
  it('has the rows of a check worst first', () => {
    for (const { check } of MATRIX) {
      const severities = rowsOf(check).map(({ severity }) => severity);
      expect(severities).to.deep.equal(severities.toSorted());
      expect(rowsOf(check).every((row) => row.check === check)).to.equal(true);
    }
    expect(rowsOf('errorRate').map(({ severity }) => severity)).to.deep.equal(['P0', 'P1', 'P2', 'P3']);
  });

  it('answers a failure by its own row, and by a hold where it has none', () => {
    for (const { check, severity, response } of MATRIX) expect(responseTo(check, severity)).to.equal(response);
    expect([responseTo('dataLoss', 'P1'), responseTo('latencyP95', 'P0')]).to.deep.equal(['hold', 'hold']);
  });
});
