/**
 * The gate that checkpoints are: a rule of progress.ts, which asks it before anything rises, and its words. Only yes opens; nothing
 * here can lower, and what lowers has been decided before.
 */

import { UNGUARDED } from './approval.ts';
import { type CheckpointAnswer, thresholdText, unknownAnswer } from './checkpoints.ts';
import { msToDuration } from './duration.ts';
import type { Judgement } from './judge.ts';
import type { Reason } from './reason.ts';
import type { Run } from './run.ts';
import type { Draft, Scene } from './scene.ts';
import { nextStep } from './schedule.ts';
import type { Checkpoint } from './spec.ts';
import type { SpentApproval } from './status.ts';

/** Nothing rises to a step before each of its checkpoints has said yes in this very pass. */
export function checkpointsOpen(scene: Scene): Draft | undefined {
  const { run, spec, judgement, observation, nowMs } = scene;
  const next = nextStep(spec.schedule, run.weight ?? 0);
  const checkpoints = next?.step.checkpoints ?? [];
  if (next === undefined || checkpoints.length === 0) return undefined;
  const answers = checkpoints.map((checkpoint) => answerIn(judgement, checkpoint));
  const reason = reasonOf(answers);
  if (reason !== undefined) {
    const before = `before step ${next.index + 1} (${next.step.weight}%)`;
    return {
      kind: 'hold',
      reason,
      message: `${before}: ${sentence(scene, reason, answers)}`,
      run: voided(scene, answers),
    };
  }
  if (observation.samples !== undefined || (run.weight ?? 0) === 0) return undefined;
  const message = 'every checkpoint says yes: running the checks once more';
  return { kind: 'hold', reason: 'StaleSamples', message, run: { nextCheckAtMs: nowMs } };
}

function answerIn({ checkpoints }: Judgement, checkpoint: Checkpoint): CheckpointAnswer {
  return checkpoints?.find(({ name }) => name === checkpoint.name) ?? unknownAnswer(checkpoint, 'NotAsked');
}

/** Nobody is at fault: it has not been done yet. */
const NOT_YET: ReadonlySet<string> = new Set([
  'JobMissing',
  'JobOfOtherRevision',
  'JobRunning',
  'JobTooEarly',
  'JobTooOld',
  'NotAnswered',
  'NotAsked',
]);

/** The worst of what keeps the step shut; undefined when every answer is yes. It is the person's turn when nobody else is missing. */
function reasonOf(answers: readonly CheckpointAnswer[]): Reason | undefined {
  const shut = answers.filter(({ answer }) => answer !== 'yes');
  if (shut.length === 0) return undefined;
  if (shut.some(({ answer }) => answer === 'no')) return 'CheckpointNo';
  if (shut.some(({ why }) => why === 'Unguarded')) return 'ApprovalsUnguarded';
  const blind = shut.filter(({ why = '' }) => !NOT_YET.has(why));
  if (blind.some(({ kind }) => kind === 'person')) return 'ApprovalsUnknown';
  if (blind.length > 0) return 'CheckpointUnknown';
  return shut.every(({ kind, why }) => kind === 'person' && why === 'NotAnswered')
    ? 'CheckpointNeedsPerson'
    : 'CheckpointPending';
}

/** What was found unguarded never counts, not even when the guard has come back by the next look. */
function voided({ nowMs }: Scene, answers: readonly CheckpointAnswer[]): Partial<Run> {
  const atMs = answers.flatMap((answer) => (answer.why === 'Unguarded' ? (answer.atMs ?? nowMs) : []));
  return atMs.length === 0 ? {} : { unguardedAtMs: Math.max(nowMs, ...atMs) };
}

function sentence(scene: Scene, reason: Reason, answers: readonly CheckpointAnswer[]): string {
  if (reason === 'ApprovalsUnguarded') return UNGUARDED;
  const shut = answers.filter(({ answer }) => answer !== 'yes').toSorted((left, right) => rank(left) - rank(right));
  return shut.map((answer) => describeShut(scene, answer)).join('; ');
}

/** A no is read first. */
const rank = ({ answer }: CheckpointAnswer): number => (answer === 'no' ? 0 : 1);

function describeShut(scene: Scene, answer: CheckpointAnswer): string {
  const { name, kind, why = '' } = answer;
  if (answer.answer === 'no') return `${name} says no (${detailOf(answer)})${kind === 'job' ? ANEW : ''}`;
  const { spec, run, observation } = scene;
  const checkpoint = nextStep(spec.schedule, run.weight ?? 0)?.step.checkpoints?.find((one) => one.name === name);
  if (kind === 'person' && checkpoint?.kind === 'person' && why === 'NotAnswered')
    return `${name} waits for ${checkpoint.role}: kubectl authrollout approve ${observation.rollout.name} --checkpoint ${name} --as ${checkpoint.role} --reason "…"`;
  if (checkpoint?.kind === 'job' && JOB_TEXT[why] !== undefined)
    return `${name}: Job ${checkpoint.job} ${JOB_TEXT[why]}`;
  return `${name} is not known (${why})`;
}

const ANEW = ': delete it and make it anew to ask again';
const JOB_TEXT: Readonly<Record<string, string>> = {
  JobMissing: 'is not there: make it',
  JobTooEarly: `was made before it was asked for${ANEW}`,
  JobTooOld: `ended too long ago${ANEW}`,
  JobOfOtherRevision: `carries the label of another revision${ANEW}`,
  JobRunning: 'has not ended',
};

function detailOf({ kind, value = '', threshold, by = '' }: CheckpointAnswer): string {
  if (kind === 'query') return `${value}, wanted ${threshold ?? ''}`;
  return kind === 'job' ? `${by} ${value}` : value;
}

/** "; yes: capacity (0.3, wanted at most 0.5), go-live (engineer as team-lead: all quiet)", and nothing where nothing was asked. */
export function describeYes({ judgement }: Scene): string {
  const answers = judgement.checkpoints ?? [];
  if (answers.length === 0) return '';
  return `; yes: ${answers.map((answer) => `${answer.name} (${detailOf(answer)})`).join(', ')}`;
}

/** The approvals whose yes opened the step: each opens one, once. */
export function spentAt({ judgement, run, spec }: Scene): readonly SpentApproval[] {
  const roles = new Map(
    nextStep(spec.schedule, run.weight ?? 0)?.step.checkpoints?.flatMap((one) =>
      one.kind === 'person' ? [[one.name, one.role]] : [],
    ),
  );
  return (judgement.checkpoints ?? []).flatMap(({ name, uid, by }) => {
    const role = roles.get(name);
    return role === undefined || uid === undefined || by === undefined ? [] : [{ uid, by, role }];
  });
}

/** "query … at most 0.5", "Job verify", "team-lead says go": what a manifest asks for. */
export function describeCheckpoint(checkpoint: Checkpoint): string {
  switch (checkpoint.kind) {
    case 'query':
      return `${thresholdText(checkpoint)} of ${checkpoint.promql}`;
    case 'job':
      return `Job ${checkpoint.job} is Complete, made after it was asked for, at most ${msToDuration(checkpoint.freshMs)} ago`;
    case 'person':
      return `${checkpoint.role} says yes`;
  }
}
