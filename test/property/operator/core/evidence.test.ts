import { expect } from 'chai';
import * as fc from 'fast-check';
import { lowerBound, provesAbove, upperBound } from '../../../../operator/src/core/evidence.ts';

const CONFIDENCE = 0.999;

describe('evidence', () => {
  it('agrees with the exact binomial interval', () => {
    // Clopper-Pearson, from tables: 50 of 100 at 97.5 % one-sided is 0.3983–0.6017.
    expect(lowerBound(50, 100, 0.975)).to.be.closeTo(0.3983, 1e-4);
    expect(upperBound(50, 100, 0.975)).to.be.closeTo(0.6017, 1e-4);
    // All of n: the lower bound is α^(1/n).
    expect(lowerBound(20, 20, 0.999)).to.be.closeTo(0.001 ** (1 / 20), 1e-6);
    expect(upperBound(0, 100, 0.95)).to.be.closeTo(1 - 0.05 ** (1 / 100), 1e-6);
  });

  it('does not call one error in three requests a rate above 5 %', () => {
    expect(provesAbove(1, 3, 0.05, CONFIDENCE)).to.equal(false);
  });

  it('calls half of twenty requests a rate above 5 %', () => {
    expect(provesAbove(10, 20, 0.05, CONFIDENCE)).to.equal(true);
  });

  it('proves nothing from nothing', () => {
    expect(provesAbove(0, 1_000_000, 0.001, CONFIDENCE)).to.equal(false);
    expect(provesAbove(0, 0, 0.001, CONFIDENCE)).to.equal(false);
    expect([lowerBound(0, 0, CONFIDENCE), upperBound(0, 0, CONFIDENCE)]).to.deep.equal([0, 1]);
  });

  it('asks for more than the threshold, and for less the more requests there are', () => {
    const needed = (requests: number): number => {
      for (let bad = 1; bad <= requests; bad += 1) if (provesAbove(bad, requests, 0.01, CONFIDENCE)) return bad;
      return requests + 1;
    };
    expect([20, 40, 100, 1_000, 10_000].map(needed)).to.deep.equal([4, 4, 6, 22, 133]);
  });

  it('never proves more with fewer failures or a higher threshold, and never throws', () => {
    // Tenths: PromQL's increase gives fractions, but no denormal numbers.
    const amount = fc.nat(1_000_000).map((tenths) => tenths / 10);
    fc.assert(
      fc.property(
        amount,
        amount,
        fc.nat(1_000).map((mille) => mille / 1_000),
        (bad, total, threshold) => {
          if (!provesAbove(bad, total, threshold, CONFIDENCE)) return;
          expect(provesAbove(bad + 1, total + 1, threshold, CONFIDENCE)).to.equal(true);
          expect(provesAbove(bad, total, threshold / 2, CONFIDENCE)).to.equal(true);
          expect(bad / total).to.be.greaterThan(threshold);
        },
      ),
      { numRuns: 500 },
    );
  });
});
