import { expect } from 'chai';
import type { Approval } from '../../../../operator/src/core/approval.ts';
import type { JobView } from '../../../../operator/src/core/checkpoints.ts';
import { requeueAfterMs } from '../../../../operator/src/core/requeue.ts';
import { parseSpec } from '../../../../operator/src/core/spec.ts';
import { approvalFor, withApprovals } from '../../../support/operator-core/approving.ts';
import {
  asked,
  ended,
  figure,
  guarded,
  JOB,
  next,
  PERSON,
  QUERY,
  says,
  scheduleWith,
  told,
  word,
} from '../../../support/operator-core/asking.ts';
import { act, atWeight, inPhase, runUntil, step, think, worldAt } from '../../../support/operator-core/doing.ts';
import { observe } from '../../../support/operator-core/seeing.ts';
import { later, live, passesOver } from '../../../support/operator-core/situations.ts';
import { deploy, type Json, REVISION, SCHEDULE, specManifest } from '../../../support/operator-core/world.ts';

describe('a checkpoint before a step', () => {
  it('of a query opens within its bounds, both of them included, and stays shut outside', () => {
    for (const [value, weight] of [
      [0.99, 25],
      [1, 50],
      [5, 50],
      [5.01, 25],
    ] as const) {
      const world = passesOver({ ...asked(QUERY), ...figure(value) }, 4, 2_000);
      expect(live(world), `at ${value}`).to.equal(weight);
    }
    const shut = passesOver({ ...asked(QUERY), ...figure(7) }, 4, 2_000);
    expect(told(shut)).to.deep.equal([25, 'CheckpointNo', ['no']]);
    expect(shut.status?.lastDecision?.message).to.equal(
      'before step 4 (50%): capacity says no (7, wanted at least 1, at most 5)',
    );
  });

  it('of a query that is no number, several or none holds, and lowers nothing', () => {
    for (const why of ['NotANumber', 'SeveralSeries', 'NoData', 'PrometheusUnreachable'] as const) {
      const world = passesOver({ ...asked(QUERY), figure: { kind: 'unknown', why } }, 5, 10_000);
      expect(told(world)).to.deep.equal([25, 'CheckpointUnknown', [why]]);
    }
    const nan = passesOver({ ...asked(QUERY), ...figure(Number.NaN) }, 4, 2_000);
    expect(told(nan)).to.deep.equal([25, 'CheckpointUnknown', ['NotANumber']]);
  });

  it('of a Job opens with one that was made after it was asked for, is complete, and not long ago', () => {
    const world = asked(JOB);
    expect(told(world)).to.deep.equal([25, 'CheckpointPending', ['JobMissing']]);
    const sinceMs = Date.parse(world.status?.checkpoints?.since ?? '');
    const cases: readonly (readonly [Partial<Extract<JobView, { kind: 'found' }>>, string])[] = [
      [{ createdAtMs: sinceMs - 86_400_000 }, 'JobTooEarly'],
      [{ createdAtMs: sinceMs - 1_001 }, 'JobTooEarly'],
      [{ ended: undefined }, 'JobRunning'],
      [{ ended: { how: 'Complete', atMs: world.nowMs - 600_000 } }, 'JobTooOld'],
      [{ revision: REVISION(1) }, 'JobOfOtherRevision'],
      [{ ended: { how: 'Failed', atMs: world.nowMs } }, 'no'],
    ];
    for (const [change, why] of cases) {
      const after = passesOver(ended(world, change), 3, 1_000);
      expect(told(after)[2], why).to.deep.equal([why]);
      expect(live(after)).to.equal(25);
    }
    expect(live(passesOver(ended(world, { revision: REVISION(2) }), 4, 2_000))).to.equal(50);
    expect(live(passesOver(ended(world), 4, 2_000))).to.equal(50);
  });

  it('of a person opens with the newest word of his role, for this revision, step and name, guarded', () => {
    const world = later(asked(PERSON), 2_000);
    expect(told(world)).to.deep.equal([25, 'CheckpointNeedsPerson', ['NotAnswered']]);
    expect(world.status?.lastDecision?.message).to.include(
      'kubectl authrollout approve api --checkpoint go-live --as team-lead --reason "…"',
    );
    const { checkpoint: _none, ...anApproval } = word(world);
    const unfit: readonly Approval[] = [
      anApproval,
      word(world, { checkpoint: 'other' }),
      word(world, { role: 'on-call' }),
      word(world, { stepIndex: 2 }),
      word(world, { revision: REVISION(1) }),
      word(world, { createdAtMs: Date.parse(world.status?.checkpoints?.since ?? '') - 1_001 }),
      word(world, { expiresAtMs: world.nowMs }),
    ];
    for (const one of unfit)
      expect(told(next(says(world, one)))).to.deep.equal([25, 'CheckpointNeedsPerson', ['NotAnswered']]);
    const no = word(world, { answer: 'no', uid: 'no', reason: 'not before lunch' });
    const refused = next(says(world, word(world, { createdAtMs: no.createdAtMs - 1_000, uid: 'a' }), no));
    expect(told(refused)).to.deep.equal([25, 'CheckpointNo', ['no']]);
    expect(refused.status?.lastDecision?.message).to.include(
      'go-live says no (engineer as team-lead: not before lunch)',
    );
    const sameSecond = word(world, { uid: 'z' });
    for (const both of [
      [no, sameSecond],
      [sameSecond, no],
    ])
      expect(told(next(says(world, ...both)))[1]).to.equal('CheckpointNo');
    const yes = word(world, { createdAtMs: no.createdAtMs + 2_000, uid: 'yes' });
    const opened = passesOver(says(refused, no, yes), 4, 2_000);
    expect(live(opened)).to.equal(50);
    expect(opened.status?.approvalsUsed?.map(({ uid }) => uid)).to.deep.equal(['yes']);
    expect(opened.status?.history?.find(({ message }) => message.includes('to 50%'))?.message).to.include(
      'yes: go-live (engineer as team-lead: a slow disk, replaced)',
    );
  });

  it('does not take a word that nothing guards, now or when the guard is back', () => {
    const world = later(asked(PERSON), 2_000);
    const forged = word(world);
    const found = next(withApprovals(world, [forged], 'missing'));
    expect(told(found)).to.deep.equal([25, 'ApprovalsUnguarded', ['Unguarded']]);
    const back = next(says(found, forged));
    expect(told(back)).to.deep.equal([25, 'CheckpointNeedsPerson', ['NotAnswered']]);
    const blind = next({ ...world, approvals: { kind: 'unknown', why: 'ERR_API_DEADLINE' } });
    expect(told(blind)).to.deep.equal([25, 'ApprovalsUnknown', ['ERR_API_DEADLINE']]);
  });

  it('never lets a word at a checkpoint count after a P1, or a no for anything but a checkpoint', () => {
    const zeroed = runUntil({ ...worldAt(50), health: 'P1' }, inPhase('Zeroed'));
    const waiting = { ...next(zeroed), health: 'good' as const };
    const at = approvalFor(waiting);
    for (const wrong of [
      { ...at, checkpoint: 'go-live' },
      { ...at, answer: 'no' as const },
    ])
      expect(next(says(waiting, wrong)).status?.phase).to.equal('Zeroed');
    expect(next(says(waiting, at)).status?.phase).to.equal('Progressing');
  });

  it('opens only when every one of several says yes in one and the same pass', () => {
    const world = later(asked(QUERY, JOB, PERSON), 2_000);
    const yes = { ...says(ended(world), word(world)), ...figure(2) };
    expect(live(passesOver(yes, 4, 2_000))).to.equal(50);
    for (const one of [{ ...yes, ...figure(9) }, { ...yes, job: world.job }, says(yes)]) {
      const shut = passesOver(one, 4, 2_000);
      expect(live(shut)).to.equal(25);
      expect(live(passesOver({ ...yes, status: shut.status, nowMs: shut.nowMs }, 4, 2_000)), 'then').to.equal(50);
    }
    // Each yes in turn, never together: what was said before is not kept.
    let turn = { ...world, ...figure(2) };
    turn = passesOver(turn, 3, 2_000);
    turn = passesOver({ ...ended(turn), ...figure(9) }, 3, 2_000);
    turn = passesOver({ ...says(turn, word(turn)), job: world.job }, 3, 2_000);
    expect(live(turn)).to.equal(25);
  });

  it('is asked for at weight 0 too, before the first step', () => {
    const [first, ...rest] = SCHEDULE;
    const spec = specManifest({ schedule: [{ ...first, checkpoints: [PERSON] }, ...rest] });
    const waiting = passesOver(deploy({ ...worldAt(100), spec }, 3), 5, 2_000);
    expect([live(waiting), waiting.status?.lastDecision?.reason]).to.deep.equal([0, 'CheckpointNeedsPerson']);
    const { pass } = step(later(waiting, 1_000));
    expect(requeueAfterMs(pass.observation, pass.decision, { kind: 'done' })).to.equal(15_000);
    const go = says(waiting, word(waiting, { stepIndex: 0 }));
    expect(live(passesOver(go, 5, 2_000))).to.equal(5);
  });

  it('is not put before the hold is over: who says go by then has not seen it', () => {
    const early = later(guarded(worldAt(25), PERSON), 30_000);
    expect(step(early).world.status?.checkpoints).to.equal(undefined);
    const eager = word(early);
    const over = passesOver(says(later(early, 31_000), eager), 4, 2_000);
    expect(told(over)).to.deep.equal([25, 'CheckpointNeedsPerson', ['NotAnswered']]);
    expect(live(passesOver(says(over, eager, word(over)), 4, 2_000))).to.equal(50);
  });

  it('is put anew for another revision: what was made for the one before counts for nothing', () => {
    const [first, ...rest] = SCHEDULE;
    const spec = specManifest({ schedule: [{ ...first, checkpoints: [JOB] }, ...rest] });
    const waiting = passesOver(deploy({ ...worldAt(100), spec }, 3), 5, 2_000);
    const verified = ended({ ...waiting, podsStart: false, target: waiting.target && { ...waiting.target, ready: 0 } });
    const replaced = passesOver({ ...deploy(later(verified, 5_000), 4), podsStart: true }, 5, 2_000);
    expect([replaced.status?.revision, ...told(replaced)]).to.deep.equal([
      REVISION(4),
      0,
      'CheckpointPending',
      ['JobTooEarly'],
    ]);
  });

  it('asks anew, and forgets what was said, when the step is lost and reached again', () => {
    const world = asked(QUERY, JOB);
    const first = Date.parse(world.status?.checkpoints?.since ?? '');
    const lowered = next({ ...world, spec: specManifest({ ...scheduleWith(QUERY, JOB), maxWeight: 10 }) });
    expect([live(lowered), lowered.status?.checkpoints]).to.deep.equal([10, undefined]);
    const again = passesOver(
      { ...ended(guarded(lowered, QUERY, JOB), { createdAtMs: first + 1_000 }), ...figure(2) },
      20,
      12_000,
    );
    expect(told(again)).to.deep.equal([25, 'CheckpointPending', ['yes', 'JobTooEarly']]);
    expect(Date.parse(again.status?.checkpoints?.since ?? '')).to.be.greaterThan(first + 60_000);
  });

  it('keeps its beginning through a new leader, a blind moment and a refused write', () => {
    const world = asked(PERSON);
    const since = world.status?.checkpoints?.since;
    const blind = passesOver({ ...world, health: 'blind' }, 3, 2_000);
    const led = passesOver({ ...blind, health: 'good', leaseToken: 2 }, 5, 2_000);
    expect([since, led.status?.checkpoints?.since]).to.deep.equal([since, since]);
    const go = says(led, word(led));
    const ripe = runUntil(go, (one) => think(observe(later(one, 2_000))).decision.kind === 'advance');
    const pass = think(observe(later(ripe, 2_000)));
    const { route } = ripe;
    const moved = { ...later(ripe, 2_000), route: route && { ...route, annotations: {} } };
    expect(act(moved, pass).outcome.kind).to.equal('conflict');
    expect(live(passesOver(ripe, 5, 2_000)), 'the go still counts').to.equal(50);
  });

  it('is not kept across a crash between its yes and the route, and nothing rises twice', () => {
    const ripe = runUntil({ ...asked(QUERY), ...figure(2) }, (one) => {
      return think(observe(later(one, 2_000))).decision.kind === 'advance';
    });
    const crashed = act(later(ripe, 2_000), think(observe(later(ripe, 2_000))), 0).world;
    expect(live(passesOver({ ...crashed, ...figure(9) }, 4, 2_000))).to.equal(25);
    const written = act(later(ripe, 2_000), think(observe(later(ripe, 2_000)))).world;
    const recovered = passesOver({ ...written, ...figure(9) }, 3, 2_000);
    expect([live(recovered), recovered.status?.checkpoints]).to.deep.equal([50, undefined]);
  });

  it('does not count an answer from before the samples, or to another question', () => {
    const ripe = runUntil({ ...asked(QUERY), ...figure(2) }, (one) => {
      return think(observe(later(one, 2_000))).decision.kind === 'advance';
    });
    const seen = observe(later(ripe, 2_000));
    const [fact] = seen.checkpoints ?? [];
    if (fact === undefined) throw new Error('nothing was asked');
    expect(think(seen).decision.kind).to.equal('advance');
    for (const change of [{ takenAtMs: seen.nowMs - 3_001 }, { asked: 'another' }, { name: 'other' }]) {
      const { decision } = think({ ...seen, checkpoints: [{ ...fact, ...change }] });
      expect([decision.kind, decision.reason]).to.deep.equal(['hold', 'CheckpointPending']);
    }
  });

  it('that says yes is followed by a check at once, not at the next one that was due', () => {
    const world = asked(PERSON);
    const slow = {
      ...world,
      status: { ...world.status, nextCheckAt: new Date(world.nowMs + 200_000).toISOString() },
    };
    expect(live(passesOver(says(slow, word(slow)), 2, 1_000))).to.equal(50);
  });

  it('says the same again without a word in the status', () => {
    const world = next({ ...asked(QUERY, PERSON), ...figure(2) });
    const again = next(world);
    expect(again.status?.checkpoints).to.deep.equal(world.status?.checkpoints);
    expect(again.status?.lastDecision).to.deep.equal(world.status?.lastDecision);
  });

  it('reaches the end of the schedule with every answer given', () => {
    const world = runUntil({ ...guarded(worldAt(5), QUERY), ...figure(2) }, inPhase('Succeeded'));
    expect(world.stable?.revision).to.equal(REVISION(2));
    expect(runUntil(guarded(worldAt(5), JOB), atWeight(25)).status?.phase, 'its own step alone').to.equal(
      'Progressing',
    );
  });
});

describe('the manifest of a checkpoint', () => {
  const violations = (...checkpoints: readonly Json[]): readonly string[] => {
    const reading = parseSpec(specManifest(scheduleWith(...checkpoints)));
    return reading.kind === 'valid' ? [] : reading.violations;
  };

  it('is exactly one of query, job and person, with a name of its own and figures that can be met', () => {
    expect(violations(QUERY, JOB, PERSON)).to.deep.equal([]);
    expect(violations({ name: 'x' })).to.deep.equal([
      'spec.schedule[3].checkpoints[0]: name exactly one of query, job and person',
    ]);
    expect(violations({ ...QUERY, person: { role: 'on-call' } })[0]).to.match(/exactly one/);
    expect(violations(QUERY, QUERY)[0]).to.match(/a name of its own/);
    expect(violations({ name: 'x', query: { promql: 'up' } })[0]).to.match(/set atLeast, atMost or both/);
    expect(violations({ name: 'x', query: { promql: 'up', atLeast: 2, atMost: 1 } })[0]).to.match(/no greater/);
    for (const freshFor of ['25h', '0s'])
      expect(violations({ name: 'x', job: { name: 'y', freshFor } })[0]).to.match(/freshFor/);
    expect(violations(...Array.from({ length: 6 }, (_, index) => ({ ...JOB, name: `j${index}` })))[0]).to.match(/5/);
  });
});
