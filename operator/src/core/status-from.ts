/**
 * The one status write of a pass. reconcile.ts calls nextStatus after act.ts and patches the status only when it differs.
 */

import type { CheckpointAnswer } from './checkpoints.ts';
import { conditionsFrom } from './conditions.ts';
import type { Decision } from './decide.ts';
import { msToDuration } from './duration.ts';
import type { Judged, Judgement } from './judge.ts';
import type { Observation } from './observation.ts';
import { type Outcome, plan } from './plan.ts';
import { type Run, runOf } from './run.ts';
import type { DecisionRecord, Status } from './status.ts';
import { track } from './track.ts';

/** The status after the pass: what was decided, as far as it was carried out. */
export function nextStatus(
  observation: Observation,
  judgement: Judgement,
  decision: Decision,
  outcome: Outcome,
): Status {
  const run = runAfter(observation, judgement, decision, outcome);
  const lastDecision = decisionRecord(observation, decision);
  return dropUndefined({
    observedGeneration: observation.rollout.generation,
    ...fromRun(run),
    checkpoints: checkpointsShown(observation, judgement, run),
    lastCheck: lastCheck(observation, judgement, decision),
    severity: severityOf(observation, judgement, decision, run),
    lastDecision,
    history: historyWith(observation.status, lastDecision),
    conditions: [...conditionsFrom(observation, judgement, decision, run)],
  });
}

/**
 * A run whose route write failed has not moved: the next pass decides anew. The condemnation alone stays, because the
 * evidence for it may be gone by then.
 */
function runAfter(observation: Observation, judgement: Judgement, decision: Decision, outcome: Outcome): Run {
  if (outcome.kind === 'done' || decision.record === undefined) return decision.run;
  const writeIndex = plan(observation, decision).findIndex((action) => action.kind === 'write-route');
  if (writeIndex < outcome.at) return decision.run;
  const spec = observation.spec.kind === 'valid' ? observation.spec.spec : observation.spec.usable;
  const before = track(runOf(observation, spec), observation, judgement);
  return { ...before, condemned: decision.run.condemned };
}

function fromRun(run: Run): Partial<Record<keyof Status, unknown>> {
  const hasStep = run.stepStartedAtMs !== undefined;
  return {
    phase: run.phase,
    revision: run.revision,
    stableRevision: run.stableRevision,
    stepIndex: run.stepIndex,
    stepStartedAt: toInstant(run.stepStartedAtMs),
    stepHold: hasStep ? msToDuration(run.stepHoldMs) : undefined,
    stepCheckEvery: hasStep ? msToDuration(run.stepCheckEveryMs) : undefined,
    weight: run.weight,
    writtenAt: run.writtenAt,
    nextCheckAt: run.phase === 'Progressing' ? toInstant(run.nextCheckAtMs) : undefined,
    blindSince: toInstant(run.blindSinceMs),
    silentSince: toInstant(run.silentSinceMs),
    approvalNeeded: run.approvalNeeded && {
      role: run.approvalNeeded.role,
      stepIndex: run.approvalNeeded.stepIndex,
      since: toInstant(run.approvalNeeded.sinceMs),
    },
    approvalsUsed: run.approvalsUsed.length > 0 ? [...run.approvalsUsed] : undefined,
    approvalsUnguardedAt: toInstant(run.unguardedAtMs),
    condemned: run.condemned.length > 0 ? [...run.condemned] : undefined,
    zero: run.zero && {
      requestedAt: toInstant(run.zero.requestedAtMs),
      stage: run.zero.stage,
      ...(run.zero.provenAtMs === undefined ? {} : { provenAt: toInstant(run.zero.provenAtMs) }),
    },
    drift: run.drift,
    loweredTo: run.loweredTo,
    cohortRefused: run.cohortRefused,
  };
}

function toInstant(atMs: number | undefined): string | undefined {
  return atMs === undefined ? undefined : new Date(atMs).toISOString();
}

/** The newest step checks, or the sentinel's figures when they were what decided. */
function lastCheck(
  { nowMs, status }: Observation,
  { step, sentinel, alerts }: Judgement,
  decision: Decision,
): Status['lastCheck'] {
  const isSentinels = decision.severity !== undefined && sentinel.verdict.kind === 'fail';
  // A hold that an alert asks for is decided in every pass: its figures would be a status write in every pass.
  const isMove = decision.kind === 'rollback' || decision.kind === 'zero';
  const isAlerts = isMove && alerts.verdict.kind === 'fail' && alerts.verdict.severity === decision.severity;
  const judged = isSentinels ? sentinel : isAlerts ? alerts : step;
  if (judged === undefined) return decision.reason === 'NewRevision' ? undefined : status?.lastCheck;
  return { at: new Date(nowMs).toISOString(), results: judged.results.slice(0, 10).map(figures) };
}

type Figures = NonNullable<Status['lastCheck']>['results'][number];

function figures({ check, verdict, value, threshold, requests }: Judged['results'][number]): Figures {
  return {
    check,
    verdict: verdict.kind,
    ...(verdict.kind === 'fail' ? { severity: verdict.severity } : {}),
    ...(verdict.kind === 'unknown' ? { why: verdict.why } : {}),
    ...(value === undefined ? {} : { value: value.slice(0, 32) }),
    ...(threshold === undefined ? {} : { threshold: threshold.slice(0, 32) }),
    ...(requests === undefined ? {} : { requests }),
  };
}

function severityOf({ status }: Observation, { step }: Judgement, decision: Decision, run: Run): Status['severity'] {
  if (run.phase === 'RolledBack') return 'P0';
  if (run.phase === 'Zeroed') return 'P1';
  if (decision.severity !== undefined) return decision.severity;
  if (step !== undefined) return step.verdict.kind === 'fail' ? step.verdict.severity : 'None';
  return run.phase === 'Progressing' && decision.reason !== 'NewRevision' ? (status?.severity ?? 'None') : 'None';
}

/** What is asked, and the newest answers; a pass that did not ask leaves them as they were. */
function checkpointsShown({ status }: Observation, { checkpoints }: Judgement, run: Run): Status['checkpoints'] {
  if (run.checkpoints === undefined || run.phase !== 'Progressing') return undefined;
  const { stepIndex, sinceMs } = run.checkpoints;
  const before = status?.checkpoints?.stepIndex === stepIndex ? status.checkpoints.answers : [];
  const answers = checkpoints?.map((answer) => shownAnswer(answer, before)) ?? before;
  return { stepIndex, since: new Date(sinceMs).toISOString(), answers };
}

type ShownAnswer = NonNullable<Status['checkpoints']>['answers'][number];

/** With the time at which it was first so: a query that says the same again changes nothing. */
function shownAnswer({ atMs, value, ...answer }: CheckpointAnswer, before: readonly ShownAnswer[]): ShownAnswer {
  const shown = { ...answer, ...(value === undefined ? {} : { value: value.slice(0, 1_200) }) };
  const known = before.find(({ name }) => name === answer.name);
  const isSame = known?.answer === answer.answer && known.value === shown.value && known.uid === answer.uid;
  const at = isSame && answer.kind === 'query' ? known.at : toInstant(atMs);
  return at === undefined ? shown : { ...shown, at };
}

/** The decision with the time at which it was first made: repeating it changes nothing. */
function decisionRecord({ status, nowMs }: Observation, { kind, reason, message }: Decision): DecisionRecord {
  const text = message.slice(0, 1_024);
  const before = status?.lastDecision;
  const isSame = before?.decision === kind && before.reason === reason && before.message === text;
  return isSame ? before : { decision: kind, reason, message: text, at: new Date(nowMs).toISOString() };
}

const MAX_HISTORY = 10;

/** Newest last; an entry for each decision that is of another kind or reason than the one before it. */
function historyWith(status: Status | undefined, decision: DecisionRecord): DecisionRecord[] {
  const history = status?.history ?? [];
  const newest = history.at(-1);
  const isRepeated = newest?.decision === decision.decision && newest.reason === decision.reason;
  const isMove = decision.decision === 'advance' || decision.decision === 'reduce';
  if (isRepeated && (!isMove || newest.message === decision.message)) return history;
  return [...history, decision].slice(-MAX_HISTORY);
}

function dropUndefined(fields: Partial<Record<keyof Status, unknown>>): Status {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}
