import { expect } from 'chai';
import { requeueAfterMs } from '../../../../operator/src/core/requeue.ts';
import {
  act,
  adoptedWorld,
  atWeight,
  inPhase,
  runUntil,
  step,
  think,
  worldAt,
} from '../../../support/operator-core/doing.ts';
import { observe } from '../../../support/operator-core/seeing.ts';
import { later, live, passesOver, SITUATIONS, under, zeroed } from '../../../support/operator-core/situations.ts';
import { converge, deploy, freshWorld, type World } from '../../../support/operator-core/world.ts';

const reasonOf = (world: World): unknown => world.status?.lastDecision?.reason;
const passes = (start: World, count: number): World => passesOver(start, count, 2_000);

describe('a ceiling for the weight', () => {
  it('lowers in one pass, first of all, to exactly what it says', () => {
    const { world, pass } = step(under(worldAt(25), 7));
    expect(pass.actions[0]).to.include({ kind: 'write-route', weight: 7, lowers: true });
    expect([pass.decision.kind, reasonOf(world), live(world)]).to.deep.equal(['reduce', 'MaxWeight', 7]);
    expect([world.status?.stepIndex, world.status?.loweredTo, world.status?.phase]).to.deep.equal([
      1,
      7,
      'Progressing',
    ]);
  });

  const HINDRANCES: Readonly<Record<string, (world: World) => World>> = {
    'a pause': (world) => ({ ...world, spec: { ...world.spec, paused: true } }),
    'pods that do not start': (world) => ({
      ...world,
      podsStart: false,
      stable: world.stable && { ...world.stable, ready: 0 },
    }),
    'a blind Prometheus': (world) => ({ ...world, health: 'blind' }),
    'a missing target': (world) => ({ ...world, target: undefined }),
    'a broken schedule': (world) => ({ ...world, spec: { ...world.spec, schedule: [] } }),
    'an approval that nobody gives': (world) => ({
      ...world,
      status: world.status && {
        ...world.status,
        approvalNeeded: { role: 'team-lead', stepIndex: 2, since: new Date(world.nowMs).toISOString() },
      },
    }),
    'a new leader': (world) => ({ ...world, leaseToken: world.leaseToken + 1 }),
    'somebody who raised the route': (world) => ({
      ...world,
      route: world.route && {
        ...world.route,
        stable: { ...world.route.stable, weight: 20 },
        canary: { ...world.route.canary, weight: 80 },
      },
    }),
  };
  for (const [what, hinder] of Object.entries(HINDRANCES)) {
    it(`is not delayed by ${what}`, () => {
      expect(live(step(hinder(under(worldAt(50), 10))).world)).to.be.at.most(10);
    });
  }

  it('is reached even where the process died before the status knew of the step above it', () => {
    const ripe = runUntil(worldAt(25), (world) => think(observe(later(world, 2_000))).decision.kind === 'advance');
    const pass = think(observe(later(ripe, 2_000)));
    const crashed = act(later(ripe, 2_000), pass).world;
    expect([live(crashed), crashed.status?.weight]).to.deep.equal([50, 25]);
    const { world } = step(under(crashed, 10));
    expect(live(world)).to.equal(10);
    expect(passes(world, 60).route?.canary.weight).to.equal(10);
  });

  it('lowers once: after a crash between the route and the status it is the same hold, and stays', () => {
    const start = under(worldAt(25), 5);
    const crashed = act(start, think(observe(start))).world;
    const world = passes(crashed, 100);
    expect([live(world), world.status?.loweredTo, reasonOf(world)]).to.deep.equal([5, 5, 'MaxWeight']);
  });

  it('holds below a step that is higher, whole steps only, and makes no pods for it', () => {
    const world = passes(under(worldAt(10), 15), 200);
    expect([live(world), reasonOf(world)]).to.deep.equal([10, 'MaxWeight']);
    expect(world.status?.lastDecision?.message).to.equal('spec.maxWeight is 15: staying at 10%, the next step is 25%');
    expect(passes(under(worldAt(25), 30), 200).target?.replicas, 'pods for 25 %, not for 50 %').to.equal(1);
    const progressing = world.status?.conditions?.find(({ type }) => type === 'Progressing');
    expect(progressing).to.include({ status: 'False', reason: 'MaxWeight' });
  });

  it('begins the hold of the lowered step anew when it is lifted, and then goes on step by step', () => {
    const held = passes(under(worldAt(50), 10), 100);
    const lifted = step(later(under(held, undefined), 1_000)).world;
    expect([live(lifted), reasonOf(lifted), lifted.status?.loweredTo]).to.deep.equal([
      10,
      'MaxWeightLifted',
      undefined,
    ]);
    expect(lifted.status).to.include({
      stepIndex: 1,
      stepHold: '1m',
      stepStartedAt: new Date(lifted.nowMs).toISOString(),
    });
    const risen = runUntil(lifted, (world) => live(world) > 10);
    expect(live(risen)).to.equal(25);
    expect(risen.nowMs - lifted.nowMs).to.be.at.least(60_000);
    expect(runUntil(risen, inPhase('Succeeded')).stable?.revision).to.equal('aaaaaaaaa2');
  });

  it('does not repeat a hold that it only prolonged', () => {
    const held = passes(under(worldAt(10), 10), 100);
    const risen = runUntil(under(held, undefined), atWeight(25));
    expect(risen.nowMs - held.nowMs).to.be.below(60_000);
  });

  it('is an abort at 0: proven by traffic, pods kept, taken back at the first step', () => {
    const aborted = passes(under(worldAt(50), 0), 3);
    expect([live(aborted), aborted.status?.phase, reasonOf(aborted)]).to.deep.equal([0, 'Progressing', 'MaxWeight']);
    expect(aborted.status?.zero?.provenAt).to.be.a('string');
    expect(aborted.target?.replicas).to.be.greaterThan(0);
    expect(live(passes(aborted, 300))).to.equal(0);
    const again = runUntil(under(aborted, undefined), (world) => live(world) > 0);
    expect([live(again), again.status?.stepIndex]).to.deep.equal([5, 0]);
  });

  it('takes harder means when requests reach an aborted canary all the same', () => {
    const stuck = runUntil(
      { ...under(worldAt(50), 0), quiet: false },
      (world) => world.status?.zero?.stage === 'replicas',
    );
    expect(stuck.services['api-canary']?.['latchkey.dev/track']).to.equal('stable');
    expect(stuck.target?.replicas).to.equal(0);
    const again = runUntil(under({ ...stuck, quiet: true }, undefined), (world) => live(world) === 5);
    expect(again.services['api-canary']?.['latchkey.dev/track']).to.equal('canary');
  });

  it('at 0 pulls the Service from under a canary whose route is gone', () => {
    const { route } = worldAt(25);
    const { world } = step({ ...under(worldAt(25), 0), route: route && { ...route, ruleName: 'renamed' } });
    expect(world.services['api-canary']).to.deep.equal(world.services['api-stable']);
  });

  it('asks the apiserver once a minute while aborted', () => {
    const { pass } = step(later(passes(under(worldAt(50), 0), 5), 1_000));
    expect(requeueAfterMs(pass.observation, pass.decision, { kind: 'done' })).to.equal(60_000);
  });

  it('takes a promotion back to the step it allows, and stable to its last template', () => {
    const promoting = SITUATIONS['Promoting, stable not ready']?.() ?? freshWorld();
    const { world } = step(under({ ...promoting, podsStart: true }, 10));
    expect([live(world), world.status?.phase, world.status?.stepIndex]).to.deep.equal([10, 'Progressing', 1]);
    expect(passes(world, 3).stable?.revision).to.equal('aaaaaaaaa1');
  });

  it('outlives a revision: the next one starts under it', () => {
    const held = passes(deploy(passes(under(worldAt(50), 10), 3), 3), 200);
    expect([live(held), held.status?.revision, reasonOf(held)]).to.deep.equal([10, 'aaaaaaaaa3', 'MaxWeight']);
  });

  it('lowers nothing of a first install, which stable cannot serve yet', () => {
    const fresh = step(under({ ...freshWorld(), podsStart: false }, 0)).world;
    expect(live(passes(fresh, 10))).to.equal(100);
    expect(runUntil(converge({ ...fresh, podsStart: true }), inPhase('Succeeded')).route?.canary.weight).to.equal(0);
  });

  it('does not take the only pods from a first install whose route keeps a record of an earlier run', () => {
    const fresh = { ...freshWorld(), podsStart: false };
    const { route } = fresh;
    const record = { weight: 100, revision: 'aaaaaaaaa1', stepIndex: 4, decision: 'advance', reason: 'Advanced' };
    const write = JSON.stringify({ ...record, at: new Date(fresh.nowMs - 1_000).toISOString() });
    const kept: World = { ...fresh, route: route && { ...route, annotations: { 'latchkey.dev/write': write } } };
    expect(live(passes(under(kept, 50), 10))).to.equal(100);
  });

  it('leaves to drift what is above it only because somebody edited the route', () => {
    const { route } = worldAt(10);
    const edited = route && {
      ...route,
      stable: { ...route.stable, weight: 20 },
      canary: { ...route.canary, weight: 80 },
    };
    const { world } = step(under({ ...worldAt(10), route: edited }, 50));
    expect([live(world), reasonOf(world), world.status?.drift?.manager]).to.deep.equal([10, 'Drifted', 'somebody']);
  });

  it('opens nothing: a Zeroed revision waits for its approval under any ceiling', () => {
    const world = passes(under(under(step(later(zeroed(), 2_000)).world, 0), undefined), 20);
    expect([live(world), world.status?.phase]).to.deep.equal([0, 'Zeroed']);
  });

  it('does not touch what is adopted and at rest', () => {
    expect(step(under(adoptedWorld(), 0)).pass.actions).to.deep.equal([]);
  });
});
