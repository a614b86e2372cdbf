/** Which approval of spec.approvals opens the way up. Rules of decide.ts ask; an approval is spent by its first use. */

import type { Scene } from './scene.ts';
import type { Approval } from './spec-schema.ts';

/** Names an approval in status.approvalsUsed. */
export function approvalKey(approval: Approval): string {
  return `${approval.role}/${approval.by}/${approval.revision}/${approval.stepIndex}/${approval.expiresAt}`;
}

/** The first approval that fits what is needed: role, revision, step, not expired, not spent. */
export function findApproval({ run, spec, nowMs }: Scene): Approval | undefined {
  const needed = run.approvalNeeded;
  if (needed === undefined) return undefined;
  return spec.approvals.find(
    (approval) =>
      approval.role === needed.role &&
      approval.revision === run.revision &&
      approval.stepIndex === needed.stepIndex &&
      Date.parse(approval.expiresAt) > nowMs &&
      !run.approvalsUsed.includes(approvalKey(approval)),
  );
}

/** What a person has to add to the manifest. */
export function describeNeed({ run }: Scene): string {
  const needed = run.approvalNeeded;
  if (needed === undefined) return '';
  return (
    `needs an approval of ${needed.role} since ${new Date(needed.sinceMs).toISOString()}: ` +
    `add {role: ${needed.role}, revision: ${run.revision}, stepIndex: ${needed.stepIndex}, by, expiresAt} to spec.approvals`
  );
}
