/**
 * What the sentinel shall watch after a pass. Called by reconcile.ts; sentinel.ts follows it until the next pass says otherwise.
 */
import { sentinelDue } from './core/checks-due.ts';
import type { Decision } from './core/decide.ts';
import type { Outcome } from './core/plan.ts';
import { liveWeight } from './core/route-record.ts';
import type { Seen } from './observe.ts';
import type { Watched } from './sentinel.ts';

/** @returns undefined when no request can reach the canary and that is proven. */
export function watchedOf({ observation, handles }: Seen, decision: Decision, outcome: Outcome): Watched | undefined {
  const { spec } = handles;
  const { target, stable, route, rollout } = observation;
  if (spec === undefined || target === undefined) return undefined;
  const wanted = decision.want.weight === 'leave' ? (decision.run.weight ?? 0) : decision.want.weight;
  // A refused write has changed nothing: as long as the canary has traffic, each batch must ring the urgent lane again.
  const isUnfinished = outcome.kind !== 'done' && route.kind === 'programmable';
  const weight = isUnfinished ? Math.max(wanted, liveWeight(route)) : wanted;
  if (weight === 0 && !sentinelDue(observation)) return undefined;
  return {
    namespace: rollout.namespace,
    canarySelector: target.selector,
    stableSelector: stable?.selector,
    podPort: spec.podPort,
    podPath: spec.podPath,
    matrix: spec.matrix,
    revision: target.revision,
    trial: `${target.revision}/${decision.run.approvalsUsed.at(-1)?.uid ?? ''}`,
    sinceMs: decision.run.stepStartedAtMs,
    silentSinceMs: decision.run.silentSinceMs,
    isZero: weight === 0,
  };
}
