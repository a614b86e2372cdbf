/**
 * What time and samples do to a run before any rule is asked: how long the checks have been blind and the canary silent,
 * when the next check is due. decide.ts calls track; checks-due.ts reads the result in the next pass.
 */

import { isNobodyReady } from './canary-down.ts';
import { questionOf } from './checkpoints.ts';
import type { Judgement } from './judge.ts';
import type { Observation, UnknownWhy } from './observation.ts';
import type { Run } from './run.ts';
import type { CheckName } from './status.ts';

/** A check that knew nothing, or that is all a finished hold waits for, is repeated this soon. */
const RECHECK_MS = 15_000;

export function track(run: Run, observation: Observation, judgement: Judgement): Run {
  const clamped = withoutFuture(run, observation.nowMs);
  return {
    ...clamped,
    silentSinceMs: silentSince(clamped, observation),
    blindSinceMs: blindSince(clamped, observation, judgement),
    nextCheckAtMs: judgement.step === undefined ? clamped.nextCheckAtMs : nextCheckAt(clamped, observation, judgement),
    checkpoints: questionNow(clamped, observation),
  };
}

function questionNow(run: Run, { spec, nowMs }: Observation): Run['checkpoints'] {
  const question = spec.kind === 'valid' ? questionOf(run, spec.spec, nowMs) : undefined;
  return question && { stepIndex: question.stepIndex, sinceMs: question.sinceMs };
}

/** When the clock went back, what "began" in the future begins now: waiting starts over, it never becomes endless. */
function withoutFuture(run: Run, nowMs: number): Run {
  const past = (atMs: number | undefined): number | undefined =>
    atMs === undefined ? undefined : Math.min(atMs, nowMs);
  return {
    ...run,
    stepStartedAtMs: past(run.stepStartedAtMs),
    blindSinceMs: past(run.blindSinceMs),
    silentSinceMs: past(run.silentSinceMs),
    zero: run.zero && { ...run.zero, requestedAtMs: Math.min(run.zero.requestedAtMs, nowMs) },
  };
}

function silentSince(run: Run, { sentinel, target, nowMs }: Observation): number | undefined {
  // What went to 0 because no pod was ready is silent until one is.
  if ((run.weight ?? 0) === 0) return target !== undefined && isNobodyReady(target) ? run.silentSinceMs : undefined;
  if (sentinel === undefined) return run.silentSinceMs;
  if (sentinel.silentSinceMs === undefined) return undefined;
  const ownMs = Math.min(nowMs, Math.max(sentinel.silentSinceMs, run.stepStartedAtMs ?? 0));
  return Math.min(ownMs, run.silentSinceMs ?? ownMs);
}

/** serviceDown has its own clock (silentSince); blindness is about what Prometheus should have told. */
function blindSince(run: Run, { nowMs }: Observation, { step }: Judgement): number | undefined {
  if (step === undefined) return run.blindSinceMs;
  const hasTraffic = (run.weight ?? 0) > 0;
  const isBlind = step.results.some(
    ({ check, verdict }) =>
      check !== 'serviceDown' && verdict.kind === 'unknown' && !isQuiet(check, verdict.why, hasTraffic),
  );
  return isBlind ? (run.blindSinceMs ?? nowMs) : undefined;
}

/**
 * Seen well, and there was little to see. Series of requests begin with the first request, so at weight 0 their absence is
 * no blindness: a canary that lost its traffic to blindness, and its pods since, would wait for requests to get requests.
 */
function isQuiet(check: CheckName, why: UnknownWhy, hasTraffic: boolean): boolean {
  if (!hasTraffic && why === 'NoData' && (check === 'errorRate' || check === 'latencyP95')) return true;
  return why === 'TooLittleTraffic' || why === 'FewLogins';
}

function nextCheckAt(run: Run, { nowMs }: Observation, { step }: Judgement): number {
  const checkEveryMs = Math.max(1_000, run.stepCheckEveryMs);
  const holdEndMs = (run.stepStartedAtMs ?? nowMs) + run.stepHoldMs;
  const isHoldOver = nowMs >= holdEndMs;
  const soonMs = nowMs + Math.min(checkEveryMs, RECHECK_MS);
  if (isHoldOver || step?.verdict.kind === 'unknown') return isHoldOver ? soonMs : Math.min(soonMs, holdEndMs);
  return Math.min(nowMs + checkEveryMs, holdEndMs);
}
