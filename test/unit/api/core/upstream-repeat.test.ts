/** What is asked again, row by row of the table in core/upstream-repeat.ts. */
import { expect } from 'chai';
import { type Attempted, BUDGET_MS, waitBeforeNext } from '../../../../api/src/core/upstream-repeat.ts';

const FIRST: Attempted = {
  category: 'unreachable',
  attempt: 1,
  attempts: 3,
  elapsedMs: 0,
  isRepeatable: false,
  retryAfterSeconds: undefined,
  random: 0.5,
};
const isAgain = (change: Partial<Attempted>): boolean => waitBeforeNext({ ...FIRST, ...change }) !== undefined;

describe('a request to the auth service', () => {
  for (const category of ['unreachable', 'connect-timeout'] as const)
    it(`that was never sent (${category}) is sent again, whatever it is`, () => {
      expect(isAgain({ category })).to.equal(true);
    });

  for (const category of ['read-timeout', 'connection-lost', 'failed'] as const)
    it(`that may have been acted upon (${category}) is sent again only where a second time does what the first did`, () => {
      expect(isAgain({ category })).to.equal(false);
      expect(isAgain({ category, isRepeatable: true })).to.equal(true);
    });

  it('that was refused with a time is sent again when that is two seconds or less, whatever it is', () => {
    const category = 'unavailable';
    expect(isAgain({ category })).to.equal(false);
    expect(isAgain({ category, isRepeatable: true })).to.equal(true);
    expect(isAgain({ category, retryAfterSeconds: 2 })).to.equal(true);
    expect(isAgain({ category, retryAfterSeconds: 3, isRepeatable: true })).to.equal(false);
  });

  for (const category of [
    'answered',
    'answer-invalid',
    'breaker-open',
    'misconfigured',
    'rate-limited',
    'service-refused',
  ] as const)
    it(`that came to ${category} is never sent again`, () => {
      expect(isAgain({ category, isRepeatable: true, retryAfterSeconds: 0 })).to.equal(false);
    });

  it('waits longer each time, never shorter than it was told, and never all pods alike', () => {
    expect(waitBeforeNext(FIRST)).to.equal(100);
    expect(waitBeforeNext({ ...FIRST, attempt: 2 })).to.equal(200);
    expect(waitBeforeNext({ ...FIRST, random: 0 })).to.equal(50);
    expect(waitBeforeNext({ ...FIRST, random: 1 })).to.equal(150);
    expect(waitBeforeNext({ ...FIRST, category: 'unavailable', retryAfterSeconds: 1 })).to.equal(1_000);
  });

  it('ends with its last attempt, and begins none after eight seconds', () => {
    expect(isAgain({ attempt: 3 })).to.equal(false);
    expect(isAgain({ attempts: 1 })).to.equal(false);
    expect(isAgain({ elapsedMs: BUDGET_MS - 100 })).to.equal(true);
    expect(isAgain({ elapsedMs: BUDGET_MS - 99 })).to.equal(false);
  });
});
