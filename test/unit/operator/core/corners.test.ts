import { expect } from 'chai';
import { checksDue, checkWindowMs, sentinelDue } from '../../../../operator/src/core/checks-due.ts';
import { decide } from '../../../../operator/src/core/decide.ts';
import { judge, judgeSentinel } from '../../../../operator/src/core/judge.ts';
import { plan } from '../../../../operator/src/core/plan.ts';
import { adoptedWorld, runUntil, step, think, worldAt } from '../../../support/operator-core/doing.ts';
import { observe } from '../../../support/operator-core/seeing.ts';
import {
  decideWith,
  later,
  PASS,
  readyFor,
  rolledBack,
  SITUATIONS,
  someSamples,
  zeroed,
} from '../../../support/operator-core/situations.ts';
import { deploy, freshWorld, type World } from '../../../support/operator-core/world.ts';

const ripe = (): World => readyFor(later(worldAt(25), 61_000), 2);

describe('the corners of a run', () => {
  it('proves zero by a second of silence after the write, not by the write', () => {
    const sick = step({ ...worldAt(25), health: 'P0' }).world;
    const proven = (ms: number): boolean =>
      step(later({ ...sick, health: 'good' }, ms)).world.status?.zero?.provenAt !== undefined;
    expect([proven(0), proven(998), proven(1_001)]).to.deep.equal([false, false, true]);
  });

  it('keeps nobody on the canary of a phase that has none, whatever its status says', () => {
    const world = adoptedWorld();
    const { route, status } = world;
    const odd: World = {
      ...world,
      status: status && { ...status, weight: 25 },
      route: route && { ...route, stable: { ...route.stable, weight: 93 }, canary: { ...route.canary, weight: 7 } },
    };
    expect(step(odd).world.route?.canary.weight).to.equal(0);
  });

  it('sends nobody to a target that was deleted', () => {
    const { world, pass } = step({ ...worldAt(25), target: undefined });
    expect([pass.decision.reason, world.route?.canary.weight]).to.deep.equal(['TargetNotFound', 0]);
  });

  it('does not answer samples of four seconds ago with more traffic, nor a sentinel that is not looking', () => {
    const passing = { sentinel: PASS, step: PASS, alerts: PASS };
    const world = ripe();
    const old = { ...observe(world), samples: { ...someSamples(), takenAtMs: world.nowMs - 3_001 } };
    expect(decide(old, passing).reason).to.equal('StaleSamples');
    const verdict = { kind: 'unknown', why: 'NoSentinel' } as const;
    expect(decideWith(world, { sentinel: { verdict, results: [] }, step: PASS, alerts: PASS }).reason).to.equal(
      'StaleSamples',
    );
    expect(decideWith(world, passing).reason).to.equal('Advanced');
  });

  it('waits until stable is back at its last revision before a new one gets traffic', () => {
    const sick = step({
      ...(SITUATIONS['Promoting, stable not ready']?.() ?? freshWorld()),
      health: 'P0' as const,
    }).world;
    const stuck = deploy(
      {
        ...sick,
        stable: sick.stable && { ...sick.stable, revision: 'aaaaaaaaa2' },
        oldTemplates: {},
        health: 'good',
        podsStart: true,
      },
      3,
    );
    let world: World = stuck;
    for (let count = 0; count < 20; count += 1) world = step(later(world, 1_000)).world;
    expect([world.route?.canary.weight, world.status?.lastDecision?.reason]).to.deep.equal([0, 'StableNotReady']);
    expect(world.status?.conditions?.find(({ type }) => type === 'Degraded')?.reason).to.equal('NoPreviousTemplate');
  });

  it('writes a template to stable once, and never a label that belongs to a ReplicaSet', () => {
    let world = later(worldAt(100), 61_000);
    const kinds: string[] = [];
    for (let count = 0; count < 6; count += 1) {
      const { world: next, pass } = step(later({ ...world, podsStart: count > 2 }, 1_000));
      kinds.push(...pass.actions.map(({ kind }) => kind));
      world = next;
    }
    expect(kinds.filter((kind) => kind === 'set-stable-template')).to.have.length(1);
    const seen = observe({ ...(SITUATIONS['Promoting, stable not ready']?.() ?? freshWorld()), health: 'P0' });
    const labels = { app: 'api', 'pod-template-hash': 'abc' };
    const withHash = { ...seen, previousTemplate: { metadata: { labels }, spec: {} } };
    const [restore] = plan(withHash, decide(withHash, judge(withHash))).filter(
      ({ kind }) => kind === 'set-stable-template',
    );
    expect(restore?.kind === 'set-stable-template' && restore.template.metadata?.labels).to.deep.equal({
      app: 'api',
      'latchkey.dev/revision': 'aaaaaaaaa1',
    });
  });

  it('does not blame a step for what was counted before it', () => {
    const seen = observe({ ...worldAt(25), health: 'P0' });
    const { sentinel, nowMs, spec } = seen;
    const [span] = sentinel?.spans ?? [];
    if (sentinel === undefined || span === undefined || spec.kind === 'invalid') throw new Error('no sentinel');
    const clean = { ...span, canary: { ...span.canary, serverErrors: 0 } };
    const view = { ...sentinel, spans: [clean, { ...span, spanMs: 60_000 }] };
    const verdict = (sinceMs: number | undefined): string =>
      judgeSentinel(view, spec.spec.matrix, { nowMs, sinceMs, silentSinceMs: undefined }).verdict.kind;
    expect([verdict(undefined), verdict(nowMs - 60_000), verdict(nowMs - 5_000)]).to.deep.equal([
      'fail',
      'fail',
      'pass',
    ]);
  });

  it('counts the silence of a canary only while it should speak', () => {
    const waiting: World = { ...deploy(adoptedWorld(), 2), health: 'silent', podsStart: false };
    const world = step(later(step(later(waiting, 1_000)).world, 400_000)).world;
    expect([world.status?.phase, world.status?.silentSince]).to.deep.equal(['Progressing', undefined]);
    const silent = step({ ...worldAt(25), health: 'silent' }).world;
    expect(silent.status?.silentSince).not.to.equal(undefined);
    expect(think(observe(later(silent, 301_000))).decision.kind).to.equal('rollback');
  });

  it('comes back from blindness although pods without traffic have no series of requests', () => {
    const blind = runUntil({ ...worldAt(5), health: 'blind' }, (world) => world.route?.canary.weight === 0);
    const seen = observe(later({ ...blind, health: 'good' }, 15_000));
    const none = { kind: 'unknown', why: 'NoData' } as const;
    if (seen.samples === undefined) throw new Error('the checks were not due');
    const requestless = { ...seen.samples, requests: none, serverErrors: none, slow: { p1: none, p2: none, p3: none } };
    expect(think({ ...seen, samples: requestless }).decision.run.blindSinceMs).to.equal(undefined);
    expect(think({ ...seen, samples: { ...requestless, logins: none } }).decision.reason).to.equal('Blind');
  });

  it('starts over when the template changes in the middle of a run, and ends when it is taken back', () => {
    const changed = step(deploy(worldAt(25), 3)).world;
    expect([changed.route?.canary.weight, changed.status?.revision]).to.deep.equal([0, 'aaaaaaaaa3']);
    const restarted = runUntil(changed, (world) => (world.status?.weight ?? 0) > 0);
    expect(restarted.status?.weight).to.equal(5);
    const withdrawn = runUntil(deploy(worldAt(25), 1), (world) => world.target?.current === 0);
    expect([withdrawn.route?.canary.weight, withdrawn.status?.phase]).to.deep.equal([0, 'Succeeded']);
  });

  it('applies an edited schedule from the next step on', () => {
    const before = worldAt(10);
    const schedule = [
      { weight: 30, hold: '1s', checkEvery: '1s' },
      { weight: 100, hold: '1s', checkEvery: '1s' },
    ];
    const edited = { ...before, spec: { ...before.spec, schedule } };
    const early = step(later(edited, 30_000)).world;
    expect([early.route?.canary.weight, early.status?.lastDecision?.reason]).to.deep.equal([10, 'Holding']);
    const next = runUntil(early, (world) => (world.route?.canary.weight ?? 0) > 10);
    expect([next.route?.canary.weight, next.status?.stepHold]).to.deep.equal([30, '1s']);
  });
});

describe('what the shell asks', () => {
  it('runs the checks when they are due, and not in phases without a canary', () => {
    const due = (world: World): boolean => checksDue({ ...observe(world), samples: undefined });
    const world = step(worldAt(25)).world;
    expect([due(later(world, 9_000)), due(later(world, 10_000))]).to.deep.equal([false, true]);
    expect(due(later(world, -86_400_000)), 'the clock went back a day').to.equal(true);
    expect([due(adoptedWorld()), due(zeroed()), due(later(freshWorld(), 99_000))]).to.deep.equal([false, false, false]);
  });

  it('asks over what the step has seen, five minutes at most', () => {
    const windows = [1_000, 30_000, 3_600_000].map((ms) => checkWindowMs(observe(later(worldAt(25), ms))));
    expect(windows).to.deep.equal([2_000, 30_000, 300_000]);
  });

  it('keeps the sentinel looking while the canary has traffic or is not proven empty', () => {
    expect(sentinelDue(observe(worldAt(5)))).to.equal(true);
    expect(sentinelDue(observe(rolledBack()))).to.equal(true);
    expect(sentinelDue(observe(adoptedWorld()))).to.equal(false);
    expect(sentinelDue(observe(freshWorld())), 'the target serves, there is no canary').to.equal(false);
  });
});
