/** The arithmetic of evidence against values that were computed apart from it: the binomial's sums, term by term, and the formulas of ADR 13. */
import { expect } from 'chai';
import { lowerBound, provesAbove, upperBound } from '../../../../operator/src/core/evidence.ts';
import {
  type EProcess,
  emptyProcess,
  eValue,
  overLimit,
  type Tally,
  weigh,
  worseThan,
} from '../../../../operator/src/core/sequential.ts';
import { parseSpec } from '../../../../operator/src/core/spec.ts';
import { errorsIn, loginsIn, slowIn } from '../../../../operator/src/core/tally.ts';
import {
  evidenceOf,
  isProven,
  isSlowBlock,
  lookConfidence,
  newTrial,
  observeTrial,
} from '../../../../operator/src/core/trial.ts';
import type { Counts } from '../../../../operator/src/core/window.ts';
import { counts } from '../../../support/operator-core/counting.ts';
import { specManifest } from '../../../support/operator-core/world.ts';

const reading = parseSpec(specManifest());
if (reading.kind === 'invalid') throw new Error('spec');
const { matrix } = reading.spec;

const close = (found: readonly number[], expected: readonly number[], within = 5e-6): void => {
  expect(found.length).to.equal(expected.length);
  for (const [index, number] of expected.entries()) expect(found[index]).to.be.closeTo(number, within);
};

describe('the exact interval of a share', () => {
  const TABLE: readonly (readonly [bad: number, total: number, confidence: number, lower: number, upper: number])[] = [
    [1, 30, 0.95, 0.0017083156445, 0.1485960686591],
    [3, 20, 0.999, 0.0099875809984, 0.5087293739733],
    [5, 7, 0.9, 0.403820272152, 0.9211765538399],
    [5, 7, 0.2, 0.7716735356502, 0.62913848307],
    [60, 80, 0.999, 0.5774700362971, 0.8801359048381],
    [60, 80, 0.4, 0.7549365540755, 0.7429084636279],
    [400, 1_000, 0.95, 0.3742608818457, 0.4261765866647],
    [22, 1_000, 0.999, 0.0103437594746, 0.0403199580124],
    [22, 1_000, 0.3, 0.0241590341344, 0.0202823490157],
    [999, 1_000, 0.99, 0.9933803316044, 0.9999899497147],
    [133, 10_000, 0.999, 0.0100349472406, 0.0172295105268],
  ];
  for (const [bad, total, confidence, lower, upper] of TABLE)
    it(`of ${bad} in ${total} at ${confidence} is the sum of the binomial's tails`, () => {
      close([lowerBound(bad, total, confidence), upperBound(bad, total, confidence)], [lower, upper], 1e-11);
      expect(provesAbove(bad, total, lower * 0.999_999, confidence)).to.equal(true);
      expect(provesAbove(bad, total, lower * 1.000_001, confidence)).to.equal(false);
    });

  it('counts no more bad than there are, and proves nothing above a whole', () => {
    expect(lowerBound(30, 20, 0.999)).to.equal(lowerBound(20, 20, 0.999));
    expect(upperBound(30, 20, 0.999)).to.equal(1);
    expect([provesAbove(20, 20, 1, 0.999), provesAbove(30, 20, 0.5, 0.999)]).to.deep.equal([false, true]);
  });

  it('proves any limit of 0 by one bad answer', () => {
    expect(provesAbove(1, 1_000_000, 0, 0.999)).to.equal(true);
  });

  it('needs something of which something is bad', () => {
    expect([provesAbove(0, 10, 0, 0.9), provesAbove(1, 0, 0, 0.9), lowerBound(0, 10, 0.9)]).to.deep.equal([
      false,
      false,
      0,
    ]);
    expect([lowerBound(1, 0, 0.9), upperBound(0, 0, 0.9), upperBound(1, 0, 0.9)]).to.deep.equal([0, 1, 1]);
  });
});

describe('the e-process', () => {
  const after = (blocks: readonly Tally[]): EProcess =>
    blocks.reduce((process, tally) => weigh(process, overLimit(tally, 0.01)), emptyProcess);

  it('weighs a block against its limit by the odds of each alternative', () => {
    close(overLimit({ bad: 3, total: 40 }, 0.01), [1.681428, 2.976531, 3.531979, -0.403878, -18.235102, -75.949135]);
    close(overLimit({ bad: 0, total: 10 }, 0.05), [-0.487902, -1.397619, -3.001046, -9.360934, -19.947003, -39.541242]);
  });

  it('weighs the canary against stable, of which it expects what it did before, within bounds', () => {
    const canary = { bad: 3, total: 40 };
    close(
      worseThan(canary, { bad: 1, total: 400 }, { bad: 20, total: 4_000 }),
      [2.631187, 4.55258, 5.092704, 3.540521, -25.464774],
    );
    const one = { bad: 1, total: 10 };
    close(
      worseThan(one, { bad: 0, total: 100 }, { bad: 0, total: 0 }),
      [0.931819, 1.708043, 2.125326, 2.340324, 1.212364],
    );
    close(
      worseThan(one, { bad: 9, total: 10 }, { bad: 900, total: 1_000 }),
      [-5.187474, -12.913412, -21.538186, -31.867602, -52.384798],
    );
  });

  it('learns nothing from one track alone', () => {
    const some = { bad: 1, total: 10 };
    const none = { bad: 0, total: 0 };
    expect(worseThan(some, none, none)).to.deep.equal([0, 0, 0, 0, 0]);
    expect(worseThan(none, some, none)).to.deep.equal([0, 0, 0, 0, 0]);
  });

  it('begins at 1, loses a little while nothing is bad, gains by what is, and never all by health after it', () => {
    const blocks = [0, 2, 5, 0].map((bad) => ({ bad, total: 40 }));
    const values = [0, 1, 2, 3, 4].map((count) => eValue(after(blocks.slice(0, count))));
    close(values.slice(0, 3), [1, 0.803009, 1.019015]);
    close(values.slice(3), [297.320004, 34.142313], 1e-4);
  });

  it('stays a number however long a fault lasts', () => {
    const process = after(Array.from({ length: 40 }, () => ({ bad: 40, total: 40 })));
    expect([Math.max(...process.capitals), process.looks]).to.deep.equal([1e100, 40]);
    expect(eValue(process)).to.be.within(1e99, 1e101);
  });
});

describe('what is bad of the counts', () => {
  it('is never more than there is, nor less than nothing', () => {
    expect(errorsIn(counts({ requests: 3, serverErrors: 5 }))).to.deep.equal({ bad: 3, total: 3 });
    expect(errorsIn(counts({ requests: -3, serverErrors: -5 }))).to.deep.equal({ bad: 0, total: 0 });
    expect(loginsIn(counts({ logins: 9, loginFailures: 4 }))).to.deep.equal({ bad: 4, total: 9 });
  });

  it('is slower than a bound only where the bound is counted', () => {
    const seen = counts({ requests: 10, fasterThan: { '500ms': 7 } });
    expect(slowIn(seen, 500)).to.deep.equal({ bad: 3, total: 10 });
    expect(slowIn(seen, 300)).to.deep.equal({ bad: 0, total: 10 });
  });
});

describe('the trial of a step', () => {
  const NONE = counts();
  const gain = (canary: Partial<Counts>, stable: Partial<Counts> = {}) => ({
    canary: counts(canary),
    stable: counts(stable),
  });
  const slow = (requests: number, faster: number): Partial<Counts> => ({
    requests,
    fasterThan: { '500ms': faster, '300ms': faster, '200ms': faster },
  });

  it('weighs errors against the limit of P1 and against stable of earlier seconds', () => {
    const first = observeTrial(newTrial, gain({ requests: 10 }, { requests: 4_000, serverErrors: 20 }), matrix);
    const second = observeTrial(
      first,
      gain({ requests: 40, serverErrors: 3 }, { requests: 400, serverErrors: 1 }),
      matrix,
    );
    const before = { bad: 20, total: 4_000 };
    expect(second.errors.stableBefore).to.deep.equal({ bad: 21, total: 4_400 });
    expect(second.errors.over).to.deep.equal(weigh(first.errors.over, overLimit({ bad: 3, total: 40 }, 0.01)));
    expect(second.errors.worse).to.deep.equal(
      weigh(first.errors.worse, worseThan({ bad: 3, total: 40 }, { bad: 1, total: 400 }, before)),
    );
    expect(second.logins).to.deep.equal(newTrial.logins);
    expect(evidenceOf(second).errorRate).to.deep.equal({
      over: eValue(second.errors.over),
      worse: eValue(second.errors.worse),
    });
  });

  it('weighs logins against their own limit', () => {
    const after = observeTrial(newTrial, gain({ logins: 20, loginFailures: 9 }, { logins: 30 }), matrix);
    expect(after.logins.over).to.deep.equal(weigh(emptyProcess, overLimit({ bad: 9, total: 20 }, 0.05)));
    expect(evidenceOf(after).authFailureRate.over).to.equal(eValue(after.logins.over));
    expect(evidenceOf(after).authFailureRate.worse).to.equal(eValue(after.logins.worse));
  });

  it('has no look in a second without requests, but learns what stable does', () => {
    const after = observeTrial(newTrial, gain({}, { requests: 100, serverErrors: 2 }), matrix);
    expect(after.errors).to.deep.equal({ ...newTrial.errors, stableBefore: { bad: 2, total: 100 } });
  });

  it('weighs nothing against a limit that everything or nothing is above', () => {
    for (const p1 of [0, 1]) {
      const { errors } = observeTrial(newTrial, gain({ requests: 40, serverErrors: 40 }), {
        ...matrix,
        errorRate: { ...matrix.errorRate, p1 },
      });
      expect([errors.over.looks, errors.worse.looks]).to.deep.equal([0, 1]);
    }
  });

  it('looks at latency once a block has twenty requests of the canary, and begins another', () => {
    const nineteen = observeTrial(newTrial, gain(slow(19, 0), slow(5, 5)), matrix);
    expect(nineteen.slow).to.deep.equal(newTrial.slow);
    expect(nineteen.block).to.deep.equal({
      canary: { requests: 19, slowP1: 19, slowP2: 19 },
      stable: { requests: 5, slowP1: 0, slowP2: 0 },
    });
    const twenty = observeTrial(nineteen, gain({ requests: 1, fasterThan: { '500ms': 1, '300ms': 0 } }), matrix);
    const slowOne = weigh(emptyProcess, overLimit({ bad: 1, total: 1 }, 0.1));
    expect(twenty.slow).to.deep.equal({ p1: slowOne, p2: slowOne });
    expect(twenty.block).to.deep.equal(newTrial.block);
    expect(evidenceOf(twenty).latencyP95).to.deep.equal({ p1: eValue(slowOne), p2: eValue(slowOne) });
  });

  it('tells slow by the bound of P1 from slow by that of P2', () => {
    const { slow: found } = observeTrial(
      newTrial,
      { canary: counts({ requests: 40, fasterThan: { '500ms': 40, '300ms': 10 } }), stable: NONE },
      matrix,
    );
    expect(found.p1).to.deep.equal(weigh(emptyProcess, overLimit({ bad: 0, total: 1 }, 0.1)));
    expect(found.p2).to.deep.equal(weigh(emptyProcess, overLimit({ bad: 1, total: 1 }, 0.1)));
  });

  it('calls a block slow when more than 5 % are, or more than of stable when that is slow as well', () => {
    const of = (bad: number, total: number): Tally => ({ bad, total });
    expect([isSlowBlock(of(2, 20), of(0, 0)), isSlowBlock(of(4, 20), of(0, 0))]).to.deep.equal([false, true]);
    // Stable's 30 % may be anything up to 58 %, and ten requests of it count.
    expect([isSlowBlock(of(12, 20), of(3, 10)), isSlowBlock(of(17, 20), of(3, 10))]).to.deep.equal([false, true]);
    expect([isSlowBlock(of(4, 20), of(9, 9)), isSlowBlock(of(20, 20), of(10, 10))]).to.deep.equal([true, false]);
    expect(isSlowBlock(of(4, 20), of(1, 20)), 'stable has 5 %, no more').to.equal(true);
  });

  it('shares the bound on false alarms between six processes and a thousand looks', () => {
    expect([isProven(12_000, matrix), isProven(11_999, matrix)]).to.deep.equal([true, false]);
    expect(lookConfidence(matrix)).to.be.closeTo(1 - 0.001 / 2_000, 1e-12);
  });
});
