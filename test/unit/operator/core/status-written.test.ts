/** What of a pass the status keeps: the run as far as it was carried out, the newest checks, answers and decisions, each within its bounds. */
import { expect } from 'chai';
import type { CheckpointAnswer } from '../../../../operator/src/core/checkpoints.ts';
import type { CheckResult } from '../../../../operator/src/core/checks.ts';
import type { Decision } from '../../../../operator/src/core/decide.ts';
import type { Judgement } from '../../../../operator/src/core/judge.ts';
import type { Observation } from '../../../../operator/src/core/observation.ts';
import type { Outcome } from '../../../../operator/src/core/plan.ts';
import type { Run } from '../../../../operator/src/core/run.ts';
import type { Status } from '../../../../operator/src/core/status.ts';
import { nextStatus } from '../../../../operator/src/core/status-from.ts';
import { type Pass, think, worldAt } from '../../../support/operator-core/doing.ts';
import { observe } from '../../../support/operator-core/seeing.ts';
import { failed, PASS } from '../../../support/operator-core/situations.ts';
import type { World } from '../../../support/operator-core/world.ts';

type Change = {
  readonly world?: World;
  readonly seen?: Partial<Observation>;
  readonly status?: Partial<Status>;
  readonly decision?: Partial<Decision>;
  readonly judgement?: Partial<Judgement>;
  readonly run?: Partial<Run>;
  readonly outcome?: Outcome;
};
const pass = (world = worldAt(25)): Pass => think(observe(world));

function written({ world, seen, status, decision, judgement, run, outcome }: Change): Status {
  const done = pass(world);
  const before = { ...done.observation.status, ...status };
  return nextStatus(
    { ...done.observation, status: before, ...seen },
    { ...done.judgement, ...judgement },
    { ...done.decision, ...decision, run: { ...done.decision.run, ...run } },
    outcome ?? { kind: 'done' },
  );
}

describe('a pass that was not carried out', () => {
  const sick = (): World => ({ ...worldAt(25), health: 'P0' });
  const conflict = (at: number): Outcome => ({ kind: 'conflict', at, code: 'TestFailed' });

  it('has not moved the run where the route’s write failed, and has condemned all the same', () => {
    const status = written({ world: sick(), outcome: conflict(0) });
    expect(status).to.include({ phase: 'Progressing', weight: 25 });
    expect(status.condemned?.map(({ revision }) => revision)).to.deep.equal(['aaaaaaaaa2']);
    const { spec } = pass(sick()).observation;
    const usable = spec.kind === 'valid' ? spec.spec : undefined;
    const invalid = written({
      world: sick(),
      outcome: conflict(0),
      seen: { spec: { kind: 'invalid', violations: [], usable } },
    });
    expect(invalid).to.include({ phase: 'Progressing', weight: 25, stepHold: '1m' });
  });

  it('has moved it where a later write failed, or none was due', () => {
    expect(written({ world: sick(), outcome: conflict(1) })).to.include({ phase: 'RolledBack', weight: 0 });
    const run = { blindSinceMs: 0 };
    expect(written({ run, outcome: conflict(0) }).blindSince).to.equal('1970-01-01T00:00:00.000Z');
  });
});

describe('the run in a status', () => {
  it('tells of a step, a question, a zero and lists only what there is', () => {
    const bare = written({ run: { stepStartedAtMs: undefined, nextCheckAtMs: undefined } });
    expect(bare).to.not.have.any.keys('stepStartedAt', 'stepHold', 'stepCheckEvery', 'nextCheckAt', 'approvalsUsed');
    expect(bare).to.not.have.any.keys('approvalNeeded', 'condemned', 'zero', 'drift', 'checkpoints');
    const zero = { requestedAtMs: 0, stage: 'route', provenAtMs: undefined } as const;
    expect(written({ run: { zero } }).zero).to.deep.equal({ requestedAt: '1970-01-01T00:00:00.000Z', stage: 'route' });
    expect(written({ run: { zero: { ...zero, provenAtMs: 1 } } }).zero?.provenAt).to.equal('1970-01-01T00:00:00.001Z');
    const spent = [{ uid: 'a', by: 'engineer', role: 'on-call' as const }];
    expect(written({ run: { approvalsUsed: spent } }).approvalsUsed).to.deep.equal(spent);
    expect(written({ run: { phase: 'Zeroed' } })).to.not.have.property('nextCheckAt');
  });
});

describe('the newest checks in a status', () => {
  const lastCheck = { at: '2030-01-01T00:00:00.000Z', results: [] };
  const checked = (change: Change): Status['lastCheck'] => written({ status: { lastCheck }, ...change }).lastCheck;
  const sources = (change: Change): string => {
    const found = checked(change);
    return found === lastCheck ? 'as before' : (found?.results ?? []).map(({ check }) => check).join();
  };
  const judged = (check: CheckResult['check']): Judgement['step'] => {
    const { verdict, results } = failed('P1');
    return { verdict, results: results.map((result) => ({ ...result, check })) };
  };
  const [sentinel, alerts, step] = [judged('dataLoss'), judged('alerts'), judged('latencyP95')];

  it('are those that decided: the sentinel’s, the alerts’ of a move, or the step’s', () => {
    const all = { ...(sentinel && { sentinel }), ...(alerts && { alerts }), step };
    const severe = { severity: 'P1', kind: 'zero' } as const;
    expect(sources({ judgement: all, decision: severe })).to.equal('dataLoss');
    expect(sources({ judgement: { ...all, sentinel: PASS }, decision: severe })).to.equal('alerts');
    expect(sources({ judgement: { ...all, sentinel: PASS }, decision: { ...severe, kind: 'rollback' } })).to.equal(
      'alerts',
    );
    expect(sources({ judgement: { ...all, sentinel: PASS }, decision: { ...severe, kind: 'hold' } })).to.equal(
      'latencyP95',
    );
    expect(sources({ judgement: { ...all, sentinel: PASS }, decision: { ...severe, severity: 'P0' } })).to.equal(
      'latencyP95',
    );
    expect(sources({ judgement: { ...all, alerts: PASS, sentinel: PASS }, decision: severe })).to.equal('latencyP95');
    expect(sources({ judgement: all, decision: { severity: undefined } })).to.equal('latencyP95');
    expect(sources({ judgement: { ...all, sentinel: PASS }, decision: { ...severe, severity: undefined } })).to.equal(
      'latencyP95',
    );
  });

  it('stay as they are while none run, and go with a new revision', () => {
    expect(sources({ judgement: { step: undefined } })).to.equal('as before');
    expect(checked({ judgement: { step: undefined }, decision: { reason: 'NewRevision' } })).to.equal(undefined);
    expect(checked({ judgement: { step: undefined }, seen: { status: undefined } })).to.equal(undefined);
  });

  it('are ten at most, with figures of 32 letters, and without what is not known', () => {
    const figures = { check: 'errorRate', source: 'prometheus', windowMs: 1 } as const;
    const long: CheckResult = {
      ...figures,
      verdict: { kind: 'fail', severity: 'P3' },
      value: 'v'.repeat(40),
      threshold: 't'.repeat(40),
      requests: 7,
    };
    const results = [
      long,
      {
        ...figures,
        verdict: { kind: 'unknown', why: 'NoData' },
        value: undefined,
        threshold: undefined,
        requests: undefined,
      },
      ...Array.from({ length: 10 }, () => long),
    ] as const;
    const shown = checked({ judgement: { step: { verdict: { kind: 'pass' }, results } } })?.results;
    expect(shown).to.have.length(10);
    expect(shown?.[0]).to.deep.equal({
      check: 'errorRate',
      verdict: 'fail',
      severity: 'P3',
      value: 'v'.repeat(32),
      threshold: 't'.repeat(32),
      requests: 7,
    });
    expect(shown?.[1]).to.deep.equal({ check: 'errorRate', verdict: 'unknown', why: 'NoData' });
  });
});

describe('the severity in a status', () => {
  const severity = (change: Change): Status['severity'] => written({ status: { severity: 'P3' }, ...change }).severity;
  const unchecked = { judgement: { step: undefined } };

  it('is that of the phase, of the decision, of the checks, or as it was while a run waits for them', () => {
    expect([severity({ run: { phase: 'RolledBack' } }), severity({ run: { phase: 'Zeroed' } })]).to.deep.equal([
      'P0',
      'P1',
    ]);
    expect(severity({ decision: { severity: 'P2' }, judgement: { step: failed('P3') } })).to.equal('P2');
    expect([severity({ judgement: { step: failed('P3') } }), severity({ judgement: { step: PASS } })]).to.deep.equal([
      'P3',
      'None',
    ]);
    expect(severity(unchecked)).to.equal('P3');
    expect(severity({ ...unchecked, decision: { reason: 'NewRevision' } })).to.equal('None');
    expect(severity({ ...unchecked, run: { phase: 'Succeeded' } })).to.equal('None');
    expect(severity({ ...unchecked, seen: { status: undefined } })).to.equal('None');
    expect(severity({ ...unchecked, seen: { status: {} } })).to.equal('None');
  });
});

describe('the answers of checkpoints in a status', () => {
  const run = { checkpoints: { stepIndex: 3, sinceMs: 0 } };
  const since = '1970-01-01T00:00:00.000Z';
  const query: CheckpointAnswer = {
    name: 'q',
    kind: 'query',
    answer: 'yes',
    value: '2',
    by: 'prometheus',
    atMs: 5_000,
  };
  const [first, later] = ['1970-01-01T00:00:01.000Z', '1970-01-01T00:00:05.000Z'];
  const { atMs: _atMs, ...shown } = query;
  const known = { ...shown, at: first };
  const answers = (checkpoints: readonly CheckpointAnswer[] | undefined, change: Change = {}): unknown =>
    written({
      run,
      status: { checkpoints: { stepIndex: 3, since, answers: [known] } },
      judgement: { step: undefined, ...(checkpoints && { checkpoints }) },
      ...change,
    }).checkpoints?.answers;

  it('stay while nobody asks, and go with their step, their question and their run', () => {
    expect(answers(undefined)).to.deep.equal([known]);
    const other = { checkpoints: { stepIndex: 4, sinceMs: 0 } };
    expect(answers(undefined, { run: other })).to.deep.equal([]);
    expect(answers(undefined, { seen: { status: undefined } })).to.deep.equal([]);
    expect(answers(undefined, { run: { checkpoints: undefined } })).to.equal(undefined);
    expect(answers(undefined, { run: { ...run, phase: 'Zeroed' } })).to.equal(undefined);
    expect(written({ run }).checkpoints).to.deep.include({ stepIndex: 3, since });
  });

  it('keep the time at which a query first said so, and have that of any other word', () => {
    expect(answers([query])).to.deep.equal([known]);
    expect(answers([{ ...query, value: '3' }])).to.deep.equal([{ ...shown, value: '3', at: later }]);
    expect(answers([{ ...query, answer: 'no' }])).to.deep.equal([{ ...shown, answer: 'no', at: later }]);
    expect(answers([{ ...query, uid: 'x' }])).to.deep.equal([{ ...shown, uid: 'x', at: later }]);
    expect(answers([{ ...query, name: 'r' }])).to.deep.equal([{ ...shown, name: 'r', at: later }]);
    expect(answers([{ ...query, kind: 'job' }])).to.deep.equal([{ ...shown, kind: 'job', at: later }]);
    const unknown: CheckpointAnswer = { name: 'p', kind: 'person', answer: 'unknown', why: 'NotAnswered' };
    expect(answers([unknown])).to.deep.equal([unknown]);
    expect(answers([{ ...query, value: 'v'.repeat(1_500) }])).to.deep.equal([
      { ...shown, value: 'v'.repeat(1_200), at: later },
    ]);
  });
});

describe('the decisions in a status', () => {
  const old = { decision: 'hold', reason: 'Holding', message: 'why', at: '2030-01-01T00:00:00.000Z' } as const;
  const said = (decision: Partial<Decision>, status: Partial<Status> = {}): Status =>
    written({ decision, status: { lastDecision: old, history: [old], ...status } });
  const same = { kind: 'hold', reason: 'Holding', message: 'why' } as const;

  it('keep the time at which each was first made', () => {
    const now = new Date(pass().observation.nowMs).toISOString();
    expect(said(same).lastDecision).to.deep.equal(old);
    for (const change of [{ kind: 'reduce' }, { reason: 'Paused' }, { message: 'other' }] as const)
      expect(said({ ...same, ...change }).lastDecision?.at).to.equal(now);
    expect(said({ ...same, message: 'x'.repeat(2_000) }).lastDecision?.message).to.have.length(1_024);
  });

  it('are told in the history when kind or reason change, and each move on its own', () => {
    const length = (decision: Partial<Decision>, history: Status['history']): number | undefined =>
      said(decision, { history }).history?.length;
    expect([length(same, [old]), length({ ...same, message: 'other' }, [old])]).to.deep.equal([1, 1]);
    expect([length({ ...same, reason: 'Paused' }, [old]), length({ ...same, kind: 'zero' }, [old])]).to.deep.equal([
      2, 2,
    ]);
    for (const decision of ['advance', 'reduce'] as const) {
      const move = { ...old, decision };
      const again = { ...same, kind: decision };
      expect([length(again, [move]), length({ ...again, message: 'other' }, [move])]).to.deep.equal([1, 2]);
    }
    expect(length(same, undefined)).to.equal(1);
    const { history } = said({ ...same, reason: 'Paused' }, { history: Array.from({ length: 10 }, () => old) });
    expect([history?.length, history?.at(-1)?.reason]).to.deep.equal([10, 'Paused']);
  });
});
