/**
 * Whether this pass asks Prometheus, over which window, and whether the sentinel must look at a rollout at all. observe.ts
 * asks the first two with the observation as far as it has got (samples undefined), then checkpointsDue; sentinel.ts asks the last.
 */

import { type CheckpointQuestion, questionOf } from './checkpoints.ts';
import { decide } from './decide.ts';
import { judge } from './judge.ts';
import type { Observation } from './observation.ts';
import { liveWeight } from './route-record.ts';
import { type Run, runOf } from './run.ts';
import type { Spec } from './spec.ts';

/** True when the step's checks must run in this pass. */
export function checksDue(observation: Observation): boolean {
  const run = runWith(observation);
  const { target, nowMs, spec } = observation;
  if (run.phase !== 'Progressing' || spec.kind !== 'valid' || target?.revision !== run.revision) return false;
  if ((run.weight ?? 0) === 0 && run.blindSinceMs === undefined) return false;
  if (run.nextCheckAtMs === undefined || nowMs >= run.nextCheckAtMs) return true;
  // A clock that went back must not silence the checks.
  return run.nextCheckAtMs - nowMs > Math.max(run.stepCheckEveryMs, MAX_WINDOW_MS);
}

const MIN_WINDOW_MS = 2_000;
const MAX_WINDOW_MS = 300_000;

/** The window of the checks: what this step has seen, five minutes at most. */
export function checkWindowMs(observation: Observation): number {
  const { stepStartedAtMs } = runWith(observation);
  const ageMs = observation.nowMs - (stepStartedAtMs ?? observation.nowMs);
  return Math.min(MAX_WINDOW_MS, Math.max(MIN_WINDOW_MS, ageMs));
}

/**
 * What stands before the next step, when this pass would do nothing but wait for it: whatever lowers or holds for another reason has
 * been decided without a question, and is not kept waiting for an answer.
 */
export function checkpointsDue(observation: Observation): CheckpointQuestion | undefined {
  const { spec, nowMs } = observation;
  if (spec.kind === 'invalid' || observation.leader.leaseToken > observation.leader.token) return undefined;
  const question = questionOf(runWith(observation), spec.spec, nowMs);
  if (question === undefined || decide(observation, judge(observation)).reason !== 'CheckpointPending')
    return undefined;
  return question;
}

/** True while the canary has traffic, or it is not yet proven that it has none. */
export function sentinelDue(observation: Observation): boolean {
  const run = runWith(observation);
  if (run.zero !== undefined && run.zero.provenAtMs === undefined) return true;
  if (run.phase !== 'Progressing' && run.phase !== 'Promoting') return false;
  const live = observation.route.kind === 'programmable' ? liveWeight(observation.route) : 0;
  return live > 0 || (run.weight ?? 0) > 0;
}

function runWith(observation: Observation): Run {
  return runOf(observation, specOf(observation));
}

function specOf({ spec }: Observation): Spec | undefined {
  return spec.kind === 'valid' ? spec.spec : spec.usable;
}
