import { expect } from 'chai';
import { growthOf } from '../../../load/growth.ts';

const samples = (mbAt: (atS: number) => number, seconds = 90) =>
  Array.from({ length: seconds }, (_, atS) => ({ atMs: atS * 1000, mb: mbAt(atS) }));

describe('the growth of memory', () => {
  it('is what a leak adds after the warm-up', () => {
    expect(growthOf(samples((atS) => 100 + atS / 2))).to.be.closeTo(29.5, 0.5);
  });

  it('is none where memory rose in the warm-up alone', () => {
    expect(growthOf(samples((atS) => Math.min(125, 100 + atS)))).to.be.closeTo(0, 0.01);
  });

  it('is none where collections make it rise and fall', () => {
    expect(growthOf(samples((atS) => 120 + (atS % 10)))).to.be.within(-2, 2);
  });

  it('is unknown of too few samples, and of samples of one moment', () => {
    expect(growthOf([])).to.equal(undefined);
    expect(growthOf(samples(() => 100, 5))).to.equal(undefined);
    expect(growthOf(Array.from({ length: 9 }, () => ({ atMs: 0, mb: 100 })))).to.equal(undefined);
  });
});
