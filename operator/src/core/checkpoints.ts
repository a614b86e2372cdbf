/**
 * Go or no-go before a step: what is asked, since when, and what the facts of a pass answer. judge.ts asks judgeCheckpoints, and
 * checkpoint-gate.ts lets nothing rise without a yes.
 *
 * @see docs/adr/0024-checkpoints.md
 */

import { describeApproval, newestWord } from './approval.ts';
import type { Observation, Sample } from './observation.ts';
import { type Run, runOf } from './run.ts';
import { nextStep } from './schedule.ts';
import type { Checkpoint, Spec } from './spec.ts';

/** A Job as far as it says yes or no. `revision` is its label latchkey.dev/revision. */
export type JobView =
  | { readonly kind: 'missing' }
  | { readonly kind: 'unknown'; readonly why: string }
  | {
      readonly kind: 'found';
      readonly uid: string;
      readonly revision: string | undefined;
      /** metadata.creationTimestamp, which the apiserver sets: whole seconds. */
      readonly createdAtMs: number;
      readonly ended: { readonly how: 'Complete' | 'Failed'; readonly atMs: number } | undefined;
    };

/** What the shell found; `asked` is the query or the Job's name. What people said is in observation.approvals. */
export type CheckpointFact = { readonly name: string; readonly asked: string; readonly takenAtMs: number } & (
  | { readonly kind: 'query'; readonly sample: Sample }
  | { readonly kind: 'job'; readonly job: JobView }
);

/** One checkpoint's answer; value and threshold are text made for people. */
export type CheckpointAnswer = {
  readonly name: string;
  readonly kind: Checkpoint['kind'];
  readonly answer: 'yes' | 'no' | 'unknown';
  /** CamelCase, or the code of an error; only when unknown. */
  readonly why?: string;
  readonly value?: string;
  readonly threshold?: string;
  /** Who or what said it. */
  readonly by?: string;
  readonly uid?: string;
  readonly atMs?: number;
};

/** What stands before the next step. */
export type CheckpointQuestion = {
  readonly stepIndex: number;
  readonly checkpoints: readonly Checkpoint[];
  readonly sinceMs: number;
};

/**
 * The question of this moment: the hold is over, and checkpoints stand before the next step. It keeps its beginning for as long as
 * nothing else comes between; what was made before it answers nothing.
 */
export function questionOf(run: Run, spec: Spec, nowMs: number): CheckpointQuestion | undefined {
  if (run.phase !== 'Progressing' || run.approvalNeeded !== undefined) return undefined;
  const next = nextStep(spec.schedule, run.weight ?? 0);
  const checkpoints = next?.step.checkpoints ?? [];
  if (next === undefined || checkpoints.length === 0 || next.step.weight > spec.maxWeight) return undefined;
  if (run.stepStartedAtMs !== undefined && nowMs < run.stepStartedAtMs + run.stepHoldMs) return undefined;
  const sinceMs = run.checkpoints?.stepIndex === next.index ? run.checkpoints.sinceMs : nowMs;
  return { stepIndex: next.index, checkpoints, sinceMs: Math.min(sinceMs, nowMs) };
}

/** The answers of this pass; undefined when it did not ask. */
export function judgeCheckpoints(observation: Observation): readonly CheckpointAnswer[] | undefined {
  const { checkpoints: facts, spec, nowMs } = observation;
  if (facts === undefined || spec.kind === 'invalid') return undefined;
  const run = runOf(observation, spec.spec);
  const question = questionOf(run, spec.spec, nowMs);
  return question?.checkpoints.map((checkpoint) => {
    if (checkpoint.kind === 'person') return askPerson(checkpoint, question, { run, observation });
    const fact = facts.find(({ name, kind }) => name === checkpoint.name && kind === checkpoint.kind);
    const isFresh = fact !== undefined && nowMs - fact.takenAtMs <= FACT_FRESH_MS;
    if (!isFresh || fact.asked !== askedOf(checkpoint)) return unknownAnswer(checkpoint, 'NotAsked');
    if (checkpoint.kind === 'query' && fact.kind === 'query') return judgeQuery(checkpoint, fact);
    if (checkpoint.kind === 'job' && fact.kind === 'job')
      return judgeJob(checkpoint, fact.job, { question, run, nowMs });
    return unknownAnswer(checkpoint, 'NotAsked');
  });
}

/** Facts are of this pass: what is older than three seconds was found before the samples. */
const FACT_FRESH_MS = 3_000;

/** What a fact must have been asked with to answer this. */
export function askedOf(checkpoint: Checkpoint): string {
  switch (checkpoint.kind) {
    case 'query':
      return checkpoint.promql;
    case 'job':
      return checkpoint.job;
    case 'person':
      return checkpoint.role;
  }
}

type Of<K extends Checkpoint['kind']> = Extract<Checkpoint, { readonly kind: K }>;

export function unknownAnswer({ name, kind }: Checkpoint, why: string): CheckpointAnswer {
  return { name, kind, answer: 'unknown', why };
}

function judgeQuery(checkpoint: Of<'query'>, fact: Extract<CheckpointFact, { kind: 'query' }>): CheckpointAnswer {
  const { atLeast = Number.NEGATIVE_INFINITY, atMost = Number.POSITIVE_INFINITY, name, kind } = checkpoint;
  const threshold = thresholdText(checkpoint);
  const { sample } = fact;
  if (sample.kind === 'unknown') return { ...unknownAnswer(checkpoint, sample.why), threshold };
  if (!Number.isFinite(sample.value)) return { ...unknownAnswer(checkpoint, 'NotANumber'), threshold };
  const isWithin = sample.value >= atLeast && sample.value <= atMost;
  const answer = isWithin ? 'yes' : 'no';
  return { name, kind, answer, value: String(sample.value), threshold, by: 'prometheus', atMs: fact.takenAtMs };
}

/** "at least 2, at most 5" */
export function thresholdText({ atLeast, atMost }: Of<'query'>): string {
  return [
    ...(atLeast === undefined ? [] : [`at least ${atLeast}`]),
    ...(atMost === undefined ? [] : [`at most ${atMost}`]),
  ].join(', ');
}

type Asking = { readonly question: CheckpointQuestion; readonly run: Run; readonly nowMs: number };

function judgeJob(checkpoint: Of<'job'>, job: JobView, { question, run, nowMs }: Asking): CheckpointAnswer {
  if (job.kind === 'missing') return unknownAnswer(checkpoint, 'JobMissing');
  if (job.kind === 'unknown') return unknownAnswer(checkpoint, job.why);
  const { uid, ended, createdAtMs, revision } = job;
  // The apiserver's stamp knows no milliseconds.
  if (createdAtMs < Math.floor(question.sinceMs / 1_000) * 1_000) return unknownAnswer(checkpoint, 'JobTooEarly');
  if (revision !== undefined && revision !== run.revision) return unknownAnswer(checkpoint, 'JobOfOtherRevision');
  if (ended === undefined) return unknownAnswer(checkpoint, 'JobRunning');
  if (nowMs - ended.atMs > checkpoint.freshMs) return unknownAnswer(checkpoint, 'JobTooOld');
  const { name, kind } = checkpoint;
  const answer = ended.how === 'Complete' ? 'yes' : 'no';
  return { name, kind, answer, value: ended.how, by: `Job ${checkpoint.job}`, uid, atMs: ended.atMs };
}

type Seen = { readonly run: Run; readonly observation: Observation };

function askPerson(checkpoint: Of<'person'>, question: CheckpointQuestion, seen: Seen): CheckpointAnswer {
  const { run, observation } = seen;
  const { stepIndex, sinceMs } = question;
  const about = { role: checkpoint.role, stepIndex, sinceMs, revision: run.revision, checkpoint: checkpoint.name };
  const word = newestWord(observation.approvals, about, { run, nowMs: observation.nowMs });
  if (word.kind === 'none') return { ...unknownAnswer(checkpoint, word.why), ...(word.atMs && { atMs: word.atMs }) };
  const { approval } = word;
  const { name, kind } = checkpoint;
  const said = { value: describeApproval(approval), by: approval.by, uid: approval.uid, atMs: approval.createdAtMs };
  return { name, kind, answer: approval.answer ?? 'yes', ...said };
}
