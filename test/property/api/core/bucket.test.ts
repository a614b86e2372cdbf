/** Feature flags by share: the same for ever, even, and growing only. */
import { expect } from 'chai';
import * as fc from 'fast-check';
import { bucketOf, isReached } from '../../../../api/src/core/bucket.ts';

const percentage = fc.integer({ min: 0, max: 100 });

describe('buckets', () => {
  it('whom a percentage reaches, every higher one reaches too', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), percentage, percentage, (flag, id, a, b) => {
        const [low, high] = a < b ? [a, b] : [b, a];
        if (isReached(flag, id, low)) expect(isReached(flag, id, high)).to.equal(true);
      }),
    );
  });

  it('0 reaches nobody, 100 everybody', () => {
    fc.assert(
      fc.property(fc.string(), fc.uuid(), (flag, id) => {
        expect([isReached(flag, id, 0), isReached(flag, id, 100)]).to.deep.equal([false, true]);
      }),
    );
  });

  it('are even to a tenth, also for ids that differ in one digit', () => {
    const counts = Array.from({ length: 100 }, () => 0);
    for (let n = 0; n < 100_000; n += 1) {
      const bucket = bucketOf('flag', `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`);
      counts[bucket] = (counts[bucket] ?? 0) + 1;
    }
    expect(Math.min(...counts)).to.be.above(850);
    expect(Math.max(...counts)).to.be.below(1150);
  });

  it('are the same in every release: a changed hash would switch users back and forth in a rollout', () => {
    const ids = ['a', 'b', '11111111-1111-4111-8111-111111111111', 'ö€😀'];
    expect(ids.map((id) => bucketOf('auth_rollout', id))).to.deep.equal([71, 44, 2, 26]);
  });

  it('of two flags have nothing to do with each other', () => {
    let both = 0;
    for (let n = 0; n < 10_000; n += 1) if (isReached('x', `${n}`, 10) && isReached('y', `${n}`, 10)) both += 1;
    expect(both).to.be.within(60, 145); // 1 % of 10,000, four standard deviations
  });
});
