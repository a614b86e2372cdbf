import { expect } from 'chai';
import { inPhase, runUntil, step, worldAt } from '../../../support/operator-core/doing.ts';
import { live, passesOver } from '../../../support/operator-core/situations.ts';
import type { World } from '../../../support/operator-core/world.ts';

const nobodyReady = (world: World): World => ({
  ...world,
  podsStart: false,
  health: 'silent',
  target: world.target && { ...world.target, ready: 0 },
});
const allReady = (world: World): World => ({
  ...world,
  podsStart: true,
  health: 'good',
  target: world.target && { ...world.target, ready: world.target.replicas },
});
/** A pass a second. */
const passesFor = (start: World, ms: number): World => passesOver(start, ms / 1_000, 1_000);

describe('a canary of which no pod is ready', () => {
  it('loses its share in one pass, whatever else the rollout waits for', () => {
    const waits: readonly ((world: World) => World)[] = [
      (world) => world,
      (world) => ({ ...world, spec: { ...world.spec, paused: true } }),
      (world) => ({ ...world, health: 'blind' }),
      (world) => ({
        ...world,
        status: world.status && {
          ...world.status,
          approvalNeeded: { role: 'team-lead', stepIndex: 2, since: new Date(world.nowMs).toISOString() },
        },
      }),
    ];
    for (const wait of waits) {
      for (const weight of [5, 25, 100]) {
        const { world, pass } = step(wait(nobodyReady(worldAt(weight))));
        expect([pass.decision.kind, pass.decision.reason, live(world)]).to.deep.equal(['reduce', 'CanaryNotReady', 0]);
      }
    }
  });

  it('keeps it while one pod is ready, or while stable has none either', () => {
    const one = nobodyReady(worldAt(50));
    const hasOne = { ...one, target: one.target && { ...one.target, ready: 1 } };
    expect(live(step(hasOne).world)).to.equal(50);
    const nowhere = { ...one, stable: one.stable && { ...one.stable, ready: 0 } };
    expect(live(step(nowhere).world)).to.equal(50);
  });

  it('begins at the first step again when pods are ready, with the whole hold of each', () => {
    const down = passesFor(step(nobodyReady(worldAt(50))).world, 20_000);
    expect([live(down), down.status?.phase]).to.deep.equal([0, 'Progressing']);
    const back = runUntil(allReady(down), (world) => live(world) > 0);
    expect([live(back), back.status?.stepIndex, back.status?.silentSince]).to.deep.equal([5, 0, undefined]);
    expect(live(passesFor(back, 30_000))).to.equal(5);
    expect(inPhase('Succeeded')(runUntil(back, inPhase('Succeeded')))).to.equal(true);
  });

  it('is rolled back when it stays down for as long as serviceDown allows, and not before', () => {
    const down = step(nobodyReady(worldAt(25))).world;
    const almost = passesFor(down, 290_000);
    expect([almost.status?.phase, almost.status?.silentSince]).to.deep.equal(['Progressing', down.status?.silentSince]);
    const gone = runUntil(almost, inPhase('RolledBack'));
    expect(gone.nowMs - down.nowMs).to.be.within(300_000, 310_000);
    expect(gone.status?.lastDecision?.message).to.include('P0 serviceDown > 5m');
  });

  it('is not called down when a person took its traffic', () => {
    const aborted = step({ ...worldAt(25), spec: { ...worldAt(25).spec, maxWeight: 0 }, generation: 7 }).world;
    expect(live(aborted)).to.equal(0);
    expect(passesFor(nobodyReady(aborted), 400_000).status?.phase).to.equal('Progressing');
  });
});
