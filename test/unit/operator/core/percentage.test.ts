import { expect } from 'chai';
import { percentageOf } from '../../../../operator/src/core/percentage.ts';
import { PHASES } from '../../../../operator/src/core/status.ts';

describe('percentageOf', () => {
  it('is the weight while a run is under way or was taken back, and 100 where one revision serves everybody', () => {
    const at = (weight?: number) => Object.fromEntries(PHASES.map((phase) => [phase, percentageOf({ phase, weight })]));
    const everybody = { Initializing: 100, Promoting: 100, Succeeded: 100 };
    expect(at(25)).to.deep.equal({ ...everybody, Progressing: 25, Zeroed: 25, RolledBack: 25 });
    expect(at()).to.deep.equal({ ...everybody, Progressing: 0, Zeroed: 0, RolledBack: 0 });
  });

  it('is not known before the first status', () => {
    expect(percentageOf({})).to.equal(undefined);
    expect(percentageOf({ weight: 5 })).to.equal(undefined);
  });
});
