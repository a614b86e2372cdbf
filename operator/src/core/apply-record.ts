/**
 * Where a write leads a run. Called by run.ts for a write that a crash kept from the status, and by decide.ts for its own moves, so that the
 * pass after a crash arrives exactly where the pass before it was going.
 */
import type { Observation, WriteRecord } from './observation.ts';
import type { Run, ZeroProof } from './run.ts';
import type { Spec } from './spec.ts';

/** Bound of the list in status; a run condemns once, so this is fifty failed releases. */
const MAX_CONDEMNED = 50;

/** Before the first adoption (the AuthRollout was made anew) the record's run is history; its verdict on a revision is not. */
export function onlyCondemn(run: Run, record: WriteRecord): Run {
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
