/**
 * After the last step: stable takes the canary's template, gets ready, and the weight goes back to it in one move. Until
 * then the canary keeps all traffic, since it may be the only healthy copy. Rule of decide.ts.
 */

import { isFullyReady } from './revision.ts';
import type { Draft, Scene } from './scene.ts';
import { describeProof, settle } from './zero.ts';

/** progressDeadlineSeconds of a Deployment, Kubernetes' default: a rollout of stable that takes longer is stuck. */
const STUCK_AFTER_MS = 600_000;

export function promotion(scene: Scene): Draft | undefined {
  const { observation, run, live, nowMs } = scene;
  const { stable } = observation;
  if (run.phase !== 'Promoting') return undefined;
  if (stable === undefined || stable.revision !== run.revision) {
    const message = `copying revision ${run.revision} to stable`;
    return { kind: 'promote', reason: 'Promoting', message, want: { stable: 'target-template' } };
  }
  if (!isFullyReady(stable, 1)) {
    const isStuck = nowMs - (run.stepStartedAtMs ?? nowMs) > STUCK_AFTER_MS;
    const progress = `${Math.min(stable.updatedReplicas, stable.readyReplicas)} of ${stable.replicas} pods of stable run ${run.revision} and are ready`;
    return { kind: 'promote', reason: isStuck ? 'PromotionStuck' : 'Promoting', message: progress };
  }
  if (live !== 0) {
    const message = `stable runs ${run.revision} and is ready: it takes all traffic`;
    return { kind: 'promote', reason: 'Promoted', message, write: 0 };
  }
  return emptied(scene);
}

function emptied(scene: Scene): Draft {
  const { observation, run } = scene;
  const settling = settle(scene);
  if (!settling.isProven) {
    const message = describeProof(settling);
    const reason = settling.zero.stage === 'alert' ? 'ZeroNotProven' : 'ProvingZero';
    return { kind: 'promote', reason, message, run: { zero: settling.zero }, want: settling.want };
  }
  const isGone = observation.target === undefined || observation.target.currentReplicas === 0;
  return {
    kind: 'promote',
    reason: 'Promoted',
    message: isGone
      ? `stable serves revision ${run.revision}`
      : 'no request reaches the canary any more: scaling it to 0',
    run: isGone ? { phase: 'Succeeded', stableRevision: run.revision, zero: settling.zero } : { zero: settling.zero },
    want: { canaryReplicas: { kind: 'exactly', replicas: 0 } },
  };
}
