import { expect } from 'chai';
import { adoptedWorld, atWeight, inPhase, runUntil, step, worldAt } from '../../../support/operator-core/doing.ts';
import { deploy, freshWorld, REVISION, type World } from '../../../support/operator-core/world.ts';

describe('a whole rollout through the core', () => {
  it('adopts the target: stable is ready before it gets traffic, and the target stops last', () => {
    let world: World = freshWorld();
    let seen: string[] = [];
    while (world.status?.phase !== 'Succeeded') {
      const { world: next, pass } = step({ ...world, nowMs: world.nowMs + 2_000 });
      seen = [
        ...seen,
        ...pass.actions.map((action) => (action.kind === 'scale' ? `scale ${action.replicas}` : action.kind)),
      ];
      world = next;
      expect(seen.length).to.be.lessThan(50);
    }
    expect(seen).to.deep.equal([
      'claim-fence',
      'add-finalizer',
      'create-service',
      'create-stable',
      'write-route',
      'scale 0',
    ]);
    expect(world.route?.canary.weight).to.equal(0);
    expect(world.target?.current).to.equal(0);
    expect(world.stable?.current).to.equal(4);
  });

  it('climbs the schedule step by step and promotes', () => {
    let world = deploy(adoptedWorld(), 2);
    const weights: number[] = [];
    for (let count = 0; count < 400 && world.status?.stableRevision !== REVISION(2); count += 1) {
      world = step({ ...world, nowMs: world.nowMs + 2_000 }).world;
      const weight = world.route?.canary.weight ?? -1;
      if (weights.at(-1) !== weight) weights.push(weight);
    }
    expect(weights).to.deep.equal([0, 5, 10, 25, 50, 100, 0]);
    expect(world.status?.phase).to.equal('Succeeded');
    expect(world.stable?.revision).to.equal(REVISION(2));
    expect(world.target?.current).to.equal(0);
  });

  it('takes a sick revision back and never tries it again', () => {
    const sick = { ...worldAt(25), health: 'P0' as const };
    const rolledBack = step(sick).world;
    expect(rolledBack.route?.canary.weight).to.equal(0);
    expect(rolledBack.status?.phase).to.equal('RolledBack');
    const calm = runUntil({ ...rolledBack, health: 'good' }, (world) => world.target?.current === 0);
    const other = runUntil(deploy(calm, 3), atWeight(5));
    const back = runUntil(deploy(other, 2), inPhase('RolledBack'));
    expect(back.route?.canary.weight).to.equal(0);
  });
});
