import { expect } from 'chai';
import {
  checkAuthFailures,
  checkErrorRate,
  checkLatency,
  overallVerdict,
  type RateProof,
  type SlowCounts,
  type SlowProof,
} from '../../../../operator/src/core/checks.ts';
import type { Tally } from '../../../../operator/src/core/sequential.ts';
import { parseSpec } from '../../../../operator/src/core/spec.ts';

const reading = parseSpec({
  targetRef: { name: 'auth-api' },
  route: { httpRoute: 'auth-api', rule: 'api' },
  metrics: { prometheus: { address: 'http://prometheus' } },
});
if (reading.kind === 'invalid') throw new Error(reading.violations.join('; '));
const { matrix } = reading.spec;
const NONE: RateProof = { isOver: () => false, isWorse: false };
const WORSE: RateProof = { isOver: () => false, isWorse: true };
const OVER_P1: RateProof = { isOver: (limit) => limit <= matrix.errorRate.p1, isWorse: false };
const healthy = checkErrorRate({ bad: 0, total: 1_000 }, matrix, NONE);

describe('few logins', () => {
  it('stop nobody when stable sees as few', () => {
    const logins = checkAuthFailures(
      { bad: 0, total: 1 },
      { bad: 0, total: 19 },
      { matrix, proof: NONE, expectedLogins: 1 },
    );
    expect(logins.verdict).to.deep.equal({ kind: 'unknown', why: 'FewLogins' });
    expect(overallVerdict([healthy, logins])).to.deep.equal({ kind: 'pass' });
  });

  it('hold when stable says that the canary should have had enough', () => {
    const logins = checkAuthFailures(
      { bad: 0, total: 1 },
      { bad: 0, total: 400 },
      { matrix, proof: NONE, expectedLogins: 21 },
    );
    expect(overallVerdict([healthy, logins])).to.deep.equal({ kind: 'unknown', why: 'TooLittleTraffic' });
  });

  it('never stand in for requests: an idle canary does not pass', () => {
    const idle = [
      checkErrorRate({ bad: 0, total: 0 }, matrix, NONE),
      checkAuthFailures({ bad: 0, total: 0 }, undefined, { matrix, proof: NONE }),
    ];
    expect(overallVerdict(idle)).to.deep.equal({ kind: 'unknown', why: 'TooLittleTraffic' });
  });
});

describe('the severity of an error rate', () => {
  const severity = (bad: number, total: number, proof: RateProof): string => {
    const { verdict } = checkErrorRate({ bad, total }, matrix, proof);
    return verdict.kind === 'fail' ? verdict.severity : verdict.kind;
  };

  it('is P0 once the fault is proven and more than a twentieth fails, however few requests there were', () => {
    expect([severity(4, 31, OVER_P1), severity(4, 31, WORSE)]).to.deep.equal(['P0', 'P0']);
  });

  it('is the one of the measured share when the canary is proven worse than stable', () => {
    const shares = [600, 500, 100, 99, 50, 49, 10, 9].map((bad) => severity(bad, 10_000, WORSE));
    expect(shares).to.deep.equal(['P0', 'P1', 'P1', 'P2', 'P2', 'P3', 'P3', 'pass']);
  });

  it('is P1 when the limit is proven to be crossed, whatever stable does', () => {
    expect(severity(150, 10_000, OVER_P1)).to.equal('P1');
  });

  it('is P3 at most without proof, and nothing on few requests', () => {
    expect([severity(1_000, 10_000, NONE), severity(2, 30, NONE)]).to.deep.equal(['P3', 'P3']);
    expect(severity(1, 3, WORSE)).to.equal('unknown');
    expect([severity(19, 19, WORSE), severity(20, 20, WORSE)]).to.deep.equal(['unknown', 'P0']);
  });
});

describe('latency', () => {
  const severity = (slow: SlowCounts, proof: SlowProof): string => {
    const { verdict } = checkLatency(slow, 1_000, { matrix, proof });
    return verdict.kind === 'fail' ? verdict.severity : verdict.kind;
  };
  const all = { p1: 60, p2: 60, p3: 60 };

  it('is severe only when it is slow now and the trial has proven it', () => {
    expect(severity(all, { p1: true, p2: true })).to.equal('P1');
    expect(severity(all, { p1: false, p2: true })).to.equal('P2');
    expect(severity({ ...all, p1: 50 }, { p1: true, p2: true })).to.equal('P2');
    expect(severity(all, { p1: false, p2: false })).to.equal('P3');
    expect(severity({ p1: 0, p2: 0, p3: 50 }, { p1: true, p2: true })).to.equal('pass');
  });
});

describe('failed logins', () => {
  const shown = (canary: Tally, stable: Tally | undefined, proof: RateProof): string => {
    const { verdict } = checkAuthFailures(canary, stable, { matrix, proof });
    return verdict.kind === 'fail' ? verdict.severity : verdict.kind === 'unknown' ? verdict.why : 'pass';
  };
  const sprayed = { bad: 300, total: 1_000 };
  const calm = { bad: 50, total: 5_000 };
  const storm = { bad: 1_500, total: 5_000 };
  const over = (share: number): RateProof => ({ isOver: (limit) => limit < share, isWorse: false });

  it("are the canary's fault above the limit, or when it is proven worse than stable", () => {
    expect(shown(sprayed, calm, over(0.28))).to.equal('P1');
    expect(shown(sprayed, undefined, over(0.28))).to.equal('P1');
    expect(shown({ bad: 60, total: 1_000 }, calm, WORSE)).to.equal('P1');
    expect(shown({ bad: 50, total: 1_000 }, calm, WORSE)).to.equal('pass');
  });

  it('are not, while stable refuses as many', () => {
    expect(shown(sprayed, storm, over(0.28))).to.equal('pass');
    expect(shown({ bad: 600, total: 1_000 }, storm, over(0.55))).to.equal('P1');
    expect(shown({ bad: 400, total: 1_000 }, storm, WORSE)).to.equal('P1');
  });
});
