/**
 * The first minutes of an AuthRollout: a copy of the target becomes stable and takes the traffic. The target's own pods
 * serve until stable is ready, so nothing here lowers capacity before there is some. Rule of decide.ts.
 */

import { isCondemned } from './apply-record.ts';
import { invalidSpec, routeLost, stableLost, targetLost } from './blockers.ts';
import { isFullyReady, stableNameOf } from './revision.ts';
import { isOurNotation } from './route-record.ts';
import type { Draft, Scene } from './scene.ts';
import { describeProof, settle } from './zero.ts';

export function adoption(scene: Scene): Draft | undefined {
  const { observation, run, live, spec } = scene;
  const { target, stable } = observation;
  if (run.phase !== 'Initializing') return undefined;
  const blocker = invalidSpec(scene);
  if (blocker !== undefined || target === undefined) return blocker ?? targetLost(scene);
  const name = stableNameOf(spec.targetName);
  const isTainted = isCondemned(run, target.revision);
  if (stable === undefined && isTainted) return stableLost(scene);
  if (stable === undefined) return adopting(`creating ${name} from revision ${target.revision}`, 'target-template');
  if (stable.revision === '') {
    const message = `Deployment ${name} is not ours (no label latchkey.dev/revision): delete or rename it, or choose another target`;
    return { kind: 'hold', reason: 'StableForeign', message };
  }
  const isReady = isFullyReady(stable, 1);
  // Nobody was ever sent to a stable that is not ready while the target has everything: then it may follow the target.
  const isReplaceable = !isReady && !isTainted && stable.revision !== target.revision && live === 100;
  if (isReplaceable) return adopting(`${name} follows the target to ${target.revision}`, 'target-template');
  if (!isReady)
    return adopting(`waiting for ${name}: ${stable.readyReplicas} of ${stable.replicas} pods ready`, 'leave');
  if (scene.route === undefined) return routeLost(scene);
  if (live !== 0 || !isOurNotation(scene.route) || run.weight !== 0) {
    const message = `${name} is ready: it takes all traffic, the target's own pods step back`;
    return { kind: 'promote', reason: 'Adopted', message, write: 0 };
  }
  return settled(scene, stable.revision);
}

function adopting(message: string, stable: 'target-template' | 'leave'): Draft {
  return { kind: 'promote', reason: 'Adopting', message, want: { stable } };
}

function settled(scene: Scene, stableRevision: string): Draft {
  const { target } = scene.observation;
  const settling = settle(scene);
  if (!settling.isProven) {
    const message = describeProof(settling);
    return { kind: 'promote', reason: 'ProvingZero', message, run: { zero: settling.zero }, want: settling.want };
  }
  // Another revision at the target is the first canary: its pods are needed in a moment.
  const isSame = target?.revision === stableRevision;
  const want = isSame ? { canaryReplicas: { kind: 'exactly', replicas: 0 } as const } : {};
  if (isSame && target.currentReplicas > 0) {
    const message = 'no request reaches the target any more: scaling it to 0';
    return { kind: 'promote', reason: 'Adopted', message, run: { zero: settling.zero }, want };
  }
  return {
    kind: 'promote',
    reason: 'Adopted',
    message: `stable serves revision ${stableRevision}`,
    run: { phase: 'Succeeded', revision: stableRevision, stableRevision, zero: settling.zero },
    want,
  };
}
