/** What lowers, and what else must not wait for a checkpoint, while the questions are open. */
import { expect } from 'chai';
import { checkpointsDue } from '../../../../operator/src/core/checks-due.ts';
import { asked, JOB, PERSON, QUERY, scheduleWith } from '../../../support/operator-core/asking.ts';
import { runUntil, step, worldAt } from '../../../support/operator-core/doing.ts';
import { observe } from '../../../support/operator-core/seeing.ts';
import { later, live } from '../../../support/operator-core/situations.ts';
import { deploy, specManifest, type World } from '../../../support/operator-core/world.ts';

describe('a checkpoint that waits', () => {
  const DOWN: Readonly<Record<string, readonly [(world: World) => World, number]>> = {
    'a P0': [(world) => ({ ...world, health: 'P0' }), 0],
    'a P1': [(world) => ({ ...world, health: 'P1' }), 0],
    'lost data': [(world) => ({ ...world, health: 'dataLoss' }), 0],
    'an alert': [(world) => ({ ...world, health: 'alertP0' }), 0],
    'a ceiling': [(world) => ({ ...world, spec: { ...world.spec, maxWeight: 3 } }), 3],
    'a deletion': [(world) => ({ ...world, deleting: true }), 0],
    'another revision': [(world) => deploy(world, 4), 0],
    'pods that are not ready': [
      (world) => ({ ...world, podsStart: false, target: world.target && { ...world.target, ready: 0 } }),
      0,
    ],
  };
  for (const [what, [happen, weight]] of Object.entries(DOWN)) {
    it(`does not delay ${what}, which is answered without one question`, () => {
      const world = later(happen(asked(QUERY, JOB, PERSON)), 2_000);
      const { pass, world: after } = step(world);
      expect(live(after)).to.equal(weight);
      expect(pass.observation.checkpoints).to.equal(undefined);
      expect(checkpointsDue(pass.observation)).to.equal(undefined);
    });
  }

  it('does not delay the halving after a P2, or the steps down of a blind operator', () => {
    const halved = runUntil({ ...asked(JOB), health: 'P2' }, (world) => live(world) < 25);
    expect(live(halved)).to.equal(12);
    expect(live(runUntil({ ...asked(JOB), health: 'blind' }, (world) => live(world) < 25))).to.equal(10);
  });

  it('is not asked while something else is in the way', () => {
    const world = later(asked(QUERY), 2_000);
    const paused = { ...world, spec: specManifest({ ...scheduleWith(QUERY), paused: true }) };
    for (const one of [paused, { ...world, health: 'alertP2' as const }, { ...worldAt(25), spec: world.spec }])
      expect(observe(one).checkpoints).to.equal(undefined);
    expect(observe(world).checkpoints).to.have.length(1);
  });
});
