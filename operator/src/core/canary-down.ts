/**
 * A canary of which no pod is ready. The gateway has nobody to send its share to, so its users get 503 from the gateway, which no pod counts:
 * the weight goes to 0 at once, comes back from the first step when pods are ready again, and is a P0 when that takes too long. Rules of
 * progress.ts; track.ts keeps the time.
 *
 * @see docs/adr/0019-nobody-ready.md
 */

import { checkServiceDown } from './checks.ts';
import type { DeploymentView } from './observation.ts';
import type { Rule } from './scene.ts';
import { describeFailures, rollBack } from './zero.ts';

/** Pods are wanted and none is ready: what the gateway would send there meets nobody. */
export function isNobodyReady({ replicas, readyReplicas }: DeploymentView): boolean {
  return replicas > 0 && readyReplicas === 0;
}

/** To stable, where stable has somebody: from nobody to nobody helps no one, and would only begin the climb anew. */
export const nobodyReady: Rule = ({ run, observation: { target, stable } }) => {
  const weight = run.weight ?? 0;
  if (weight === 0 || target === undefined || !isNobodyReady(target)) return undefined;
  if (stable === undefined || stable.readyReplicas === 0) return undefined;
  return {
    kind: 'reduce',
    reason: 'CanaryNotReady',
    message: `none of ${target.replicas} canary pods is ready: from ${weight}% down to 0% until they are`,
    write: 0,
    stepIndex: 0,
  };
};

/** The runbook's P0 for a service that is down; its users have been at stable all the time. */
export const downTooLong: Rule = ({ run, spec, nowMs }) => {
  if ((run.weight ?? 0) > 0 || run.silentSinceMs === undefined) return undefined;
  const finding = checkServiceDown(nowMs - run.silentSinceMs, spec.matrix);
  if (finding.verdict.kind !== 'fail') return undefined;
  return rollBack(describeFailures([finding], 'P0'), run);
};
