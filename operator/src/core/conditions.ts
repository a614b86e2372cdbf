/**
 * The conditions of a status: metav1 shape, the kstatus trio (Ready, Reconciling, Stalled) and seven of our own, each present
 * in every status so that `kubectl wait --for=condition=…` never waits for a condition that does not exist.
 * status-from.ts calls conditionsFrom.
 *
 * @see https://github.com/kubernetes-sigs/cli-utils/tree/master/pkg/kstatus
 */

import { cohortOf, isSplit } from './cohort.ts';
import { isCurrent } from './cohort-rules.ts';
import type { Decision } from './decide.ts';
import type { Judgement } from './judge.ts';
import type { Observation } from './observation.ts';
import type { Reason } from './reason.ts';
import { isFullyReady } from './revision.ts';
import { liveWeight } from './route-record.ts';
import type { Run } from './run.ts';
import { CONDITION_TYPES, type Condition, type ConditionType } from './status.ts';

type Draft = { readonly status: Condition['status']; readonly reason: string; readonly message: string };

/** Reasons that only a person, or another manifest, can resolve. */
const STALLING: ReadonlySet<Reason> = new Set<Reason>([
  'ApprovalNeeded',
  'ApprovalsUnguarded',
  'CheckpointNeedsPerson',
  'CheckpointNo',
  'InvalidSpec',
  'PromotionStuck',
  'RouteInvalid',
  'RouteNotFound',
  'SeverityP0',
  'StableForeign',
  'StableNotFound',
  'TargetNotFound',
  'ZeroNotProven',
]);

/** All ten conditions; lastTransitionTime moves only when a status does. */
export function conditionsFrom(
  observation: Observation,
  judgement: Judgement,
  decision: Decision,
  run: Run,
): readonly Condition[] {
  const drafts: Readonly<Record<ConditionType, Draft>> = {
    ...lifecycle(observation, decision, run),
    Paused: paused(observation),
    Degraded: degraded(observation, decision, run),
    MetricsAvailable: metricsAvailable(observation, judgement, run),
    RouteProgrammed: routeProgrammed(observation, decision, run),
    Drifted: drifted(run),
    CohortProgrammed: cohortProgrammed(observation, decision, run),
  };
  const now = new Date(observation.nowMs).toISOString();
  return CONDITION_TYPES.map((type) => {
    const draft = drafts[type];
    const before = observation.status?.conditions?.find((condition) => condition.type === type);
    const lastTransitionTime = before?.status === draft.status ? before.lastTransitionTime : now;
    return {
      type,
      status: draft.status,
      observedGeneration: observation.rollout.generation,
      lastTransitionTime,
      reason: draft.reason,
      message: draft.message.slice(0, 1_024),
    };
  });
}

/** True only when nothing is left to do: stable serves the target's revision and the canary is proven empty. */
function isReady({ stable }: Observation, { reason }: Decision, run: Run): boolean {
  const isDone = reason === 'UpToDate' || reason === 'Adopted' || reason === 'Promoted';
  const isStableReady = stable !== undefined && stable.revision === run.stableRevision && isFullyReady(stable, 1);
  return run.phase === 'Succeeded' && isDone && isStableReady;
}

function lifecycle(
  observation: Observation,
  decision: Decision,
  run: Run,
): Readonly<Record<'Ready' | 'Reconciling' | 'Stalled' | 'Progressing', Draft>> {
  const { reason, message } = decision;
  const ready = isReady(observation, decision, run);
  const stalled = !ready && STALLING.has(reason);
  const isUnderWay = run.phase === 'Initializing' || run.phase === 'Progressing' || run.phase === 'Promoting';
  const progressing = isUnderWay && !stalled && reason !== 'Paused' && reason !== 'MaxWeight';
  return {
    Ready: { status: ready ? 'True' : 'False', reason, message },
    Reconciling: { status: !ready && !stalled ? 'True' : 'False', reason, message },
    Stalled: { status: stalled ? 'True' : 'False', reason, message: stalled ? message : '' },
    Progressing: { status: progressing ? 'True' : 'False', reason, message },
  };
}

function paused({ spec }: Observation): Draft {
  const isPaused = spec.kind === 'valid' && spec.spec.paused;
  return isPaused
    ? { status: 'True', reason: 'Paused', message: 'spec.paused is true: no way up' }
    : { status: 'False', reason: 'NotPaused', message: '' };
}

function degraded({ stable, previousTemplate }: Observation, { reason, message }: Decision, run: Run): Draft {
  if (run.phase === 'RolledBack') return { status: 'True', reason: 'SeverityP0', message };
  if (run.phase === 'Zeroed') return { status: 'True', reason: 'SeverityP1', message };
  if (reason === 'ZeroNotProven' || reason === 'PromotionStuck' || reason === 'StableNotFound') {
    return { status: 'True', reason, message };
  }
  const isMoving = run.phase === 'Initializing' || run.phase === 'Promoting';
  if (!isMoving && stable !== undefined && stable.revision !== run.stableRevision && previousTemplate === undefined) {
    const lost = `stable runs ${stable.revision}; the template of ${run.stableRevision ?? 'the last promotion'} is not kept any more`;
    return { status: 'True', reason: 'NoPreviousTemplate', message: lost };
  }
  if (!isMoving && stable !== undefined && !isFullyReady(stable, 1)) {
    const counts = `${stable.readyReplicas} of ${stable.replicas} pods of stable are ready`;
    return { status: 'True', reason: 'StableNotReady', message: counts };
  }
  return { status: 'False', reason: 'Healthy', message: '' };
}

function metricsAvailable({ status }: Observation, { step }: Judgement, run: Run): Draft {
  if (run.blindSinceMs !== undefined) {
    const why = step?.verdict.kind === 'unknown' ? step.verdict.why : 'Unknown';
    const since = new Date(run.blindSinceMs).toISOString();
    return { status: 'False', reason: why, message: `the checks have known nothing since ${since}` };
  }
  if (step === undefined && status?.lastCheck === undefined) {
    return { status: 'Unknown', reason: 'NotChecked', message: 'no check has run yet' };
  }
  return { status: 'True', reason: 'Checked', message: '' };
}

function routeProgrammed({ route }: Observation, decision: Decision, run: Run): Draft {
  if (route.kind === 'missing') return { status: 'False', reason: 'RouteNotFound', message: decision.message };
  if (route.kind !== 'programmable') return { status: 'False', reason: 'RouteInvalid', message: decision.message };
  if (!route.accepted) {
    return {
      status: 'False',
      reason: 'NotAccepted',
      message: 'no Gateway has accepted the route in its present generation',
    };
  }
  const weight = decision.want.weight === 'leave' ? liveWeight(route) : decision.want.weight;
  if (weight !== run.weight)
    return { status: 'Unknown', reason: 'Pending', message: 'the route does not have our weight yet' };
  return { status: 'True', reason: 'Programmed', message: `the canary has ${weight}%` };
}

function drifted({ drift }: Run): Draft {
  if (drift === undefined) return { status: 'False', reason: 'OwnWeight', message: '' };
  const message = `${drift.manager} set the canary to ${drift.weight}% at ${drift.at}; ${drift.kept}% stands`;
  return { status: 'True', reason: 'Drifted', message };
}

/** Whether the route sends the users whom the weight selects, and no others, to the canary. */
function cohortProgrammed({ spec, route }: Observation, { want }: Decision, run: Run): Draft {
  const usable = spec.kind === 'valid' ? spec.spec : spec.usable;
  const no = (reason: string, message: string): Draft => ({ status: 'False', reason, message });
  if (usable?.cohortCookie === undefined) return no('NoCohort', 'spec.cohort is not set: each request goes by chance');
  if (run.cohortRefused !== undefined) {
    const { message, at } = run.cohortRefused;
    return no('GatewayRefused', `${message} (${at}): going by weight alone until spec.cohort changes`);
  }
  if (route.kind !== 'programmable')
    return { status: 'Unknown', reason: 'Pending', message: 'there is no route to write to' };
  const obstacle = route.cohort?.obstacle;
  if (obstacle !== undefined) return no('RouteUnsuitable', `${obstacle}; until then each request goes by chance`);
  if (!isSplit(run.weight)) return no('NotSplit', `at ${run.weight ?? 0}% there is nobody to choose from`);
  const isThere = want.weight === 'leave' && isCurrent(route, cohortOf({ spec: usable, route, run }), run.weight ?? 0);
  if (!isThere || !route.accepted) {
    return { status: 'Unknown', reason: 'Pending', message: 'no Gateway has accepted the rules of this weight yet' };
  }
  const message = `buckets 0 to ${(run.weight ?? 1) - 1} of cookie ${usable.cohortCookie} are on the canary`;
  return { status: 'True', reason: 'Programmed', message };
}
