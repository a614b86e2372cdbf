import { expect } from 'chai';
import * as fc from 'fast-check';
import { DURATION_PATTERN, durationToMs, msToDuration } from '../../../../operator/src/core/duration.ts';
import { parseSpec } from '../../../../operator/src/core/spec.ts';
import { parseStatus } from '../../../../operator/src/core/status.ts';
import { worldAt } from '../../../support/operator-core/doing.ts';
import { SCHEDULE, specManifest } from '../../../support/operator-core/world.ts';

const violations = (change: object): string => {
  const reading = parseSpec(specManifest({ ...change }));
  return reading.kind === 'invalid' ? reading.violations.join('\n') : 'valid';
};

describe('the spec', () => {
  it("has the runbook's schedule and matrix when the manifest names none", () => {
    const { schedule: _schedule, ...shortest } = specManifest();
    const reading = parseSpec(shortest);
    if (reading.kind === 'invalid') throw new Error(reading.violations.join());
    const { schedule, matrix } = reading.spec;
    const minutes = schedule.map(({ weight, holdMs, checkEveryMs }) => [
      weight,
      holdMs / 60_000,
      checkEveryMs / 60_000,
    ]);
    expect(minutes).to.deep.equal([
      [5, 30, 1],
      [10, 30, 2],
      [25, 60, 5],
      [50, 120, 10],
      [100, 240, 15],
    ]);
    expect(matrix).to.deep.equal({
      confidence: 0.999,
      minRequests: 30,
      serviceDown: { p0Ms: 300_000 },
      errorRate: { p0: 0.05, p1: 0.01, p2: 0.005, p3: 0.001 },
      latencyP95: { p1Ms: 500, p2Ms: 300, p3Ms: 200 },
      authFailureRate: { p1: 0.05, minLogins: 10 },
      databaseErrors: { p1PerMinute: 10 },
      complaints: { p1: 5, p2: 3, windowMs: 300_000 },
      dataLoss: { p0: 1 },
    });
  });

  it('says what to change for each rule that the CRD also has', () => {
    const step = (weight: number, hold = '60s', checkEvery = '10s'): object => ({ weight, hold, checkEvery });
    expect(violations({ schedule: [step(10), step(5), step(100)] })).to.contain('make each weight greater');
    expect(violations({ schedule: [step(10), step(50)] })).to.contain('must end with weight 100');
    expect(violations({ schedule: [step(100, '5s', '10s')] })).to.contain('shorten checkEvery or lengthen hold');
    expect(violations({ schedule: [step(100, '5s', '10ms')] })).to.contain('set it to 1s or more');
    expect(violations({ schedule: Array.from({ length: 60 }, (_, index) => step(index + 1)) })).to.match(
      /spec\.schedule: .*20/,
    );
    expect(violations({ route: { httpRoute: 'api' } })).to.match(/spec\.route\.rule/);
    expect(violations({ stepz: 1 })).to.contain('stepz');
    expect(violations({ matrix: { errorRate: { p1: 0.9 } } })).to.contain('order the thresholds');
    expect(violations({ matrix: { latencyP95: { p2: '350ms' } } })).to.contain('use one of 5, 10');
    expect(violations({ matrix: { complaints: { p1: 2 } } })).to.contain('set p1 greater than p2');
  });

  it('keeps what can be used of an invalid manifest, so that a typo does not disarm the severe rules', () => {
    const reading = parseSpec(specManifest({ schedule: 'often', matrix: { errorRate: { p0: 0.5 } } }));
    if (reading.kind === 'valid') throw new Error('valid');
    expect(reading.usable?.targetName).to.equal('api');
    expect(reading.usable?.matrix.errorRate.p0).to.equal(0.5);
    expect(parseSpec({ spec: 1 })).to.deep.include({ kind: 'invalid', usable: undefined });
  });

  it('never throws', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 3 }), fc.jsonValue({ maxDepth: 3 }), (whole, part) => {
        parseSpec(whole);
        parseSpec(specManifest({ schedule: part, matrix: part }));
        parseStatus(whole);
        parseStatus({ phase: part, weight: part, conditions: part });
      }),
      { numRuns: 100 },
    );
  });
});

describe('a duration', () => {
  it('reads every text that the CRD takes', () => {
    expect(['1h30m', '90m', '500ms', '1m1s', '0s', '30', '', '-1s', '1h x'].map(durationToMs)).to.deep.equal([
      5_400_000, 5_400_000, 500, 61_000, 0, 0, 0, 0, 0,
    ]);
  });

  it('comes back as it was', () => {
    fc.assert(
      fc.property(fc.nat(1_000_000_000), (ms) => {
        expect(durationToMs(msToDuration(ms))).to.equal(ms);
        expect(msToDuration(ms)).to.match(DURATION_PATTERN);
      }),
      { numRuns: 200 },
    );
  });
});

describe('the status', () => {
  it('reads back every status that the core writes', () => {
    for (const { weight } of SCHEDULE) {
      const { status } = worldAt(weight);
      expect(parseStatus(JSON.parse(JSON.stringify(status)))).to.deep.equal(status);
    }
  });

  it('keeps the sound fields of a broken one, the condemned revisions above all', () => {
    const condemned = [{ revision: 'aaaaaaaaa2', reason: 'SeverityP0', at: '2030-01-01T00:00:00.000Z' }];
    expect(parseStatus({ phase: 'Nonsense', weight: 5, condemned })).to.deep.equal({ weight: 5, condemned });
  });
});
