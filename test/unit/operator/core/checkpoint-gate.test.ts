/** What the gate before a step answers to each answer, in which words, and what a yes leaves behind. */
import { expect } from 'chai';
import {
  checkpointsOpen,
  describeCheckpoint,
  describeYes,
  spentAt,
} from '../../../../operator/src/core/checkpoint-gate.ts';
import { askedOf, type CheckpointAnswer } from '../../../../operator/src/core/checkpoints.ts';
import { runOf } from '../../../../operator/src/core/run.ts';
import { type Draft, type Scene, sceneOf } from '../../../../operator/src/core/scene.ts';
import { guarded, JOB, PERSON, QUERY } from '../../../support/operator-core/asking.ts';
import { worldAt } from '../../../support/operator-core/doing.ts';
import { observe } from '../../../support/operator-core/seeing.ts';
import { later, PASS, someSamples } from '../../../support/operator-core/situations.ts';

/** At 25 %, the hold over; the three checkpoints stand before 50 %. */
function sceneWith(answers: readonly CheckpointAnswer[] | undefined): Scene {
  const seen = observe(later(guarded(worldAt(25), QUERY, JOB, PERSON), 61_000));
  if (seen.spec.kind !== 'valid') throw new Error('spec');
  const judgement = { sentinel: PASS, step: PASS, alerts: PASS, ...(answers && { checkpoints: answers }) };
  return sceneOf({ ...seen, samples: someSamples() }, judgement, seen.spec.spec, runOf(seen, seen.spec.spec));
}

const YES: Readonly<Record<'query' | 'job' | 'person', CheckpointAnswer>> = {
  query: {
    name: 'capacity',
    kind: 'query',
    answer: 'yes',
    value: '2',
    threshold: 'at least 1, at most 5',
    by: 'prometheus',
  },
  job: { name: 'verify', kind: 'job', answer: 'yes', value: 'Complete', by: 'Job verify-0021', uid: 'job-1' },
  person: {
    name: 'go-live',
    kind: 'person',
    answer: 'yes',
    value: 'engineer as team-lead: all quiet',
    by: 'engineer',
    uid: 'a-1',
  },
};
type Kind = keyof typeof YES;
const unknown = (kind: Kind, why: string, atMs?: number): CheckpointAnswer => ({
  name: YES[kind].name,
  kind,
  answer: 'unknown',
  why,
  ...(atMs !== undefined && { atMs }),
});
const no = (kind: Kind): CheckpointAnswer => ({
  ...YES[kind],
  answer: 'no',
  ...(kind === 'job' ? { value: 'Failed' } : {}),
});
const answered = (...changes: readonly CheckpointAnswer[]): Draft | undefined =>
  checkpointsOpen(sceneWith(Object.values(YES).map((yes) => changes.find(({ kind }) => kind === yes.kind) ?? yes)));
const said = (...changes: readonly CheckpointAnswer[]): string => {
  const draft = answered(...changes);
  return `${draft?.kind} ${draft?.reason}: ${draft?.message.replace('before step 4 (50%): ', '')}`;
};

describe('the gate before a step', () => {
  it('is open when every checkpoint says yes beside fresh checks, and asks for those where there are none', () => {
    expect(answered()).to.equal(undefined);
    const { observation, ...scene } = sceneWith(Object.values(YES));
    const unchecked = { ...observation, samples: undefined };
    expect(checkpointsOpen({ ...scene, observation: unchecked })).to.deep.equal({
      kind: 'hold',
      reason: 'StaleSamples',
      message: 'every checkpoint says yes: running the checks once more',
      run: { nextCheckAtMs: scene.nowMs },
    });
  });

  it('needs no checks at weight 0, where there is nothing to check', () => {
    const { observation, run, ...scene } = sceneWith(undefined);
    const unchecked = { ...observation, samples: undefined };
    expect(checkpointsOpen({ ...scene, observation: unchecked, run: { ...run, weight: 0 } })).to.equal(undefined);
  });

  it('stays shut while one was not asked', () => {
    expect(checkpointsOpen(sceneWith(undefined))?.message).to.equal(
      'before step 4 (50%): capacity is not known (NotAsked); verify is not known (NotAsked); go-live is not known (NotAsked)',
    );
    expect(checkpointsOpen(sceneWith([YES.query, YES.job]))?.reason).to.equal('CheckpointPending');
  });

  it('says who says no, what he saw, and how a Job is asked again', () => {
    expect(said(no('query'))).to.equal('hold CheckpointNo: capacity says no (2, wanted at least 1, at most 5)');
    expect(said(no('job'))).to.equal(
      'hold CheckpointNo: verify says no (Job verify-0021 Failed): delete it and make it anew to ask again',
    );
    expect(said(no('person'))).to.equal('hold CheckpointNo: go-live says no (engineer as team-lead: all quiet)');
  });

  it('names a no before what is not known, in the order of the manifest', () => {
    expect(said(unknown('query', 'NoData'), no('job'), no('person'))).to.match(
      /^hold CheckpointNo: verify says no .*; go-live says no .*; capacity is not known \(NoData\)$/,
    );
  });

  it('says what is to be done with a Job', () => {
    const job = (why: string): string => said(unknown('job', why));
    expect([
      job('JobMissing'),
      job('JobRunning'),
      job('JobTooEarly'),
      job('JobTooOld'),
      job('JobOfOtherRevision'),
    ]).to.deep.equal([
      'hold CheckpointPending: verify: Job verify-0021 is not there: make it',
      'hold CheckpointPending: verify: Job verify-0021 has not ended',
      'hold CheckpointPending: verify: Job verify-0021 was made before it was asked for: delete it and make it anew to ask again',
      'hold CheckpointPending: verify: Job verify-0021 ended too long ago: delete it and make it anew to ask again',
      'hold CheckpointPending: verify: Job verify-0021 carries the label of another revision: delete it and make it anew to ask again',
    ]);
    expect(job('ERR_API_DEADLINE')).to.equal('hold CheckpointUnknown: verify is not known (ERR_API_DEADLINE)');
    expect(job('NotAnswered'), 'a Job is no person').to.equal(
      'hold CheckpointPending: verify is not known (NotAnswered)',
    );
  });

  it('names the person whose word is missing, with the command, once nobody else is', () => {
    const waits =
      'go-live waits for team-lead: kubectl authrollout approve api --checkpoint go-live --as team-lead --reason "…"';
    expect(said(unknown('person', 'NotAnswered'))).to.equal(`hold CheckpointNeedsPerson: ${waits}`);
    expect(said(unknown('job', 'JobRunning'), unknown('person', 'NotAnswered'))).to.equal(
      `hold CheckpointPending: verify: Job verify-0021 has not ended; ${waits}`,
    );
    expect(said(unknown('person', 'NotAsked'))).to.equal('hold CheckpointPending: go-live is not known (NotAsked)');
  });

  it('tells what is not known of a person from what is not known of a figure', () => {
    expect(said(unknown('person', 'ERR_API_DEADLINE'), unknown('query', 'NoData'))).to.equal(
      'hold ApprovalsUnknown: capacity is not known (NoData); go-live is not known (ERR_API_DEADLINE)',
    );
    expect(said(unknown('person', 'NotAnswered'), unknown('query', 'NoData'))).to.match(/^hold CheckpointUnknown: /);
    expect(answered({ name: 'capacity', kind: 'query', answer: 'unknown' })?.reason).to.equal('CheckpointUnknown');
  });

  it('voids a word that nothing guards, to its own second if that is later than now', () => {
    const { nowMs } = sceneWith(undefined);
    const forged = answered(unknown('person', 'Unguarded', nowMs + 500), unknown('query', 'NoData'));
    expect([forged?.reason, forged?.run]).to.deep.equal(['ApprovalsUnguarded', { unguardedAtMs: nowMs + 500 }]);
    expect(forged?.message).to.match(/^before step 4 \(50%\): this cluster takes a RolloutApproval/);
    expect(answered(unknown('person', 'Unguarded', nowMs - 5_000))?.run).to.deep.equal({ unguardedAtMs: nowMs });
    expect(answered(unknown('person', 'Unguarded'))?.run).to.deep.equal({ unguardedAtMs: nowMs });
    expect(answered(unknown('person', 'NotAnswered'))?.run).to.deep.equal({});
  });

  it('lets a no stand above an unguarded word', () => {
    expect(answered(no('query'), unknown('person', 'Unguarded'))?.reason).to.equal('CheckpointNo');
  });
});

describe('a gate that opened', () => {
  it('says what every yes was', () => {
    expect(describeYes(sceneWith(Object.values(YES)))).to.equal(
      '; yes: capacity (2, wanted at least 1, at most 5), verify (Job verify-0021 Complete), go-live (engineer as team-lead: all quiet)',
    );
    expect([describeYes(sceneWith([])), describeYes(sceneWith(undefined))]).to.deep.equal(['', '']);
  });

  it('has spent the words of persons, under the role that was asked for, and nothing else', () => {
    expect(spentAt(sceneWith(Object.values(YES)))).to.deep.equal([{ uid: 'a-1', by: 'engineer', role: 'team-lead' }]);
    const { uid: _uid, ...nameless } = YES.person;
    const { by: _by, ...unsigned } = YES.person;
    expect(spentAt(sceneWith([nameless, unsigned, { ...YES.person, name: 'other' }]))).to.deep.equal([]);
    expect(spentAt(sceneWith(undefined))).to.deep.equal([]);
    const { run, ...scene } = sceneWith(Object.values(YES));
    expect(spentAt({ ...scene, run: { ...run, weight: 100 } }), 'after the last step').to.deep.equal([]);
  });
});

describe('a checkpoint in a manifest', () => {
  it('is told as what it asks for', () => {
    const { spec } = sceneWith(undefined);
    const checkpoints = spec.schedule.find(({ weight }) => weight === 50)?.checkpoints ?? [];
    expect(checkpoints.map(describeCheckpoint)).to.deep.equal([
      'at least 1, at most 5 of load',
      'Job verify-0021 is Complete, made after it was asked for, at most 10m ago',
      'team-lead says yes',
    ]);
    expect(checkpoints.map(askedOf)).to.deep.equal(['load', 'verify-0021', 'team-lead']);
  });
});
