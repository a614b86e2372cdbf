import { expect } from 'chai';
import * as fc from 'fast-check';
import { decide } from '../../../../operator/src/core/decide.ts';
import { judge } from '../../../../operator/src/core/judge.ts';
import { plan } from '../../../../operator/src/core/plan.ts';
import { nextStatus } from '../../../../operator/src/core/status-from.ts';
import { anyWorld } from '../../../support/operator-core/any-world.ts';
import { runUntil, step, think, worldAt } from '../../../support/operator-core/doing.ts';
import { observe } from '../../../support/operator-core/seeing.ts';
import { deploy, REVISION, specManifest, type World } from '../../../support/operator-core/world.ts';

function freeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !(value instanceof Map)) {
    Object.values(value).forEach(freeze);
    Object.freeze(value);
  }
  return value;
}

describe('the core', () => {
  it('gives the same answer to the same observation, replayed from its record, and changes nothing it was given', () => {
    fc.assert(
      fc.property(anyWorld, (world) => {
        const observation = freeze(observe(world));
        const pass = think(observation);
        const replayed = structuredClone(observation);
        const judgement = judge(replayed);
        const decision = decide(replayed, judgement);
        expect(decision).to.deep.equal(pass.decision);
        expect(plan(replayed, decision)).to.deep.equal(pass.actions);
        const status = nextStatus(observation, pass.judgement, pass.decision, { kind: 'done' });
        expect(nextStatus(replayed, judgement, decision, { kind: 'done' })).to.deep.equal(status);
      }),
      { numRuns: 150 },
    );
  });

  it('comes to rest at stable when everything heals, from wherever it was', () => {
    fc.assert(
      fc.property(anyWorld, (broken) => {
        // Healed: the objects are back, a good revision is there, nobody edits any more.
        const { route, target, stable } = worldAt(5);
        const healed: World = {
          ...broken,
          spec: specManifest(),
          deleting: false,
          health: 'good',
          quiet: true,
          podsStart: true,
          route: broken.route?.ruleName === 'api' && broken.route.canary.name === 'api-canary' ? broken.route : route,
          target: broken.target ?? target,
          stable: broken.stable ?? stable,
        };
        const last = deploy(healed, 9);
        const done = runUntil(
          last,
          (world) => world.status?.phase === 'Succeeded' && world.status.stableRevision === REVISION(9),
          5_000,
          500,
        );
        expect(done.stable?.revision).to.equal(REVISION(9));
        expect(done.route?.canary.weight).to.equal(0);
        const rest = step(step(done).world);
        expect(rest.pass.actions).to.deep.equal([]);
      }),
      { numRuns: 20 },
    );
  });
});
