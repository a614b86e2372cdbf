/**
 * The phases at weight 0: Succeeded, Zeroed (P1) and RolledBack (P0). They prove that the canary is empty and wait for what
 * may come next: a new revision, or a person. Rules of decide.ts.
 */

import { freshRun } from './apply-record.ts';
import { askApproval, describeApproval } from './approval.ts';
import { invalidSpec, routeLost, targetLost } from './blockers.ts';
import { type Draft, type Scene, stableToRestore } from './scene.ts';
import { describeProof, type Settling, settle } from './zero.ts';

const NO_PODS = { canaryReplicas: { kind: 'exactly', replicas: 0 } } as const;

/**
 * Without pods the canary Service may select them again: what was turned away while the proof was late does not stay as
 * drift for Helm. Where requests kept coming until the pods were taken away, it stays turned to stable, or they would find nobody.
 */
function emptied({ observation, run }: Scene): NonNullable<Draft['want']> {
  const isGone = observation.target?.currentReplicas === 0;
  const keptComing = run.zero?.stage === 'replicas' || run.zero?.stage === 'alert';
  return { ...NO_PODS, canaryService: isGone && !keptComing ? 'attached' : 'leave' };
}

/** RolledBack: proven empty, then without pods, for ever. */
export function rolledBack(scene: Scene): Draft | undefined {
  const { run } = scene;
  if (run.phase !== 'RolledBack') return undefined;
  const settling = settle(scene);
  const restore = { stable: stableToRestore(scene) };
  if (!settling.isProven) return proving(settling, restore);
  const past = run.condemned.find((entry) => entry.revision === run.revision);
  return {
    kind: 'hold',
    reason: 'SeverityP0',
    message: `revision ${run.revision} was rolled back at ${past?.at ?? 'an earlier time'}: apply another revision`,
    run: { zero: settling.zero },
    want: { ...emptied(scene), ...restore },
  };
}

/** Zeroed: pods kept for diagnosis, on until the on-call engineer approves. */
export function zeroed(scene: Scene): Draft | undefined {
  const { run, nowMs } = scene;
  if (run.phase !== 'Zeroed') return undefined;
  const settling = settle(scene);
  const restore = { stable: stableToRestore(scene) };
  if (!settling.isProven) return proving(settling, restore);
  // A status that lost its question asks it anew.
  const approvalNeeded = run.approvalNeeded ?? { role: 'on-call', stepIndex: run.stepIndex, sinceMs: nowMs };
  const answer = askApproval(scene, approvalNeeded);
  if (answer.kind === 'waiting') {
    const { reason, message } = answer;
    return {
      kind: 'hold',
      reason,
      message,
      run: { zero: settling.zero, approvalNeeded, ...answer.run },
      want: restore,
    };
  }
  return {
    kind: 'hold',
    reason: 'Approved',
    message: `revision ${run.revision} starts at the first step again; approved by ${describeApproval(answer.approval)}`,
    run: { ...freshRun(run, run.revision), approvalsUsed: answer.approvalsUsed },
    want: restore,
  };
}

/** Succeeded: stable serves the target's revision and the canary has no pods. */
export function upToDate(scene: Scene): Draft | undefined {
  const { observation, run } = scene;
  if (run.phase !== 'Succeeded') return undefined;
  const isStableRight = observation.stable?.revision === run.stableRevision;
  const want = { stable: isStableRight ? ('leave' as const) : ('target-template' as const) };
  const settling = settle(scene);
  if (!settling.isProven) return proving(settling, want);
  const blocker = routeLost(scene) ?? targetLost(scene) ?? invalidSpec(scene);
  if (blocker !== undefined) return blocker;
  return {
    kind: 'hold',
    reason: 'UpToDate',
    message: `stable serves revision ${run.revision}`,
    run: { zero: settling.zero },
    want: { ...want, ...emptied(scene) },
  };
}

function proving(settling: Settling, want: NonNullable<Draft['want']>): Draft {
  return {
    kind: 'hold',
    reason: settling.zero.stage === 'alert' ? 'ZeroNotProven' : 'ProvingZero',
    message: describeProof(settling),
    run: { zero: settling.zero },
    want: { ...settling.want, ...want },
  };
}
