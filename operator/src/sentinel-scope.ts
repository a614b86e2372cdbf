/**
 * What the sentinel shall watch after a pass. Called by reconcile.ts; sentinel.ts follows it until the next pass says otherwise.
 */
import { sentinelDue } from './core/checks-due.ts';
import type { Decision } from './core/decide.ts';
import type { Seen } from './observe.ts';
import type { Watched } from './sentinel.ts';

/** @returns undefined when no request can reach the canary and that is proven. */
export function watchedOf({ observation, handles }: Seen, decision: Decision): Watched | undefined {
  const { spec } = handles;
  const weight = decision.want.weight === 'leave' ? (decision.run.weight ?? 0) : decision.want.weight;
  if (spec === undefined || observation.target === undefined) return undefined;
  if (weight === 0 && !sentinelDue(observation)) return undefined;
  return {
    namespace: observation.rollout.namespace,
    canarySelector: observation.target.selector,
    stableSelector: observation.stable?.selector,
    podPort: spec.podPort,
    podPath: spec.podPath,
    matrix: spec.matrix,
    revision: observation.target.revision,
    sinceMs: decision.run.stepStartedAtMs,
    silentSinceMs: decision.run.silentSinceMs,
    isZero: weight === 0,
  };
}
