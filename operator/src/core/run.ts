/**
 * The run: status as the core works with it, merged with the route's record when a crash left the status behind.
 * decide.ts starts from runOf and makes its own moves through applyRecord too, so that the pass after a crash arrives
 * exactly where the pass before it was going.
 */

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

/** Bound of the list in status; a run condemns once, so this is fifty failed releases. */
export const MAX_CONDEMNED = 50;

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

/** Before the first adoption (the AuthRollout was made anew) the record's run is history; its verdict on a revision is not. */
function onlyCondemn(run: Run, record: WriteRecord): Run {
  const written = { ...run, weight: record.weight, writtenAt: record.at };
  return record.decision === 'rollback' ? { ...condemn(written, record), phase: run.phase } : written;
}

/** The run after the write that the record describes. */
export function applyRecord(run: Run, record: WriteRecord, spec: Spec | undefined, observation: Observation): Run {
  // What was said before a move says nothing after it.
  const checkpoints = record.decision === 'hold' ? run.checkpoints : undefined;
  const written: Run = { ...run, weight: record.weight, writtenAt: record.at, checkpoints };
  if (record.reason === 'MaxWeight') return afterCeiling(written, record, spec);
  if (record.reason === 'CohortRefused') return afterRefusal(written, record, spec);
  switch (record.decision) {
    case 'hold':
      return written;
    case 'advance':
      return afterAdvance(written, record, spec);
    case 'promote':
      return { ...written, zero: requestZero(record) };
    case 'reduce':
      return afterReduce(written, record);
    case 'zero':
      return afterZero(written, record, observation);
    case 'rollback':
      return { ...condemn(written, record), zero: requestZero(record) };
  }
}

function afterAdvance(run: Run, record: WriteRecord, spec: Spec | undefined): Run {
  return {
    ...entered(run, record, spec),
    phase: 'Progressing',
    blindSinceMs: undefined,
    silentSinceMs: undefined,
    zero: undefined,
    drift: undefined,
    loweredTo: undefined,
  };
}

/** The record's step with its whole hold ahead. */
function entered(run: Run, record: WriteRecord, spec: Spec | undefined): Run {
  const atMs = Date.parse(record.at);
  const step = spec?.schedule[record.stepIndex];
  const holdMs = step?.holdMs ?? run.stepHoldMs;
  const checkEveryMs = step?.checkEveryMs ?? run.stepCheckEveryMs;
  return {
    ...run,
    stepIndex: record.stepIndex,
    stepStartedAtMs: atMs,
    stepHoldMs: holdMs,
    stepCheckEveryMs: checkEveryMs,
    nextCheckAtMs: atMs + Math.min(holdMs, checkEveryMs),
  };
}

/** The step that the ceiling's weight belongs to; a promotion that was under way is none any more. */
function afterCeiling(run: Run, record: WriteRecord, spec: Spec | undefined): Run {
  const isEmpty = record.weight === 0;
  return {
    ...entered(run, record, spec),
    phase: run.phase === 'Promoting' ? 'Progressing' : run.phase,
    loweredTo: record.weight,
    // Whom a person took the traffic from is not called down for having none.
    ...(isEmpty ? { stepStartedAtMs: undefined, silentSinceMs: undefined, zero: requestZero(record) } : {}),
  };
}

/** While the route was refused its figures were not those of a step. */
function afterRefusal(run: Run, { at }: WriteRecord, spec: Spec | undefined): Run {
  const cookie = spec?.cohortCookie;
  const message = 'a Gateway refused the route with our rules';
  const cohortRefused = cookie === undefined ? undefined : { cookie, message, at };
  return { ...run, stepStartedAtMs: Date.parse(at), cohortRefused };
}

const STARTS_ANEW: ReadonlySet<string> = new Set(['Blind', 'CanaryNotReady']);

function afterReduce(run: Run, record: WriteRecord): Run {
  const atMs = Date.parse(record.at);
  const needsLead = record.reason === 'SeverityP2';
  return {
    ...run,
    stepIndex: record.stepIndex,
    // Stepping out of the first step because we are blind, or nobody is ready, starts it anew; a person's 0 keeps its hold.
    stepStartedAtMs: record.weight === 0 && STARTS_ANEW.has(record.reason) ? undefined : atMs,
    silentSinceMs: record.reason === 'CanaryNotReady' ? (run.silentSinceMs ?? atMs) : run.silentSinceMs,
    blindSinceMs: record.reason === 'Blind' ? atMs : run.blindSinceMs,
    nextCheckAtMs: atMs + Math.min(run.stepHoldMs, run.stepCheckEveryMs),
    approvalNeeded: needsLead ? { role: 'team-lead', stepIndex: record.stepIndex, sinceMs: atMs } : run.approvalNeeded,
  };
}

function afterZero(run: Run, record: WriteRecord, observation: Observation): Run {
  const atMs = Date.parse(record.at);
  switch (record.reason) {
    case 'SeverityP1':
      if (record.revision !== run.revision) return run;
      return {
        ...run,
        phase: 'Zeroed',
        zero: requestZero(record),
        approvalNeeded: { role: 'on-call', stepIndex: record.stepIndex, sinceMs: atMs },
      };
    case 'NewRevision':
      if (record.revision !== observation.target?.revision) return run;
      return freshRun(run, record.revision);
    case 'RevisionWithdrawn':
      if (record.revision !== run.stableRevision) return run;
      return { ...freshRun(run, record.revision), phase: 'Succeeded', zero: requestZero(record) };
    case 'CondemnedRevision':
      return { ...freshRun(run, record.revision), phase: 'RolledBack', zero: requestZero(record) };
    case 'TargetNotFound':
      return { ...run, stepIndex: 0, stepStartedAtMs: undefined };
    default:
      return { ...run, zero: requestZero(record) };
  }
}

/** A revision before its first step. */
export function freshRun(run: Run, revision: string): Run {
  return {
    ...run,
    phase: 'Progressing',
    revision,
    stepIndex: 0,
    stepStartedAtMs: undefined,
    stepHoldMs: 0,
    stepCheckEveryMs: 0,
    nextCheckAtMs: undefined,
    blindSinceMs: undefined,
    silentSinceMs: undefined,
    approvalNeeded: undefined,
    approvalsUsed: [],
    unguardedAtMs: undefined,
    zero: undefined,
    drift: undefined,
    loweredTo: undefined,
  };
}

function requestZero(record: WriteRecord): ZeroProof {
  return { requestedAtMs: Date.parse(record.at), stage: 'route', provenAtMs: undefined };
}

function condemn(run: Run, { revision, reason, at }: WriteRecord): Run {
  const condemned = isCondemned(run, revision)
    ? run.condemned
    : [...run.condemned, { revision, reason, at }].slice(-MAX_CONDEMNED);
  if (revision !== run.revision) return { ...run, condemned };
  return { ...run, condemned, phase: 'RolledBack', approvalNeeded: undefined };
}

export function isCondemned(run: Run, revision: string): boolean {
  return run.condemned.some((entry) => entry.revision === revision);
}
