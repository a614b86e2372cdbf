import { expect } from 'chai';
import * as fc from 'fast-check';
import {
  emptyProcess,
  eValue,
  overLimit,
  type Tally,
  weigh,
  worseThan,
} from '../../../../operator/src/core/sequential.ts';
import { isSlowBlock } from '../../../../operator/src/core/trial.ts';

/** P(X = bad) for X binomial(total, rate). */
function chance({ bad, total }: Tally, rate: number): number {
  let ways = 1;
  for (let index = 0; index < bad; index += 1) ways *= (total - index) / (index + 1);
  return ways * rate ** bad * (1 - rate) ** (total - bad);
}

const outcomes = (total: number): readonly Tally[] => Array.from({ length: total + 1 }, (_, bad) => ({ bad, total }));

const rate = fc.integer({ min: 0, max: 1_000 }).map((mille) => mille / 1_000);
const size = fc.integer({ min: 1, max: 12 });

describe('an e-process', () => {
  it('is not expected to grow while the rate is at most the limit', () => {
    fc.assert(
      fc.property(size, fc.integer({ min: 1, max: 900 }), rate, (total, mille, part) => {
        const limit = mille / 1_000;
        for (const [index] of overLimit({ bad: 0, total }, limit).entries()) {
          const expected = outcomes(total).reduce(
            (sum, tally) => sum + chance(tally, limit * part) * Math.exp(overLimit(tally, limit)[index] ?? 0),
            0,
          );
          expect(expected).to.be.at.most(1 + 1e-9);
        }
      }),
    );
  });

  it('is not expected to grow while the canary is no worse than stable, whatever stable did before', () => {
    fc.assert(
      fc.property(
        fc.tuple(size, size),
        rate,
        rate,
        fc.nat(500),
        ([canaryTotal, stableTotal], stableRate, part, seen) => {
          const before = { bad: seen, total: 1_000 };
          const canaryRate = stableRate * part;
          for (let index = 0; index < 5; index += 1) {
            let expected = 0;
            for (const canary of outcomes(canaryTotal)) {
              for (const stable of outcomes(stableTotal)) {
                const ratio = Math.exp(worseThan(canary, stable, before)[index] ?? 0);
                expected += chance(canary, canaryRate) * chance(stable, stableRate) * ratio;
              }
            }
            expect(expected).to.be.at.most(1 + 1e-9);
          }
        },
      ),
    );
  });

  it('begins at 1, never gives out more than it was given, and stays a number', () => {
    expect(eValue(emptyProcess)).to.equal(1);
    const process = Array.from({ length: 1_000 }).reduce<typeof emptyProcess>(
      (before) => weigh(before, [0, 0]),
      emptyProcess,
    );
    expect(eValue(process)).to.be.closeTo(1, 1e-9);
    const rich = Array.from({ length: 500 }).reduce<typeof emptyProcess>((before) => weigh(before, [50]), emptyProcess);
    expect(eValue(rich)).to.be.within(1e99, 1e101);
  });

  it('forgets health quickly: a fault after a day needs a few failures more than one at once', () => {
    const needed = (healthyLooks: number): number => {
      let process = emptyProcess;
      for (let look = 0; look < healthyLooks; look += 1)
        process = weigh(process, overLimit({ bad: 0, total: 40 }, 0.01));
      for (let failures = 1; failures < 100; failures += 1) {
        process = weigh(process, overLimit({ bad: 1, total: 2 }, 0.01));
        if (eValue(process) >= 12_000) return failures;
      }
      return 100;
    };
    expect([needed(0), needed(86_400)]).to.deep.equal([4, 9]);
  });

  it('compares nothing when one track has no requests', () => {
    const nobody = { bad: 0, total: 0 };
    expect(new Set(worseThan({ bad: 9, total: 9 }, nobody, nobody))).to.deep.equal(new Set([0]));
  });
});

describe('a slow block', () => {
  it('is found in at most a tenth of the blocks of a canary that is not slower than 5 %, or than stable', () => {
    for (const stableTotal of [0, 10, 20, 60]) {
      for (const share of [0.01, 0.05, 0.08, 0.15, 0.3, 0.5]) {
        const canaryShare = stableTotal === 0 ? Math.min(share, 0.05) : share;
        let found = 0;
        for (const canary of outcomes(20)) {
          for (const stable of outcomes(stableTotal)) {
            if (isSlowBlock(canary, stable)) found += chance(canary, canaryShare) * chance(stable, share);
          }
        }
        expect(found, `${stableTotal} requests of stable, ${share} slow`).to.be.at.most(0.1);
      }
    }
  });
});
