/** Attempt budgets: how failures add up, when a budget closes and opens, and what parallel guesses are worth. */
import { expect } from 'chai';
import * as fc from 'fast-check';
import { type Budget, type BudgetRules, isBlocked, rule } from '../../../../api/src/core/guessing.ts';

const MINUTE = 60_000;
const RULES: BudgetRules = {
  maxFailures: 5,
  lockMs: 30 * MINUTE,
  maxLockMs: 1_440 * MINUTE,
  backoffMs: 1_000,
  drains: false,
};
const START = 1_800_000_000_000;
const FRESH: Budget = { failures: 0, lockouts: 0, lastAttemptAtMs: START, blockedUntilMs: undefined };

interface Step {
  readonly isRight: boolean;
  readonly afterMs: number;
}

interface Walk {
  readonly budget: Budget;
  readonly nowMs: number;
  readonly kinds: readonly string[];
}

const walk = (steps: readonly Step[], rules = RULES, from: Budget = FRESH): Walk =>
  steps.reduce<Walk>(
    ({ budget, nowMs, kinds }, { isRight, afterMs }) => {
      const ruling = rule(budget, isRight, { rules, nowMs: nowMs + afterMs });
      const next = ruling.kind === 'accepted' ? { ...FRESH, lastAttemptAtMs: nowMs + afterMs } : ruling.next;
      return { budget: next, nowMs: nowMs + afterMs, kinds: [...kinds, ruling.kind] };
    },
    { budget: from, nowMs: Math.max(START, from.lastAttemptAtMs), kinds: [] },
  );

const wrong = (count: number, afterMs = 0): readonly Step[] =>
  Array.from({ length: count }, () => ({ isRight: false, afterMs }));
const right = (afterMs = 0): Step => ({ isRight: true, afterMs });
const closeBudget = (): Walk => walk(wrong(5));

describe('an attempt budget', () => {
  it('Property 7: closes at the fifth failure in a row, for exactly 30 minutes', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 * 30 * MINUTE }), fc.integer({ min: 1, max: 12 }), (waitMs, failures) => {
        const { budget, nowMs } = walk(wrong(failures));
        const { kind } = rule(budget, true, { rules: { ...RULES, backoffMs: 0 }, nowMs: nowMs + waitMs });
        const isLocked = failures >= 5 && waitMs < 30 * MINUTE;
        const isWaiting = failures < 5 && isBlocked(budget, nowMs + waitMs);
        expect(kind).to.equal(isLocked || isWaiting ? 'refused' : 'accepted');
      }),
    );
  });

  it('waits 0, 1, 2 and 4 seconds after the first four failures, and refuses even the right password until then', () => {
    const waits = [1, 2, 3, 4].map((failures) => {
      const { budget, nowMs } = walk(wrong(failures));
      return (budget.blockedUntilMs ?? nowMs) - nowMs;
    });
    expect(waits).to.deep.equal([0, 1_000, 2_000, 4_000]);
    expect(walk([...wrong(3), right(1_999)]).kinds.at(-1)).to.equal('refused');
    expect(walk([...wrong(3), right(2_000)]).kinds.at(-1)).to.equal('accepted');
  });

  it('counts a wrong try during a wait, so that five fast ones close it too', () => {
    expect(closeBudget().budget).to.include({ failures: 5, lockouts: 1, blockedUntilMs: START + 30 * MINUTE });
  });

  it('is not kept closed by trying on', () => {
    const closed = closeBudget();
    const { budget, kinds } = walk(wrong(100, 10_000), RULES, closed.budget);
    expect([new Set(kinds), budget.blockedUntilMs]).to.deep.equal([new Set(['refused']), START + 30 * MINUTE]);
  });

  it('opens afresh, but closes for twice as long each time in a row, a day at most', () => {
    let { budget } = closeBudget();
    const lengths: number[] = [];
    for (let round = 0; round < 8; round += 1) {
      const openedMs = budget.blockedUntilMs ?? 0;
      for (let failure = 0; failure < 5; failure += 1) {
        const ruling = rule(budget, false, { rules: RULES, nowMs: openedMs });
        if (ruling.kind !== 'failed') throw new Error(ruling.kind);
        budget = ruling.next;
      }
      lengths.push(((budget.blockedUntilMs ?? 0) - openedMs) / MINUTE);
    }
    expect(lengths).to.deep.equal([60, 120, 240, 480, 960, 1_440, 1_440, 1_440]);
  });

  it('forgets failures after a quiet lock time, and closings after a quiet day', () => {
    expect(walk([...wrong(4), ...wrong(1, 31 * MINUTE)]).budget.failures).to.equal(1);
    const closed = closeBudget();
    expect(walk(wrong(1, 1_441 * MINUTE + 30 * MINUTE), RULES, closed.budget).budget.lockouts).to.equal(0);
    expect(walk(wrong(1, 31 * MINUTE), RULES, closed.budget).budget.lockouts).to.equal(1);
  });

  it('tells apart at most five guesses of any number, in any order, before it opens again (CVE-2025-64102)', () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { maxLength: 60 }), (guesses) => {
        const { kinds } = walk(
          guesses.map((isRight) => ({ isRight, afterMs: 0 })),
          { ...RULES, backoffMs: 0 },
        );
        const untilAccepted = kinds.includes('accepted') ? kinds.slice(0, kinds.indexOf('accepted')) : kinds;
        expect(untilAccepted.filter((kind) => kind === 'failed').length).to.be.at.most(5);
        expect(untilAccepted.slice(5).every((kind) => kind === 'refused')).to.equal(true);
      }),
    );
  });

  it('never counts down, never accepts a wrong guess, and never blocks for longer than a day', () => {
    const steps = fc.array(fc.record({ isRight: fc.boolean(), afterMs: fc.integer({ min: 0, max: 90 * MINUTE }) }), {
      maxLength: 60,
    });
    fc.assert(
      fc.property(steps, (taken) => {
        const { budget, nowMs, kinds } = walk(taken);
        taken.forEach(({ isRight }, index) => expect(isRight || kinds[index] !== 'accepted').to.equal(true));
        expect((budget.blockedUntilMs ?? nowMs) - nowMs).to.be.at.most(RULES.maxLockMs);
      }),
    );
  });
});

describe("a client address's budget", () => {
  const rules: BudgetRules = {
    maxFailures: 100,
    lockMs: 30 * MINUTE,
    maxLockMs: 30 * MINUTE,
    backoffMs: 0,
    drains: true,
  };

  it('drains, so that many people behind one address may err now and then for ever', () => {
    expect(walk(wrong(2_000, 18_000), rules).budget.failures).to.be.at.most(2);
    expect(walk(wrong(2_000, 17_000), rules).kinds).to.include('failed');
  });

  it('closes for a lock time when a hundred failures come fast', () => {
    const { budget, nowMs } = walk(wrong(100, 100), rules);
    expect(isBlocked(budget, nowMs + 30 * MINUTE - 1)).to.equal(true);
    expect(isBlocked(budget, nowMs + 30 * MINUTE)).to.equal(false);
  });
});
