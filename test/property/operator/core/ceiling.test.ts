import { expect } from 'chai';
import * as fc from 'fast-check';
import { act, inPhase, runUntil, think, worldAt, writeStatus } from '../../../support/operator-core/doing.ts';
import { observe } from '../../../support/operator-core/seeing.ts';
import { later, live, under } from '../../../support/operator-core/situations.ts';

describe('a ceiling for the weight', () => {
  it('is never exceeded while it stands, whatever it is changed to and whoever dies when', () => {
    const ceilings = fc.array(fc.tuple(fc.integer({ min: 0, max: 100 }), fc.nat(40), fc.boolean()), {
      minLength: 1,
      maxLength: 6,
    });
    fc.assert(
      fc.property(fc.constantFrom(5, 10, 25, 50, 100), ceilings, (weight, changes) => {
        let world = worldAt(weight);
        for (const [maxWeight, count, dies] of changes) {
          world = under(world, maxWeight);
          for (let pass = 0; pass <= count; pass += 1) {
            world = later(world, 5_000);
            const thought = think(observe(world));
            const acted = act(world, thought);
            world =
              dies && pass % 3 === 0
                ? acted.world
                : writeStatus(acted.world, thought, acted.outcome, world.statusVersion);
            expect(live(world)).to.be.at.most(maxWeight);
          }
        }
        const done = runUntil(under(world, undefined), inPhase('Succeeded'), 5_000);
        expect(done.stable?.revision).to.equal('aaaaaaaaa2');
      }),
      { numRuns: 100 },
    );
  });
});
