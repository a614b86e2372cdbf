/**
 * Whether a RolloutApproval opens the way up. Rules of decide.ts ask; an approval is spent by its first use. What is asked for stands
 * in run.approvalNeeded, what was found in observation.approvals; nothing of an approval counts while nothing guards who wrote it.
 */

import { APPROVAL_LIMITS, type ApprovalRole, type ApprovalSpec } from './approval-schema.ts';
import type { Reason } from './reason.ts';
import type { Run } from './run.ts';
import type { Scene } from './scene.ts';
import type { SpentApproval } from './status.ts';

/** One RolloutApproval that names this rollout. */
export type Approval = Omit<ApprovalSpec, 'expiresAt'> & {
  readonly name: string;
  readonly uid: string;
  /** metadata.creationTimestamp, which the apiserver sets: whole seconds. */
  readonly createdAtMs: number;
  readonly expiresAtMs: number;
};

/**
 * What the shell found. `guard` says what happened to a forged approval that was offered at the same moment: refused (it stands),
 * taken (it is missing), or none was offered since no approval came into question. `waived`: the operator is set to do without.
 */
export type ApprovalsView =
  | { readonly kind: 'unknown'; readonly why: string }
  | {
      readonly kind: 'read';
      readonly approvals: readonly Approval[];
      readonly guard: 'stands' | 'missing' | 'not-asked' | 'waived';
    };

/** What a run waits for, since a severe verdict closed the way up. */
export type ApprovalNeeded = { readonly role: ApprovalRole; readonly stepIndex: number; readonly sinceMs: number };

/** The same with the revision that it is about. */
export type Question = ApprovalNeeded & {
  readonly revision: string;
  /** The checkpoint that it is about; without one it is the way up after a P1 or P2. */
  readonly checkpoint?: string;
};

/** True for an approval that was made for this question; whether it counts is another matter. */
export function isAbout(approval: Approval, { role, revision, stepIndex, sinceMs, checkpoint }: Question): boolean {
  return (
    approval.checkpoint === checkpoint &&
    approval.role === role &&
    approval.revision === revision &&
    approval.stepIndex === stepIndex &&
    isMadeSince(approval, sinceMs)
  );
}

/** Nobody can approve what has not happened yet. The apiserver's stamp knows no milliseconds. */
function isMadeSince({ createdAtMs }: Approval, sinceMs: number): boolean {
  return createdAtMs >= Math.floor(sinceMs / 1_000) * 1_000;
}

/** A rule's answer to "may it go up?". */
export type ApprovalAnswer =
  | { readonly kind: 'approved'; readonly approval: Approval; readonly approvalsUsed: Run['approvalsUsed'] }
  | { readonly kind: 'waiting'; readonly reason: Reason; readonly message: string; readonly run: Partial<Run> };

/** The first approval that fits what is needed, or why the run goes on waiting. */
export function askApproval(scene: Scene, needed: ApprovalNeeded): ApprovalAnswer {
  const { run, observation, nowMs } = scene;
  const view = observation.approvals;
  const wait = (reason: Reason, message: string, change: Partial<Run> = {}): ApprovalAnswer => ({
    kind: 'waiting',
    reason,
    message,
    run: change,
  });
  if (view === undefined) return wait('ApprovalNeeded', describeNeed(scene, needed));
  if (view.kind === 'unknown')
    return wait('ApprovalsUnknown', `RolloutApprovals cannot be read (${view.why}): no way up`);
  const question = { ...needed, revision: run.revision };
  const fitting = view.approvals.filter((approval) => misfit(approval, question, scene) === undefined);
  if (view.guard === 'missing') {
    // What was found unguarded never counts, not even when the guard has come back by the next look.
    const atMs = fitting.map(({ createdAtMs }) => createdAtMs);
    return wait('ApprovalsUnguarded', UNGUARDED, atMs.length > 0 ? { unguardedAtMs: Math.max(nowMs, ...atMs) } : {});
  }
  const approval = view.guard === 'not-asked' ? undefined : fitting[0];
  if (approval === undefined || observation.spec.kind === 'invalid') {
    return wait('ApprovalNeeded', describeNeed(scene, needed));
  }
  return { kind: 'approved', approval, approvalsUsed: [...run.approvalsUsed, spentBy(approval)].slice(-MAX_SPENT) };
}

/** A person's word at a checkpoint; where there is none, why, and of which time it would have been. */
export type Word =
  | { readonly kind: 'word'; readonly approval: Approval }
  | { readonly kind: 'none'; readonly why: string; readonly atMs?: number };

/** The newest approval that fits, whether it says yes or no; of one second, the no. */
export function newestWord(view: ApprovalsView | undefined, question: Question, now: Moment): Word {
  if (view === undefined) return { kind: 'none', why: 'NotAsked' };
  if (view.kind === 'unknown') return { kind: 'none', why: view.why };
  const fitting = view.approvals
    .filter((approval) => misfit(approval, question, now) === undefined)
    .toSorted((left, right) => left.createdAtMs - right.createdAtMs || Number(saysNo(left)) - Number(saysNo(right)));
  const approval = fitting.at(-1);
  if (approval === undefined || view.guard === 'not-asked') return { kind: 'none', why: 'NotAnswered' };
  if (view.guard === 'missing') return { kind: 'none', why: 'Unguarded', atMs: approval.createdAtMs };
  return { kind: 'word', approval };
}

function saysNo({ answer }: Approval): boolean {
  return answer === 'no';
}

/** "engineer as on-call: a slow disk, replaced". */
export function describeApproval({ by, role, reason }: Approval): string {
  return `${by} as ${role}: ${reason}`;
}

export const UNGUARDED =
  'this cluster takes a RolloutApproval in a name that is not its author’s: no approval counts until the ' +
  'ValidatingAdmissionPolicy rolloutapprovals.latchkey.dev and its binding are there (chart value approvals.policy); approve again then';

/** Bound of status.approvalsUsed. */
export const MAX_SPENT = 20;

function spentBy({ uid, by, role }: Approval): SpentApproval {
  return { uid, by, role };
}

type Moment = Pick<Scene, 'run' | 'nowMs'>;

/** Why an approval does not count; undefined when it does. */
function misfit(approval: Approval, question: Question, { run, nowMs }: Moment): string | undefined {
  const { revision, role, stepIndex, createdAtMs, expiresAtMs, checkpoint } = approval;
  if (checkpoint !== question.checkpoint)
    return `is for ${checkpoint === undefined ? 'no checkpoint' : `checkpoint ${checkpoint}`}`;
  if (checkpoint === undefined && saysNo(approval)) return 'says no';
  if (revision !== question.revision) return `is for revision ${revision}`;
  if (role !== question.role) return `is of ${role}`;
  if (stepIndex !== question.stepIndex) return `is for step index ${stepIndex}`;
  if (!isMadeSince(approval, question.sinceMs)) return 'was made before it was asked for';
  if (run.approvalsUsed.some(({ uid }) => uid === approval.uid)) return 'is used up';
  if (expiresAtMs - createdAtMs > APPROVAL_LIMITS.validForMs) return 'would count for more than 24h';
  if (expiresAtMs <= nowMs) return 'has expired';
  if (run.unguardedAtMs !== undefined && createdAtMs <= run.unguardedAtMs)
    return 'was made while nothing refused a forged one';
  return undefined;
}

const SHOWN_MISFITS = 5;

/** Who has to do what, and why approvals of the same time do not count. */
function describeNeed(scene: Scene, needed: ApprovalNeeded): string {
  const { run, observation } = scene;
  const { role, sinceMs, stepIndex } = needed;
  const need =
    `needs an approval of ${role} for revision ${run.revision}, step index ${stepIndex}, since ${new Date(sinceMs).toISOString()}: ` +
    `kubectl authrollout approve ${observation.rollout.name} --as ${role} --reason "…"`;
  const view = observation.approvals;
  if (view?.kind !== 'read') return need;
  const question = { ...needed, revision: run.revision };
  const misfits = view.approvals
    .filter((approval) => isMadeSince(approval, sinceMs))
    .flatMap((approval) => {
      const why = misfit(approval, question, scene);
      return why === undefined ? [] : [`${approval.name} ${why}`];
    });
  return misfits.length === 0 ? need : `${need}; not counted: ${misfits.slice(-SHOWN_MISFITS).join(', ')}`;
}
