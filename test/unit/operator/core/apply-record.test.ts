/** Where one of our writes leads a run, and which writes on the route a run that does not know them may follow. */
import { expect } from 'chai';
import { applyRecord, onlyCondemn } from '../../../../operator/src/core/apply-record.ts';
import type { Observation, WriteRecord } from '../../../../operator/src/core/observation.ts';
import { type Run, runOf } from '../../../../operator/src/core/run.ts';
import type { Spec } from '../../../../operator/src/core/spec.ts';
import type { Status } from '../../../../operator/src/core/status.ts';
import { worldAt } from '../../../support/operator-core/doing.ts';
import { observe } from '../../../support/operator-core/seeing.ts';

const REVISION = 'aaaaaaaaa2';

type Ground = { readonly seen: Observation; readonly spec: Spec; readonly run: Run; readonly status: Status };

/** The run at 25 %, third of five steps. */
function ground(): Ground {
  const seen = observe(worldAt(25));
  if (seen.spec.kind !== 'valid' || seen.status === undefined) throw new Error('no world');
  return { seen, spec: seen.spec.spec, run: runOf(seen, seen.spec.spec), status: seen.status };
}

const at = (ms: number): string => new Date(ground().seen.nowMs + ms).toISOString();
const record = (change: Partial<WriteRecord>): WriteRecord => ({
  weight: 10,
  revision: REVISION,
  stepIndex: 1,
  decision: 'reduce',
  reason: 'Drifted',
  at: at(1_000),
  ...change,
});
const after = (change: Partial<WriteRecord>, before: Partial<Run> = {}, isSpecKnown = true): Run => {
  const { run, spec, seen } = ground();
  return applyRecord({ ...run, ...before }, record(change), isSpecKnown ? spec : undefined, seen);
};

describe('a write', () => {
  it('that holds moves nothing but the weight and its time, and keeps what the checkpoints were asked', () => {
    const checkpoints = { stepIndex: 3, sinceMs: 7 };
    const { run } = ground();
    const hold = { decision: 'hold', reason: 'FenceNotClaimed', weight: 25 } as const;
    expect(after(hold, { checkpoints })).to.deep.equal({ ...run, weight: 25, writtenAt: at(1_000), checkpoints });
    expect(after({ decision: 'reduce' }, { checkpoints }).checkpoints).to.equal(undefined);
  });

  it('enters the step that the schedule has, or keeps the figures of the last where nobody can read the schedule', () => {
    const advance = { decision: 'advance', reason: 'Advanced', weight: 50, stepIndex: 3 } as const;
    const before = { stepHoldMs: 7_000, stepCheckEveryMs: 9_000 };
    const startMs = Date.parse(at(1_000));
    const entered = { stepIndex: 3, stepStartedAtMs: startMs };
    expect(after(advance, before)).to.include({ ...entered, stepHoldMs: 60_000, stepCheckEveryMs: 10_000 });
    expect(after(advance, before).nextCheckAtMs).to.equal(startMs + 10_000);
    for (const unread of [after(advance, before, false), after({ ...advance, stepIndex: 9 }, before)])
      expect(unread).to.include({ stepHoldMs: 7_000, stepCheckEveryMs: 9_000, nextCheckAtMs: startMs + 7_000 });
  });

  it('of the ceiling ends a promotion, and no rest', () => {
    const lowered = { decision: 'reduce', reason: 'MaxWeight', weight: 7, stepIndex: 1 } as const;
    const phases = (['Progressing', 'Promoting', 'Zeroed', 'RolledBack'] as const).map(
      (phase) => after(lowered, { phase }).phase,
    );
    expect(phases).to.deep.equal(['Progressing', 'Progressing', 'Zeroed', 'RolledBack']);
    expect(after(lowered)).to.deep.include({ loweredTo: 7, zero: undefined });
    expect(after({ ...lowered, weight: 0 }).zero?.stage).to.equal('route');
  });

  it('of a refused cohort remembers the cookie, where the spec still names one', () => {
    const refused = { decision: 'hold', reason: 'CohortRefused', weight: 25 } as const;
    const { run, spec, seen } = ground();
    const known = applyRecord(run, record(refused), { ...spec, cohortCookie: 'lk_bucket' }, seen);
    expect(known.cohortRefused).to.deep.equal({
      cookie: 'lk_bucket',
      message: 'a Gateway refused the route with our rules',
      at: at(1_000),
    });
    expect(known.stepStartedAtMs, 'the hold begins again').to.equal(Date.parse(at(1_000)));
    expect([after(refused).cohortRefused, after(refused, {}, false).cohortRefused]).to.deep.equal([
      undefined,
      undefined,
    ]);
  });

  it('of a P1 asks the on-call engineer about its own revision, and says nothing of another', () => {
    const zero = { decision: 'zero', reason: 'SeverityP1', weight: 0, stepIndex: 2 } as const;
    expect(after(zero)).to.deep.include({
      phase: 'Zeroed',
      approvalNeeded: { role: 'on-call', stepIndex: 2, sinceMs: Date.parse(at(1_000)) },
    });
    expect(after({ ...zero, revision: 'aaaaaaaaa9' })).to.include({ phase: 'Progressing', approvalNeeded: undefined });
  });

  it('of a new template begins its run, if that still is the target’s', () => {
    const anew = { decision: 'zero', reason: 'NewRevision', weight: 0, stepIndex: 0 } as const;
    expect(after({ ...anew, revision: REVISION }).stepStartedAtMs).to.equal(undefined);
    const { run, spec, seen } = ground();
    expect(after({ ...anew, revision: 'aaaaaaaaa9' }).stepIndex).to.equal(run.stepIndex);
    const lost = applyRecord(run, record(anew), spec, { ...seen, target: undefined });
    expect([lost.stepIndex, lost.weight]).to.deep.equal([run.stepIndex, 0]);
  });

  it('that condemns ends the run of its own revision, keeps every verdict once, and fifty of them', () => {
    const rollback = { decision: 'rollback', reason: 'SeverityP0', weight: 0 } as const;
    const own = after(rollback);
    expect([own.phase, own.zero?.stage]).to.deep.equal(['RolledBack', 'route']);
    expect(own.condemned).to.deep.equal([{ revision: REVISION, reason: 'SeverityP0', at: at(1_000) }]);
    expect(after(rollback, own).condemned).to.have.length(1);
    const other = after({ ...rollback, revision: 'aaaaaaaaa9' });
    expect([other.phase, other.condemned.map(({ revision }) => revision)]).to.deep.equal([
      'Progressing',
      ['aaaaaaaaa9'],
    ]);
    const many = Array.from({ length: 50 }, (_, index) => ({ revision: `${index}`, reason: 'SeverityP0', at: at(0) }));
    const { condemned } = after(rollback, { condemned: many });
    expect([condemned.length, condemned[0]?.revision, condemned.at(-1)?.revision]).to.deep.equal([50, '1', REVISION]);
  });

  it('from before the AuthRollout was made anew tells its weight, and what it condemned', () => {
    const { run } = ground();
    const fresh: Run = { ...run, phase: 'Initializing', condemned: [] };
    const written = { ...fresh, weight: 10, writtenAt: at(1_000) };
    expect(onlyCondemn(fresh, record({}))).to.deep.equal(written);
    const condemned = onlyCondemn(fresh, record({ decision: 'rollback', reason: 'SeverityP0' }));
    expect(condemned).to.deep.include({ phase: 'Initializing', weight: 10 });
    expect(condemned.condemned.map(({ revision }) => revision)).to.deep.equal([REVISION]);
  });
});

describe('a write that the status does not know', () => {
  const day = 86_400_000;
  const follow = (
    change: Partial<WriteRecord>,
    status: Partial<Status> = {},
  ): readonly [number | undefined, boolean] => {
    const { seen, spec, status: known } = ground();
    if (seen.route.kind !== 'programmable') throw new Error('no route');
    const write = JSON.stringify(record(change));
    const run = runOf({ ...seen, status: { ...known, ...status }, route: { ...seen.route, write } }, spec);
    return [run.weight, run.isAheadOfStatus];
  };
  const up = { decision: 'advance', reason: 'Advanced', weight: 50, stepIndex: 3 } as const;

  it('is followed up by the one step that the run could have taken', () => {
    expect(follow(up)).to.deep.equal([50, true]);
  });

  const edits: readonly (readonly [string, Partial<WriteRecord>, Partial<Status>])[] = [
    ['it is no advance', { ...up, decision: 'hold' }, {}],
    ['the run rests', up, { phase: 'Zeroed' }],
    ['it is of another revision', { ...up, revision: 'aaaaaaaaa9' }, {}],
    ['somebody is asked', up, { approvalNeeded: { role: 'on-call', stepIndex: 2, since: '2030-01-01T00:00:00.000Z' } }],
    [
      'a P0 has ended the revision',
      up,
      { condemned: [{ revision: REVISION, reason: 'SeverityP0', at: '2030-01-01T00:00:00.000Z' }] },
    ],
    ['it skips a step', { ...up, weight: 100, stepIndex: 4 }, {}],
    ['it is between two steps', { ...up, weight: 30 }, {}],
  ];
  for (const [why, change, status] of edits)
    it(`is not followed up where ${why}`, () => {
      expect(follow(change, status)).to.deep.equal([25, false]);
    });

  it('is not followed up where nobody can read the schedule', () => {
    const { seen } = ground();
    if (seen.route.kind !== 'programmable') throw new Error('no route');
    const run = runOf({ ...seen, route: { ...seen.route, write: JSON.stringify(record(up)) } }, undefined);
    expect([run.weight, run.isAheadOfStatus]).to.deep.equal([25, false]);
  });

  it('is followed down whatever it is', () => {
    expect(follow({ weight: 10, revision: 'aaaaaaaaa9', decision: 'hold' }, { phase: 'Zeroed' })).to.deep.equal([
      10,
      true,
    ]);
    expect(follow({ weight: 25 })).to.deep.equal([25, true]);
  });

  it('is followed from a clock that is a day ahead, and not more', () => {
    expect(follow({ at: at(day) })).to.deep.equal([10, true]);
    expect(follow({ at: at(day + 1) })).to.deep.equal([25, false]);
  });

  it('is followed as the adoption that it was, and as a verdict at most where it was none', () => {
    const status = { phase: 'Initializing', weight: 100 } as const;
    const { seen, spec, status: known } = ground();
    if (seen.route.kind !== 'programmable') throw new Error('no route');
    const write = JSON.stringify(record({ decision: 'promote', reason: 'Adopted', weight: 0 }));
    const run = runOf({ ...seen, status: { ...known, ...status }, route: { ...seen.route, write } }, spec);
    expect([run.weight, run.zero?.stage]).to.deep.equal([0, 'route']);
    expect(follow({ weight: 0, decision: 'zero', reason: 'SeverityP1' }, status)).to.deep.equal([0, true]);
  });
});

describe('a run without all of its status', () => {
  const read = (status: Status | undefined, change: Partial<Observation> = {}): Run => {
    const { seen, spec } = ground();
    return runOf({ ...seen, route: { kind: 'missing' }, ...change, status }, spec);
  };
  const stableAt = (revision: string): Partial<Observation> => {
    const { stable } = ground().seen;
    return { stable: stable && { ...stable, revision } };
  };

  it('is of the target’s revision, at no weight, and before its adoption', () => {
    expect(read(undefined)).to.include({ phase: 'Initializing', revision: REVISION, stepIndex: 0, weight: undefined });
    expect(read(undefined, { target: undefined }).revision).to.equal('');
    expect(read(undefined)).to.include({ stepHoldMs: 0, stepCheckEveryMs: 0, nextCheckAtMs: undefined });
    expect(read(undefined)).to.deep.include({ approvalsUsed: [], condemned: [], zero: undefined });
  });

  it('is under way where its status knows what stable was promoted to', () => {
    expect(read({ stableRevision: 'aaaaaaaaa1' }).phase).to.equal('Progressing');
    expect(read({ revision: REVISION }).phase).to.equal('Initializing');
    expect(read({ phase: 'Zeroed' }).phase).to.equal('Zeroed');
  });

  it('takes stable’s own label for what it was promoted to, but for an adoption and a promotion, which change it', () => {
    const known = (phase: Status['phase'], revision = 'aaaaaaaaa1'): string | undefined =>
      read(phase === undefined ? {} : { phase }, stableAt(revision)).stableRevision;
    expect(known('Progressing')).to.equal('aaaaaaaaa1');
    expect([known('Initializing'), known('Promoting'), known('Progressing', '')]).to.deep.equal([
      undefined,
      undefined,
      undefined,
    ]);
    expect(read({ phase: 'Progressing' }, { stable: undefined }).stableRevision).to.equal(undefined);
    expect(read({ phase: 'Progressing', stableRevision: 'aaaaaaaaa7' }).stableRevision).to.equal('aaaaaaaaa7');
  });
});
