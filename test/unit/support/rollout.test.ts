import { expect } from 'chai';
import { forbiddenRises } from '../../support/rollout.ts';

const written = (weight: number, stepIndex: number, given: { revision?: string; decision?: string } = {}) => ({
  atMs: 0,
  weight,
  write: JSON.stringify({
    weight,
    stepIndex,
    revision: 'a',
    decision: 'advance',
    reason: 'Advanced',
    at: '',
    ...given,
  }),
});
const watched = { schedule: [5, 25, 100] };

describe('the watcher of weights', () => {
  it('accepts a rise from step to step, a fall to anywhere, and a step entered again', () => {
    const weights = [written(0, 0), written(5, 0), written(25, 1), written(5, 0), written(25, 1), written(0, 1)];
    expect(forbiddenRises(weights, watched)).to.deep.equal([]);
  });

  it('accepts that a reduced weight goes on with the next step', () => {
    expect(forbiddenRises([written(5, 0), written(25, 1), written(7, 1), written(100, 2)], watched)).to.deep.equal([]);
  });

  it('refuses a rise that leaves out a step', () => {
    expect(forbiddenRises([written(5, 0), written(100, 2)], watched)).to.have.length(1);
  });

  it('refuses a rise to a weight that is not its step', () => {
    expect(forbiddenRises([written(5, 0), written(20, 1)], watched)).to.have.length(1);
  });

  it('refuses a rise for a revision that was rolled back, and accepts the next revision', () => {
    const rolledBack = [written(5, 0), written(0, 0, { decision: 'rollback' })];
    expect(forbiddenRises([...rolledBack, written(5, 0)], watched)).to.have.length(1);
    expect(forbiddenRises([...rolledBack, written(5, 0, { revision: 'b' })], watched)).to.deep.equal([]);
  });

  it('refuses a rise that the operator did not write, unless the test did it', () => {
    const weights = [written(5, 0), { ...written(5, 0), weight: 50 }];
    expect(forbiddenRises(weights, watched)).to.have.length(1);
    expect(forbiddenRises(weights, { ...watched, edited: [50] })).to.deep.equal([]);
  });
});
