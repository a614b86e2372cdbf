import { expect } from 'chai';
import { decide } from '../../../../operator/src/core/decide.ts';
import type { Judgement } from '../../../../operator/src/core/judge.ts';
import type { Observation } from '../../../../operator/src/core/observation.ts';
import { approvalFor, withApprovals } from '../../../support/operator-core/approving.ts';
import { adoptedWorld, runUntil, step, worldAt } from '../../../support/operator-core/doing.ts';
import { observe } from '../../../support/operator-core/seeing.ts';
import {
  decideWith,
  failed,
  later,
  PASS,
  readyFor,
  rolledBack,
  SITUATIONS,
  shown,
  someSamples,
} from '../../../support/operator-core/situations.ts';
import { freshWorld, type World } from '../../../support/operator-core/world.ts';

describe('decide, one gate at a time', () => {
  const ripe = (): World => readyFor(later(worldAt(25), 61_000), 2);
  const passing: Judgement = { sentinel: PASS, step: PASS, alerts: PASS };
  const answer = (world: World, change: Partial<Observation> = {}): string => {
    const seen = observe(world);
    return shown(decide({ ...seen, samples: { ...someSamples(), takenAtMs: world.nowMs }, ...change }, passing));
  };

  it('advances when every gate is open', () => expect(answer(ripe())).to.equal('advance Advanced → 50'));

  it('holds while paused', () => {
    expect(answer({ ...ripe(), spec: { ...ripe().spec, paused: true } })).to.equal('hold Paused');
  });

  it('holds while the spec is invalid, and names what to change', () => {
    const world = { ...ripe(), spec: { ...ripe().spec, schedule: [] } };
    expect(answer(world)).to.equal('hold InvalidSpec');
    expect(decideWith(world, passing).message).to.match(/spec\.schedule/);
  });

  it('holds until the canary has the pods for the next weight, ready', () => {
    expect(answer({ ...readyFor(ripe(), 1) })).to.equal('hold CanaryNotReady');
    const { target } = ripe();
    expect(answer({ ...ripe(), target: target && { ...target, ready: 1 } })).to.equal('hold CanaryNotReady');
    expect(answer({ ...ripe(), target: target && { ...target, current: 3 } })).to.equal('hold CanaryNotReady');
  });

  it('holds until the canary Service selects the canary', () => {
    const services = { ...ripe().services, 'api-canary': { app: 'other' } };
    expect(answer({ ...ripe(), services })).to.equal('hold CanaryNotReady');
  });

  it('holds while its fence is not on the route', () => {
    expect(answer({ ...ripe(), leaseToken: 2 })).to.equal('hold FenceNotClaimed');
  });

  it('writes nothing when another leader holds the Lease', () => {
    const decision = decide(observe({ ...ripe(), leaseToken: 2 }, 1), {
      sentinel: failed('P0'),
      step: undefined,
      alerts: PASS,
    });
    expect(decision.isDeposed).to.equal(true);
  });

  it('takes a huge fence that no Lease has given for an edit, and goes on', () => {
    const { route } = ripe();
    const forged = route && { ...route, annotations: { ...route.annotations, 'latchkey.dev/fence': '999999' } };
    const world = step({ ...ripe(), route: forged }).world;
    expect(world.route?.annotations['latchkey.dev/fence']).to.equal('1');
  });

  it('keeps the lower weight of a hand edit, says who, and restarts the hold', () => {
    const world = worldAt(10);
    const { route } = world;
    if (route === undefined) throw new Error('no route');
    const edit = (stable: number, canary: number): World => ({
      ...later(world, 30_000),
      route: { ...route, stable: { ...route.stable, weight: stable }, canary: { ...route.canary, weight: canary } },
    });
    const lower = step(edit(93, 7)).world;
    expect([lower.route?.canary.weight, lower.status?.stepStartedAt]).to.deep.equal([7, lower.status?.writtenAt]);
    expect(lower.status?.drift?.manager).to.equal('somebody');
    expect(lower.status?.conditions?.find(({ type }) => type === 'Drifted')?.status).to.equal('True');
    expect(step(edit(50, 50)).world.route?.canary.weight).to.equal(10);
    expect(step(edit(0, 0)).world.route).to.deep.include({ stable: { name: 'api-stable', weight: 100 } });
    const again = runUntil(lower, (next) => (next.route?.canary.weight ?? 0) > 7);
    expect(again.route?.canary.weight).to.equal(10);
    expect(again.status?.drift).to.equal(undefined);
  });

  it('steps down one step for each blindLimit without knowledge, and comes back when it sees', () => {
    let world: World = { ...worldAt(25), health: 'blind' };
    const weights: number[] = [];
    for (let count = 0; count < 100; count += 1) {
      world = step(later(world, 2_000)).world;
      if (weights.at(-1) !== world.route?.canary.weight) weights.push(world.route?.canary.weight ?? -1);
    }
    expect(weights).to.deep.equal([25, 10, 5, 0]);
    expect(world.status?.conditions?.find(({ type }) => type === 'MetricsAvailable')?.status).to.equal('False');
    const seeing = runUntil({ ...world, health: 'good' }, (next) => next.route?.canary.weight === 10);
    expect(seeing.status?.blindSince).to.equal(undefined);
  });

  it('halves the weight on a P2, once, and goes on only when the team lead approves', () => {
    let world: World = { ...worldAt(50), health: 'P2' };
    world = runUntil(world, (next) => next.status?.approvalNeeded !== undefined);
    expect(world.route?.canary.weight).to.equal(25);
    for (let count = 0; count < 60; count += 1) world = step(later(world, 5_000)).world;
    expect(world.route?.canary.weight).to.equal(25);
    for (let count = 0; count < 60; count += 1) world = step(later({ ...world, health: 'good' }, 5_000)).world;
    expect([world.route?.canary.weight, world.status?.lastDecision?.reason]).to.deep.equal([25, 'ApprovalNeeded']);
    const next = runUntil(withApprovals(world, [approvalFor(world)]), (seen) => (seen.route?.canary.weight ?? 0) > 25);
    expect(next.route?.canary.weight).to.equal(50);
  });

  it('escalates from the route to the Service, the pods and the alarm while requests still reach the canary', () => {
    let world = { ...rolledBack(), quiet: false };
    const stages = new Set<string>();
    let detached = 0;
    for (let count = 0; count < 40; count += 1) {
      world = step(later(world, 1_000)).world;
      stages.add(world.status?.zero?.stage ?? 'none');
      if (world.status?.zero?.provenAt !== undefined) break;
      detached += world.services['api-canary']?.['latchkey.dev/track'] === 'stable' ? 1 : 0;
    }
    expect([...stages]).to.deep.equal(['route', 'selector', 'replicas']);
    expect(detached).to.be.greaterThan(5);
    expect(world.target?.replicas).to.equal(0);
    const rested = step(later(step(later(world, 1_000)).world, 1_000)).world;
    expect(rested.services['api-canary']?.['latchkey.dev/track'], 'nobody would answer behind it').to.equal('stable');
  });

  it('turns the Service back to the canary when the proof was only late and no pod is left', () => {
    const slow = runUntil({ ...rolledBack(), quiet: false }, (world) => world.status?.zero?.stage === 'selector');
    const rested = runUntil({ ...slow, quiet: true }, (world) => world.target?.current === 0);
    expect(slow.services['api-canary']?.['latchkey.dev/track']).to.equal('stable');
    expect(step(rested).world.services['api-canary']?.['latchkey.dev/track']).to.equal('canary');
  });

  it('pulls the Service from under the canary when the route has lost its rule', () => {
    const { route } = worldAt(25);
    const sick = step({ ...worldAt(25), health: 'P0', route: route && { ...route, ruleName: 'renamed' } }).world;
    expect(sick.services['api-canary']).to.deep.equal(sick.services['api-stable']);
    expect(sick.status?.phase).to.equal('RolledBack');
  });

  it('takes stable back to its last template when a promotion turns out sick', () => {
    const promoting = SITUATIONS['Promoting, stable not ready']?.() ?? freshWorld();
    expect(promoting.stable?.revision).to.equal('aaaaaaaaa2');
    const back = runUntil(
      { ...promoting, health: 'P0', podsStart: true },
      (world) => world.stable?.revision === 'aaaaaaaaa1',
    );
    expect([back.route?.canary.weight, back.status?.phase]).to.deep.equal([0, 'RolledBack']);
  });

  it('lets go of a deleted AuthRollout after weight 0, and at once when the route is gone', () => {
    const leaving = step({ ...worldAt(25), deleting: true });
    expect(leaving.pass.actions.map(({ kind }) => kind)).to.deep.equal(['write-route', 'remove-finalizer']);
    expect(leaving.world.route?.canary.weight).to.equal(0);
    const routeless = step({ ...worldAt(25), deleting: true, route: undefined });
    expect(routeless.pass.actions.map(({ kind }) => kind)).to.deep.equal(['remove-finalizer']);
  });

  it('says Stalled and why when target, route or rule is missing', () => {
    const stalled = (world: World): unknown =>
      step(world).world.status?.conditions?.find(({ type }) => type === 'Stalled')?.reason;
    expect(stalled({ ...freshWorld(), target: undefined })).to.equal('TargetNotFound');
    expect(stalled({ ...adoptedWorld(), route: undefined })).to.equal('RouteNotFound');
    const { route } = adoptedWorld();
    expect(stalled({ ...adoptedWorld(), route: route && { ...route, ruleName: 'x' } })).to.equal('RouteInvalid');
  });
});
