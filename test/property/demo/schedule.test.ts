import { expect } from 'chai';
import { double, assert as holdsFor, property } from 'fast-check';
import { demoSchedule } from '../../../k8s/demo/schedule.ts';

const seconds = (text: string): number => Number(/^(\d+)s$/.exec(text)?.[1]);

describe('the schedule of the demo', () => {
  it("has the runbook's weights with about ten seconds for an hour", () => {
    expect(demoSchedule(1)).to.deep.equal([
      { weight: 5, hold: '5s', checkEvery: '1s' },
      { weight: 10, hold: '5s', checkEvery: '1s' },
      { weight: 25, hold: '10s', checkEvery: '2s' },
      { weight: 50, hold: '20s', checkEvery: '3s' },
      { weight: 100, hold: '30s', checkEvery: '5s' },
    ]);
  });

  it('never has an interval below a second or a check that comes after its hold, at any pace', () => {
    holdsFor(
      property(double({ min: 0.001, max: 1000, noNaN: true }), (pace) => {
        for (const step of demoSchedule(pace)) {
          expect(seconds(step.checkEvery)).to.be.at.least(1);
          expect(seconds(step.hold)).to.be.at.least(seconds(step.checkEvery));
        }
      }),
    );
  });
});
