/**
 * From an observation and its verdict to one decision. reconcile.ts calls decide; plan.ts turns the answer into actions.
 * Read RULES as the table of contents: the first rule that answers decides. Total and deterministic: the same observation
 * gives the same decision, so that every decision can be replayed from what was observed.
 */

import { adoption } from './adoption.ts';
import { applyRecord } from './apply-record.ts';
import { catchUp, invalidSpec, routeLost, stableLost, targetLost } from './blockers.ts';
import { aboveCeiling } from './ceiling.ts';
import { cohortOf, cohortOutdated, cohortRefused, isSplit } from './cohort.ts';
import { isAsWritten, isCurrent } from './cohort-rules.ts';
import { drifted } from './drift.ts';
import type { Judgement } from './judge.ts';
import type { Severity } from './matrix.ts';
import type { DecisionKind, Observation, WriteRecord } from './observation.ts';
import { progress } from './progress.ts';
import { promotion } from './promotion.ts';
import type { Reason } from './reason.ts';
import { rolledBack, upToDate, zeroed } from './resting.ts';
import { condemnedRevision, newRevision, revisionWithdrawn } from './revision-rules.ts';
import { isOurNotation, readRecord } from './route-record.ts';
import { type Run, runOf, writeTime } from './run.ts';
import { type Draft, type Rule, type Scene, sceneOf, type Want } from './scene.ts';
import { track } from './track.ts';
import { severeVerdict } from './zero.ts';

export type Decision = {
  readonly kind: DecisionKind;
  readonly reason: Reason;
  /** One sentence with the figures; it changes only when they do. */
  readonly message: string;
  readonly severity: Severity | undefined;
  /** The run once the plan is carried out. */
  readonly run: Run;
  readonly want: Want;
  /** What the route's write will say; undefined when the route stays untouched. */
  readonly record: WriteRecord | undefined;
  /** True when a successor holds the Lease: the shell must stop writing and step down. */
  readonly isDeposed: boolean;
};

const RULES: readonly Rule[] = [
  // Down, at once and whatever else is wrong.
  severeVerdict,
  // What a crash left behind.
  catchUp,
  // Nothing has been served by stable yet.
  adoption,
  // What the target's template says.
  revisionWithdrawn,
  condemnedRevision,
  newRevision,
  // What a person allows at most; everything before it goes to 0, or is not about the canary's weight.
  aboveCeiling,
  // What somebody did to the route.
  drifted,
  // Whom the weight selects.
  cohortRefused,
  cohortOutdated,
  // Phases that rest at weight 0.
  rolledBack,
  zeroed,
  upToDate,
  // What is missing.
  routeLost,
  targetLost,
  stableLost,
  invalidSpec,
  // Up.
  promotion,
  progress,
];

/** Decides what to do about one AuthRollout. */
export function decide(observation: Observation, judgement: Judgement): Decision {
  const spec = observation.spec.kind === 'valid' ? observation.spec.spec : observation.spec.usable;
  const run = track(runOf(observation, spec), observation, judgement);
  if (observation.leader.leaseToken > observation.leader.token) {
    return { ...untouched(run, 'Deposed', 'another leader holds the Lease'), isDeposed: true };
  }
  if (spec === undefined) return observation.rollout.deleting ? release(run) : unreadable(run, observation);
  const scene = sceneOf(observation, judgement, spec, run);
  if (observation.rollout.deleting) return deletion(scene);
  return finish(scene, firstAnswer(scene));
}

function firstAnswer(scene: Scene): Draft {
  for (const rule of RULES) {
    const draft = rule(scene);
    if (draft !== undefined) return draft;
  }
  return { kind: 'hold', reason: 'Holding', message: 'no rule applies' };
}

/** Turns a rule's draft into a decision: the record of the write, and the run that follows from it. */
function finish(scene: Scene, draft: Draft): Decision {
  const { run, observation, spec } = scene;
  const wantsFinalizer = !observation.rollout.hasFinalizer && !observation.rollout.deleting;
  const want: Want = { ...LEAVE, ...(wantsFinalizer ? { finalizer: 'add' as const } : {}), ...draft.want };
  const base = { reason: draft.reason, message: draft.message, severity: draft.severity, isDeposed: false };
  if (draft.write === undefined) {
    return { ...base, kind: draft.kind, run: { ...run, ...draft.run }, want, record: undefined };
  }
  const record: WriteRecord = {
    weight: draft.write,
    revision: draft.revision ?? run.revision,
    stepIndex: draft.stepIndex ?? run.stepIndex,
    decision: draft.kind,
    reason: draft.reason,
    at: writeTime(run, observation.nowMs),
    ...cohortIn(scene, draft),
  };
  const isWritten = mustWrite(scene, record);
  const moved = applyRecord(run, record, spec, observation);
  const next = { ...moved, ...(isWritten ? {} : { writtenAt: run.writtenAt }), ...draft.run };
  // Nothing is lowered when the weight is 0 already: the run moves on, the traffic does not.
  const isLowering = draft.severity !== undefined || (scene.live ?? run.weight ?? 0) > draft.write;
  return {
    ...base,
    kind: draft.kind === 'zero' && !isLowering ? 'hold' : draft.kind,
    run: next,
    want: { ...want, weight: isWritten ? draft.write : 'leave' },
    record: isWritten ? record : undefined,
  };
}

/** A write names the cookie that its rules go by, so that the next pass can tell our rules from somebody's edit. */
function cohortIn({ spec, route, run }: Scene, draft: Draft): Pick<WriteRecord, 'cohort'> {
  const cohort = isSplit(draft.write) ? cohortOf({ spec, route, run: { ...run, ...draft.run } }) : undefined;
  return cohort === undefined ? {} : { cohort };
}

/** The route is patched when its weights or what it says of them must change; a rollback is always written down. */
function mustWrite({ route, live }: Scene, record: WriteRecord): boolean {
  if (route === undefined) return false;
  const written = readRecord(route.write);
  return (
    live !== record.weight ||
    !isOurNotation(route) ||
    written?.weight !== record.weight ||
    !isCurrent(route, record.cohort, record.weight) ||
    record.decision === 'rollback'
  );
}

const LEAVE: Want = {
  weight: 'leave',
  canaryReplicas: 'leave',
  stable: 'leave',
  canaryService: 'leave',
  finalizer: 'leave',
};

function untouched(run: Run, reason: Reason, message: string): Decision {
  const base = {
    kind: 'hold' as const,
    reason,
    message,
    severity: undefined,
    run,
    record: undefined,
    isDeposed: false,
  };
  return { ...base, want: LEAVE };
}

function unreadable(run: Run, { spec }: Observation): Decision {
  const violations = spec.kind === 'invalid' ? spec.violations.join('; ') : '';
  return untouched(run, 'InvalidSpec', violations.slice(0, 1_000));
}

/**
 * Deletion: traffic back to stable first, then the finalizer. While stable was never ready the target serves everything,
 * and a weight of 0 would be an outage.
 */
function deletion(scene: Scene): Decision {
  const { live, run, route } = scene;
  const isEmpty = route === undefined || (live === 0 && isAsWritten(route, undefined, 0));
  if (run.phase === 'Initializing' || isEmpty) return release(run);
  const message = 'the AuthRollout is being deleted: all traffic to stable';
  return finish(scene, { kind: 'zero', reason: 'Deleted', message, write: 0, want: { finalizer: 'release' } });
}

function release(run: Run): Decision {
  const decision = untouched(run, 'Deleted', 'the AuthRollout is being deleted: no canary traffic to take back');
  return { ...decision, want: { ...LEAVE, finalizer: 'release' } };
}
