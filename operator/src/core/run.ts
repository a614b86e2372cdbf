/**
 * The run: status as the core works with it, merged with the route's record when a crash left the status behind.
 * decide.ts starts from runOf; apply-record.ts says where a write leads.
 */

import { applyRecord, isCondemned, onlyCondemn } from './apply-record.ts';
import type { ApprovalNeeded } from './approval.ts';
import { durationToMs } from './duration.ts';
import type { Observation, WriteRecord } from './observation.ts';
import { readRecord } from './route-record.ts';
import { nextStep } from './schedule.ts';
import type { Spec } from './spec.ts';
import type { Phase, SpentApproval, Status, ZeroStage } from './status.ts';

export type Run = {
  readonly phase: Phase;
  readonly revision: string;
  readonly stableRevision: string | undefined;
  readonly stepIndex: number;
  /** Undefined until the first step of the revision is entered. */
  readonly stepStartedAtMs: number | undefined;
  readonly stepHoldMs: number;
  readonly stepCheckEveryMs: number;
  /** What we wrote last; undefined before our first write. */
  readonly weight: number | undefined;
  readonly writtenAt: string | undefined;
  readonly nextCheckAtMs: number | undefined;
  readonly blindSinceMs: number | undefined;
  readonly silentSinceMs: number | undefined;
  readonly approvalNeeded: ApprovalNeeded | undefined;
  readonly approvalsUsed: readonly SpentApproval[];
  /** When a forged approval was last not refused. */
  readonly unguardedAtMs: number | undefined;
  readonly condemned: NonNullable<Status['condemned']>;
  readonly zero: ZeroProof | undefined;
  readonly drift: Status['drift'];
  /** Where spec.maxWeight lowered the weight to; undefined once the ceiling has let it go on. */
  readonly loweredTo: number | undefined;
  /** Since when the checkpoints before this step are asked; undefined while none are. */
  readonly checkpoints: { readonly stepIndex: number; readonly sinceMs: number } | undefined;
  /** For the present spec.cohort only. */
  readonly cohortRefused: Status['cohortRefused'];
  /** True when the route knows a write that the status does not: the process died between the two. */
  readonly isAheadOfStatus: boolean;
};

export type ZeroProof = {
  readonly requestedAtMs: number;
  readonly stage: ZeroStage;
  readonly provenAtMs: number | undefined;
};

/** The run that this observation shows. */
export function runOf(observation: Observation, spec: Spec | undefined): Run {
  const run = runOfStatus(observation, spec);
  const record = observation.route.kind === 'programmable' ? readRecord(observation.route.write) : undefined;
  if (record === undefined || isKnown(run, record) || !isPlausible(run, record, spec, observation.nowMs)) return run;
  const isForeign = run.phase === 'Initializing' && record.decision !== 'promote';
  const known = isForeign ? onlyCondemn(run, record) : applyRecord(run, record, spec, observation);
  return { ...known, isAheadOfStatus: true };
}

function runOfStatus({ status, target, stable }: Observation, spec: Spec | undefined): Run {
  const phase = phaseOf(status);
  // Outside of adoption and promotion stable's own label says the same, should the status have lost it.
  const isStanding = phase !== 'Initializing' && phase !== 'Promoting' && stable?.revision !== '';
  return {
    phase,
    revision: status?.revision ?? target?.revision ?? '',
    stableRevision: status?.stableRevision ?? (isStanding ? stable?.revision : undefined),
    stepIndex: status?.stepIndex ?? 0,
    stepStartedAtMs: toMs(status?.stepStartedAt),
    stepHoldMs: durationToMs(status?.stepHold ?? ''),
    stepCheckEveryMs: durationToMs(status?.stepCheckEvery ?? ''),
    weight: status?.weight,
    writtenAt: status?.writtenAt,
    nextCheckAtMs: toMs(status?.nextCheckAt),
    blindSinceMs: toMs(status?.blindSince),
    silentSinceMs: toMs(status?.silentSince),
    approvalNeeded: status?.approvalNeeded && {
      role: status.approvalNeeded.role,
      stepIndex: status.approvalNeeded.stepIndex,
      sinceMs: Date.parse(status.approvalNeeded.since),
    },
    approvalsUsed: status?.approvalsUsed ?? [],
    unguardedAtMs: toMs(status?.approvalsUnguardedAt),
    condemned: status?.condemned ?? [],
    zero: status?.zero && {
      requestedAtMs: Date.parse(status.zero.requestedAt),
      stage: status.zero.stage,
      provenAtMs: toMs(status.zero.provenAt),
    },
    drift: status?.drift,
    loweredTo: status?.loweredTo,
    checkpoints: status?.checkpoints && {
      stepIndex: status.checkpoints.stepIndex,
      sinceMs: Date.parse(status.checkpoints.since),
    },
    // Another cookie may be tried.
    cohortRefused: status?.cohortRefused?.cookie === spec?.cohortCookie ? status?.cohortRefused : undefined,
    isAheadOfStatus: false,
  };
}

/** A status whose phase was lost is no first install when it knows what stable was promoted to. */
function phaseOf(status: Status | undefined): Phase {
  if (status?.phase !== undefined) return status.phase;
  return status?.stableRevision === undefined ? 'Initializing' : 'Progressing';
}

function toMs(instant: string | undefined): number | undefined {
  return instant === undefined ? undefined : Date.parse(instant);
}

/** Times of our writes only ever grow (`writeTime`), so an older record is a restored annotation and not a newer write. */
function isKnown(run: Run, record: WriteRecord): boolean {
  return run.writtenAt !== undefined && Date.parse(record.at) <= Date.parse(run.writtenAt);
}

/** The time to write into the next record: now, or just after the last one when the clock went back. */
export function writeTime(run: Run, nowMs: number): string {
  const lastMs = run.writtenAt === undefined ? 0 : Date.parse(run.writtenAt);
  return new Date(Math.max(nowMs, lastMs + 1)).toISOString();
}

/** No clock of a leader is wrong by more than this; a record from beyond it is somebody's edit. */
const MAX_CLOCK_ERROR_MS = 86_400_000;

/**
 * A record is ours to follow only where following it is safe: downwards always, upwards only as the one step that this run
 * could have taken. Anything else is an edited or restored annotation, and drift against the status.
 */
function isPlausible(run: Run, record: WriteRecord, spec: Spec | undefined, nowMs: number): boolean {
  if (Date.parse(record.at) > nowMs + MAX_CLOCK_ERROR_MS) return false;
  if (record.weight <= (run.weight ?? 100)) return true;
  return (
    record.decision === 'advance' &&
    run.phase === 'Progressing' &&
    record.revision === run.revision &&
    run.approvalNeeded === undefined &&
    !isCondemned(run, record.revision) &&
    nextStep(spec?.schedule ?? [], run.weight ?? 0)?.step.weight === record.weight
  );
}
