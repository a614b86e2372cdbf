/** What is asked before a step, since when, and what the facts of a pass answer. */
import { expect } from 'chai';
import type { ApprovalsView } from '../../../../operator/src/core/approval.ts';
import {
  type CheckpointAnswer,
  type CheckpointFact,
  type CheckpointQuestion,
  type JobView,
  judgeCheckpoints,
  questionOf,
} from '../../../../operator/src/core/checkpoints.ts';
import type { Observation, Sample } from '../../../../operator/src/core/observation.ts';
import { type Run, runOf } from '../../../../operator/src/core/run.ts';
import type { Spec } from '../../../../operator/src/core/spec.ts';
import { guarded, JOB, PERSON, QUERY, word } from '../../../support/operator-core/asking.ts';
import { worldAt } from '../../../support/operator-core/doing.ts';
import { observe } from '../../../support/operator-core/seeing.ts';
import { later } from '../../../support/operator-core/situations.ts';
import type { World } from '../../../support/operator-core/world.ts';

const ripe = (): World => later(guarded(worldAt(25), QUERY, JOB, PERSON), 61_000);

function ground(): { readonly seen: Observation; readonly spec: Spec; readonly run: Run } {
  const seen = observe(ripe());
  if (seen.spec.kind !== 'valid') throw new Error('spec');
  return { seen, spec: seen.spec.spec, run: runOf(seen, seen.spec.spec) };
}

describe('the question before a step', () => {
  const question = (change: Partial<Run> = {}, limit: Partial<Spec> = {}): CheckpointQuestion | undefined => {
    const { seen, spec, run } = ground();
    return questionOf({ ...run, checkpoints: undefined, ...change }, { ...spec, ...limit }, seen.nowMs);
  };

  it('is put when the hold is over, not a moment before', () => {
    const { seen, run } = ground();
    const atEnd = { stepStartedAtMs: seen.nowMs - run.stepHoldMs };
    expect(question(atEnd)).to.deep.include({ stepIndex: 3, sinceMs: seen.nowMs });
    expect(question({ stepStartedAtMs: atEnd.stepStartedAtMs + 1 })).to.equal(undefined);
    expect(question({ stepStartedAtMs: undefined })?.stepIndex).to.equal(3);
  });

  it('is none in another phase, beside a question to a person, or above the ceiling', () => {
    expect(question({ phase: 'Promoting' })).to.equal(undefined);
    expect(question({ approvalNeeded: { role: 'on-call', stepIndex: 2, sinceMs: 1 } })).to.equal(undefined);
    expect([question({}, { maxWeight: 49 }), question({}, { maxWeight: 50 })?.stepIndex]).to.deep.equal([undefined, 3]);
    expect([question({ weight: 5 }), question({ weight: 100 })]).to.deep.equal([undefined, undefined]);
  });

  it('keeps its beginning, which is never later than now; that of another step is not its own', () => {
    const { nowMs } = ground().seen;
    const since = (stepIndex: number, sinceMs: number): number | undefined =>
      question({ checkpoints: { stepIndex, sinceMs } })?.sinceMs;
    expect([since(3, nowMs - 9), since(3, nowMs + 9), since(2, nowMs - 9)]).to.deep.equal([nowMs - 9, nowMs, nowMs]);
  });
});

const answers = (
  facts: readonly CheckpointFact[],
  approvals?: ApprovalsView,
  sinceMs?: number,
): readonly CheckpointAnswer[] => {
  const { seen } = ground();
  const since = new Date(sinceMs ?? seen.nowMs - 60_000).toISOString();
  const status = { ...seen.status, checkpoints: { stepIndex: 3, since, answers: [] } };
  return judgeCheckpoints({ ...seen, status, checkpoints: facts, approvals }) ?? [];
};
type Asked = Pick<CheckpointFact, 'name' | 'asked' | 'takenAtMs'>;
const query = (sample: Sample, change: Partial<Asked> = {}): CheckpointFact => ({
  name: 'capacity',
  asked: 'load',
  takenAtMs: ground().seen.nowMs,
  kind: 'query',
  sample,
  ...change,
});
const job = (view: JobView, change: Partial<Asked> = {}): CheckpointFact => ({
  name: 'verify',
  asked: 'verify-0021',
  takenAtMs: ground().seen.nowMs,
  kind: 'job',
  job: view,
  ...change,
});

describe('the answer of a query', () => {
  const answer = (sample: Sample, change: Partial<Asked> = {}): CheckpointAnswer | undefined =>
    answers([query(sample, change)])[0];

  it('is the figure beside its bounds, and when it was taken', () => {
    const said = { name: 'capacity', kind: 'query', threshold: 'at least 1, at most 5', by: 'prometheus' };
    const atMs = ground().seen.nowMs;
    expect(answer({ kind: 'value', value: 2 })).to.deep.equal({ ...said, answer: 'yes', value: '2', atMs });
    expect(answer({ kind: 'value', value: 0.5 })).to.deep.equal({ ...said, answer: 'no', value: '0.5', atMs });
  });

  it('is unknown with the reason, beside its bounds', () => {
    const said = { name: 'capacity', kind: 'query', answer: 'unknown', threshold: 'at least 1, at most 5' };
    expect(answer({ kind: 'unknown', why: 'NoData' })).to.deep.equal({ ...said, why: 'NoData' });
    expect(answer({ kind: 'value', value: Number.POSITIVE_INFINITY })).to.deep.equal({ ...said, why: 'NotANumber' });
  });

  it('is none where the figure is older than three seconds, or of something else', () => {
    const { nowMs } = ground().seen;
    const why = (change: Partial<Asked>): string | undefined => {
      const found = answer({ kind: 'value', value: 2 }, change);
      return found?.why ?? found?.answer;
    };
    expect([why({ takenAtMs: nowMs - 3_000 }), why({ takenAtMs: nowMs - 3_001 })]).to.deep.equal(['yes', 'NotAsked']);
    expect([why({ asked: 'up' }), why({ name: 'other' })]).to.deep.equal(['NotAsked', 'NotAsked']);
    expect(answers([job({ kind: 'missing' }, { name: 'capacity', asked: 'load' })])[0]?.why).to.equal('NotAsked');
  });

  it('needs the one bound that the manifest names', () => {
    const { seen } = ground();
    const bound = (bounds: object, value: number): string => {
      const { spec } = observe(
        later(guarded(worldAt(25), { name: 'q', query: { promql: 'load', ...bounds } }), 61_000),
      );
      const fact = query({ kind: 'value', value }, { name: 'q' });
      const [found] = judgeCheckpoints({ ...seen, spec, checkpoints: [fact] }) ?? [];
      return `${found?.answer} ${found?.threshold}`;
    };
    expect([bound({ atMost: 5 }, -9), bound({ atMost: 5 }, 6)]).to.deep.equal(['yes at most 5', 'no at most 5']);
    expect([bound({ atLeast: 1 }, 99), bound({ atLeast: 1 }, 0)]).to.deep.equal(['yes at least 1', 'no at least 1']);
  });
});

describe('the answer of a Job', () => {
  const found = (change: Partial<Extract<JobView, { kind: 'found' }>>): JobView => ({
    kind: 'found',
    uid: 'job-1',
    revision: undefined,
    createdAtMs: ground().seen.nowMs,
    ended: { how: 'Complete', atMs: ground().seen.nowMs - 7 },
    ...change,
  });
  const answer = (view: JobView, sinceMs?: number): CheckpointAnswer | undefined =>
    answers([job(view)], undefined, sinceMs)[1];
  const wordOf = (view: JobView, sinceMs?: number): string | undefined => {
    const said = answer(view, sinceMs);
    return said?.why ?? said?.answer;
  };

  it('is how it ended, by its name and its uid', () => {
    const { nowMs } = ground().seen;
    const said = { name: 'verify', kind: 'job', by: 'Job verify-0021', uid: 'job-1', atMs: nowMs - 7 };
    expect(answer(found({}))).to.deep.equal({ ...said, answer: 'yes', value: 'Complete' });
    const failed = found({ ended: { how: 'Failed', atMs: nowMs - 7 } });
    expect(answer(failed)).to.deep.equal({ ...said, answer: 'no', value: 'Failed' });
  });

  it('is unknown with the reason of the API server, and where there is none', () => {
    expect([wordOf({ kind: 'unknown', why: 'ERR_API_DEADLINE' }), wordOf({ kind: 'missing' })]).to.deep.equal([
      'ERR_API_DEADLINE',
      'JobMissing',
    ]);
  });

  it('counts from the second in which it was asked for, and for as long as it says', () => {
    const { nowMs } = ground().seen;
    const second = Math.floor(nowMs / 1_000) * 1_000;
    expect(wordOf(found({ createdAtMs: second }), second + 999)).to.equal('yes');
    expect(wordOf(found({ createdAtMs: second - 1 }), second + 999)).to.equal('JobTooEarly');
    const endedAt = (agoMs: number): JobView => found({ ended: { how: 'Complete', atMs: nowMs - agoMs } });
    expect([wordOf(endedAt(600_000)), wordOf(endedAt(600_001))]).to.deep.equal(['yes', 'JobTooOld']);
  });
});

describe('the answer of a person', () => {
  const answer = (approvals: ApprovalsView | undefined): CheckpointAnswer | undefined => answers([], approvals)[2];

  it('is his newest word', () => {
    const yes = word(ripe());
    const read = { kind: 'read', approvals: [yes], guard: 'stands' } as const;
    expect(answer(read)).to.deep.equal({
      name: 'go-live',
      kind: 'person',
      answer: 'yes',
      value: 'engineer as team-lead: a slow disk, replaced',
      by: 'engineer',
      uid: yes.uid,
      atMs: yes.createdAtMs,
    });
  });

  it('is unknown with the reason, and names the time of a word that nothing guards', () => {
    const said = { name: 'go-live', kind: 'person', answer: 'unknown' };
    expect(answer(undefined)).to.deep.equal({ ...said, why: 'NotAsked' });
    expect(answer({ kind: 'unknown', why: 'ERR_API' })).to.deep.equal({ ...said, why: 'ERR_API' });
    const yes = word(ripe());
    const forged = { kind: 'read', approvals: [yes], guard: 'missing' } as const;
    expect(answer(forged)).to.deep.equal({ ...said, why: 'Unguarded', atMs: yes.createdAtMs });
  });
});

describe('a pass that asks nothing', () => {
  it('has no answers: without facts, without a readable spec, without a question', () => {
    const { seen } = ground();
    expect(judgeCheckpoints(seen)).to.have.length(3);
    const { checkpoints: _facts, ...unasked } = seen;
    expect(judgeCheckpoints(unasked)).to.equal(undefined);
    const usable = seen.spec.kind === 'valid' ? seen.spec.spec : undefined;
    expect(judgeCheckpoints({ ...seen, spec: { kind: 'invalid', violations: [], usable } })).to.equal(undefined);
    expect(judgeCheckpoints({ ...seen, status: { ...seen.status, phase: 'Zeroed' } })).to.equal(undefined);
  });
});
