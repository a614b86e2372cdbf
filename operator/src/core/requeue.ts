/**
 * When to look again if nothing happens before. reconcile.ts hands it to the work queue; watch events and the sentinel
 * come on top, so these are upper bounds.
 */

import type { Decision } from './decide.ts';
import type { Observation } from './observation.ts';
import type { Outcome } from './plan.ts';
import type { Reason } from './reason.ts';

/** Waiting for pods, services or a proof: their watch events are faster, this is for the lost one. */
const POLL_MS = 1_000;
/** A checkpoint is asked again: nothing rings when a Job ends. */
const ASK_AGAIN_MS = 15_000;
/** A person or another manifest is needed. */
const SLOW_MS = 60_000;
/** Against our own bugs only: the watches hear everything, and list again every ten minutes what they may have missed. */
const RESYNC_MS = 7_200_000;

/** Milliseconds until the next pass; 0 means at once. */
export function requeueAfterMs(observation: Observation, decision: Decision, outcome: Outcome): number {
  const { run, reason, record } = decision;
  if (outcome.kind === 'conflict') return 0;
  if (outcome.kind === 'failed') return POLL_MS;
  if (AT_ONCE.has(reason)) return 0;
  // Nobody rings when the apiserver can list again.
  if (reason === 'ApprovalsUnknown') return POLL_MS * 5;
  const isProving = run.zero !== undefined && run.zero.provenAtMs === undefined;
  if (record !== undefined || isProving) return POLL_MS;
  switch (run.phase) {
    case 'Initializing':
    case 'Promoting':
      return isWaitingForPeople(decision) ? SLOW_MS : POLL_MS;
    case 'Progressing':
      return isWaitingForPeople(decision) ? SLOW_MS : untilNextEvent(observation, decision);
    case 'Succeeded':
      return isWaitingForPeople(decision) || reason !== 'UpToDate' ? POLL_MS * 5 : RESYNC_MS;
    case 'Zeroed':
    case 'RolledBack':
      return SLOW_MS;
  }
}

/** What was in the way is not any more. */
const AT_ONCE: ReadonlySet<Reason> = new Set<Reason>(['Approved', 'FenceNotClaimed', 'MaxWeightLifted', 'Recovered']);

const FOR_PEOPLE: ReadonlySet<Reason> = new Set<Reason>([
  'InvalidSpec',
  'RouteInvalid',
  'RouteNotFound',
  'StableForeign',
  'StableNotFound',
  'TargetNotFound',
]);

const AT_CHECKPOINT: ReadonlySet<Reason> = new Set<Reason>([
  'ApprovalsUnguarded',
  'CheckpointNeedsPerson',
  'CheckpointNo',
  'CheckpointPending',
  'CheckpointUnknown',
]);

function isWaitingForPeople({ reason }: Decision): boolean {
  return FOR_PEOPLE.has(reason);
}

/** The next check, the half of the hold (when pods are made ahead), its end, or the end of our patience when blind. */
function untilNextEvent({ nowMs, spec }: Observation, { run, reason }: Decision): number {
  if (reason === 'CanaryNotReady' || reason === 'StaleSamples') return POLL_MS;
  // Aborted: no check is due, and the spec rings when somebody takes it back.
  if (reason === 'MaxWeight' && (run.weight ?? 0) === 0) return SLOW_MS;
  const startMs = run.stepStartedAtMs;
  const blindLimitMs = spec.kind === 'valid' ? spec.spec.blindLimitMs : SLOW_MS;
  const eventsMs = [
    run.nextCheckAtMs,
    startMs === undefined ? undefined : startMs + run.stepHoldMs / 2,
    startMs === undefined ? undefined : startMs + run.stepHoldMs,
    run.blindSinceMs === undefined ? undefined : run.blindSinceMs + blindLimitMs,
  ];
  const ahead = eventsMs.filter((atMs) => atMs !== undefined).filter((atMs) => atMs > nowMs);
  if (AT_CHECKPOINT.has(reason)) return Math.max(100, Math.min(nowMs + ASK_AGAIN_MS, ...ahead) - nowMs);
  const dueMs = startMs === undefined ? nowMs + POLL_MS : Math.min(nowMs + SLOW_MS, ...ahead);
  return Math.max(100, dueMs - nowMs);
}
