import { expect } from 'chai';
import { checkAuthFailures, checkErrorRate, overallVerdict } from '../../../../operator/src/core/checks.ts';
import { parseSpec } from '../../../../operator/src/core/spec.ts';

const reading = parseSpec({
  targetRef: { name: 'auth-api' },
  route: { httpRoute: 'auth-api', rule: 'api' },
  metrics: { prometheus: { address: 'http://prometheus' } },
});
if (reading.kind === 'invalid') throw new Error(reading.violations.join('; '));
const { matrix } = reading.spec;
const healthy = checkErrorRate(0, 1_000, matrix);

describe('few logins', () => {
  it('stop nobody when stable sees as few', () => {
    const logins = checkAuthFailures({ attempts: 1, failures: 0 }, { attempts: 19, failures: 0 }, matrix, 1);
    expect(logins.verdict).to.deep.equal({ kind: 'unknown', why: 'FewLogins' });
    expect(overallVerdict([healthy, logins])).to.deep.equal({ kind: 'pass' });
  });

  it('hold when stable says that the canary should have had enough', () => {
    const logins = checkAuthFailures({ attempts: 1, failures: 0 }, { attempts: 400, failures: 0 }, matrix, 21);
    expect(overallVerdict([healthy, logins])).to.deep.equal({ kind: 'unknown', why: 'TooLittleTraffic' });
  });

  it('never stand in for requests: an idle canary does not pass', () => {
    const idle = [checkErrorRate(0, 0, matrix), checkAuthFailures({ attempts: 0, failures: 0 }, undefined, matrix)];
    expect(overallVerdict(idle)).to.deep.equal({ kind: 'unknown', why: 'TooLittleTraffic' });
  });
});

describe('the severity of an error rate', () => {
  it('is P0 once the fault is proven and more than a twentieth fails, however few requests there were', () => {
    expect(checkErrorRate(4, 31, matrix).verdict).to.deep.equal({ kind: 'fail', severity: 'P0' });
  });

  it('stays P1 between the two limits, and is none without proof', () => {
    expect(checkErrorRate(30, 1_000, matrix).verdict).to.deep.equal({ kind: 'fail', severity: 'P1' });
    expect(checkErrorRate(1, 3, matrix).verdict).to.deep.equal({ kind: 'unknown', why: 'TooLittleTraffic' });
    expect(checkErrorRate(2, 30, matrix).verdict).to.deep.equal({ kind: 'fail', severity: 'P3' });
  });
});
