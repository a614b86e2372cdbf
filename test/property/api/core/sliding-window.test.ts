/** The arithmetic of the limits, without clock or store. */
import { expect } from 'chai';
import * as fc from 'fast-check';
import {
  BUCKETS,
  backoffMs,
  bucketAt,
  bucketMs,
  type Counts,
  roomInMs,
  sumOf,
} from '../../../../api/src/core/sliding-window.ts';

const policy = { limit: 10, windowMs: 60_000 };

/** Hits by age, at a later time: what `cache/limit-memory.ts` does with its rings. */
const countsAt = (hitTimesMs: readonly number[], nowMs: number): Counts =>
  Array.from(
    { length: BUCKETS + 1 },
    (_, age) => hitTimesMs.filter((atMs) => bucketAt(policy, atMs) === bucketAt(policy, nowMs) - age).length,
  );

describe('a sliding window', () => {
  it('admits at most the limit in any interval of its length, and room comes back when it says', () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 20_000 }), { maxLength: 200 }), (gapsMs) => {
        const admitted: number[] = [];
        let nowMs = 1_700_000_000_000;
        for (const gapMs of gapsMs) {
          nowMs += gapMs;
          const counts = countsAt(admitted, nowMs);
          if (sumOf(counts) < policy.limit) admitted.push(nowMs);
          else {
            const roomMs = roomInMs(counts, policy, nowMs);
            expect(roomMs).to.be.within(0, policy.windowMs + bucketMs(policy));
            expect(sumOf(countsAt(admitted, nowMs + roomMs - 1))).to.equal(policy.limit);
            expect(sumOf(countsAt(admitted, nowMs + roomMs))).to.be.below(policy.limit);
          }
        }
        admitted.forEach((startMs, index) => {
          const inWindow = admitted.slice(index).filter((atMs) => atMs < startMs + policy.windowMs);
          expect(inWindow.length).to.be.at.most(policy.limit);
        });
      }),
    );
  });

  it('gives room back at most a tenth of the window later than an exact log would', () => {
    fc.assert(
      fc.property(fc.nat({ max: 59_999 }), (offsetMs) => {
        const startMs = 1_700_000_040_000 + offsetMs;
        const admitted = Array.from({ length: policy.limit }, () => startMs);
        const roomMs = roomInMs(countsAt(admitted, startMs), policy, startMs);
        expect(roomMs).to.be.within(policy.windowMs, policy.windowMs * (1 + 1 / BUCKETS));
      }),
    );
  });

  it('holds back longer with every strike, without one not at all, and never longer than eight windows', () => {
    expect([0, 1, 2, 3, 4, 5, 60].map((strikes) => backoffMs(strikes, policy) / policy.windowMs)).to.deep.equal([
      0, 1, 2, 4, 8, 8, 8,
    ]);
  });
});
