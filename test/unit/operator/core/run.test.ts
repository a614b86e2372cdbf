import { expect } from 'chai';
import type { WriteRecord } from '../../../../operator/src/core/observation.ts';
import { readRecord } from '../../../../operator/src/core/route-record.ts';
import { act, runUntil, step, think, worldAt } from '../../../support/operator-core/doing.ts';
import { observe } from '../../../support/operator-core/seeing.ts';
import { later } from '../../../support/operator-core/situations.ts';
import type { World } from '../../../support/operator-core/world.ts';

/** The world with these weights and this record on its route, as an edit or a restored manifest leaves it. */
function withRecord(world: World, change: Partial<WriteRecord>, weight = change.weight ?? 0): World {
  const { route } = world;
  const record = readRecord(route?.annotations['latchkey.dev/write']);
  if (route === undefined || record === undefined) throw new Error('no route or no record');
  const write = JSON.stringify({ ...record, ...change });
  return {
    ...world,
    route: {
      ...route,
      stable: { ...route.stable, weight: 100 - weight },
      canary: { ...route.canary, weight },
      annotations: { ...route.annotations, 'latchkey.dev/write': write },
    },
  };
}

const soon = (world: World): string => new Date(world.nowMs + 1_000).toISOString();

describe("the route's record", () => {
  it('lets the pass after a crash go on where the one before it was going', () => {
    const ripe = later(worldAt(10), 61_000);
    const ready = { ...ripe, target: ripe.target && { ...ripe.target, replicas: 4, ready: 4, updated: 4, current: 4 } };
    const { world: written } = act(ready, think(observe(ready)));
    expect([written.route?.canary.weight, written.status?.weight]).to.deep.equal([25, 10]);
    const { world, pass } = step(later(written, 2_000));
    expect(pass.decision.reason).to.equal('Recovered');
    expect(pass.actions).to.deep.equal([]);
    expect([world.status?.weight, world.status?.stepIndex, world.status?.stepHold]).to.deep.equal([25, 2, '1m']);
  });

  it('keeps the approval that a lost status should have asked for, although somebody edits the route meanwhile', () => {
    const sick: World = { ...later(worldAt(25), 11_000), health: 'P2' };
    const { world: reduced } = act(sick, think(observe(sick)));
    expect([reduced.route?.canary.weight, reduced.status?.approvalNeeded]).to.deep.equal([12, undefined]);
    const { route } = reduced;
    const edited: World = {
      ...later(reduced, 1_000),
      health: 'good',
      route: route && { ...route, stable: { ...route.stable, weight: 95 }, canary: { ...route.canary, weight: 5 } },
    };
    // Dies again before the status: whatever was written in between must still know of the approval.
    const { world: twice } = act(edited, think(observe(edited)));
    expect(step(later(twice, 1_000)).world.status?.approvalNeeded?.role).to.equal('team-lead');
  });

  it('cannot raise the weight by more than the step that the run could have taken itself', () => {
    const world = worldAt(5);
    const forged = withRecord(world, {
      weight: 100,
      stepIndex: 4,
      decision: 'advance',
      reason: 'Advanced',
      at: soon(world),
    });
    const { world: after, pass } = step(later(forged, 2_000));
    expect([pass.decision.reason, after.route?.canary.weight]).to.deep.equal(['Drifted', 5]);
  });

  it('cannot bring a condemned revision back, or spare it an approval', () => {
    const zeroed = runUntil({ ...worldAt(25), health: 'P1' }, (world) => world.status?.zero?.provenAt !== undefined);
    for (const reason of ['NewRevision', 'RevisionWithdrawn', 'Promoted']) {
      const forged = withRecord(
        { ...zeroed, health: 'good' },
        { weight: 0, decision: 'zero', reason, revision: 'aaaaaaaaa7', at: soon(zeroed) },
      );
      const after = step(step(later(forged, 2_000)).world).world;
      expect([after.status?.phase, after.status?.approvalNeeded?.role], reason).to.deep.equal(['Zeroed', 'on-call']);
    }
  });

  it('is drift when it is older than what the status knows, as a restored manifest brings it', () => {
    const world = worldAt(25);
    const restored = withRecord(world, { weight: 5, stepIndex: 0, at: '2030-01-01T00:00:01.000Z' });
    const { world: after, pass } = step(later(restored, 2_000));
    expect([pass.decision.reason, after.route?.canary.weight]).to.deep.equal(['Drifted', 5]);
    expect(after.status?.stepStartedAt, 'the hold begins again').to.equal(new Date(world.nowMs + 2_000).toISOString());
  });

  it('from another year, or not ours at all, is nothing', () => {
    for (const change of [{ at: '2099-01-01T00:00:00.000Z' }, { at: 'soon' }, { weight: 101 }]) {
      const { world } = step(later(withRecord(worldAt(25), change, 25), 2_000));
      expect([world.status?.weight, world.status?.writtenAt]).to.deep.equal([25, worldAt(25).status?.writtenAt]);
    }
    expect([readRecord(undefined), readRecord('{'), readRecord('{}'), readRecord('x'.repeat(2_000))]).to.deep.equal(
      Array.from({ length: 4 }, () => undefined),
    );
  });

  it('has a time later than the one before it, although the clock went back', () => {
    const before = worldAt(25);
    const sick: World = { ...before, health: 'P0', nowMs: before.nowMs - 3_600_000 };
    const { world } = step(sick);
    expect(Date.parse(world.status?.writtenAt ?? '')).to.be.greaterThan(Date.parse(before.status?.writtenAt ?? ''));
    const proven = runUntil({ ...world, health: 'good' }, (next) => next.target?.current === 0, 1_000, 10);
    expect(proven.status?.phase).to.equal('RolledBack');
  });
});
