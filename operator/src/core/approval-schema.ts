/**
 * The schema of RolloutApproval.spec: one person's word that a rollout may go up again. approvals.ts (the shell) parses objects with it,
 * crd/definitions.ts turns it into the CRD, and the plugin keeps to its limits before it asks.
 */

import * as z from 'zod';

export const APPROVAL_ROLES = ['on-call', 'team-lead'] as const;
export type ApprovalRole = (typeof APPROVAL_ROLES)[number];

/** Who may approve as a role is who has this verb on the AuthRollout (docs/adr/0014-approvals-guarded-by-rbac.md). */
export function approvalVerb(role: ApprovalRole): string {
  return `approve-${role}`;
}

/** `by` holds the longest ServiceAccount's name; an approval counts for a day at most, because nobody remembers why after that. */
export const APPROVAL_LIMITS = { by: 512, reason: 512, validForMs: 86_400_000 } as const;

/** yes opens a checkpoint, no keeps it shut. */
export const APPROVAL_ANSWERS = ['yes', 'no'] as const;
export type ApprovalAnswer = (typeof APPROVAL_ANSWERS)[number];

/** One line: it is shown on terminals as it stands. */
const line = z
  .string()
  .min(1)
  .regex(/^\P{Cc}*$/u);

/** A checkpoint's name; no two of a step share one. */
export const checkpointName = z
  .string()
  .min(1)
  .max(63)
  .regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/);

export const approvalSpecSchema = z.strictObject({
  rolloutName: z.string().min(1).max(253).describe('The AuthRollout in the same namespace.'),
  revision: z
    .string()
    .max(10)
    .regex(/^[0-9a-f]{10}$/)
    .describe('The revision the approval is for: status.revision of the AuthRollout.'),
  stepIndex: z
    .int()
    .min(0)
    .max(19)
    .describe('The step the approval is for: stepIndex of status.approvalNeeded, or of status.checkpoints.'),
  role: z.enum(APPROVAL_ROLES).describe('In which role: that of status.approvalNeeded, or of the checkpoint.'),
  checkpoint: checkpointName
    .optional()
    .describe(
      'The checkpoint that it answers: a name in status.checkpoints. Without it the approval is for status.approvalNeeded.',
    ),
  answer: z.enum(APPROVAL_ANSWERS).optional().describe('Of a checkpoint: go or no-go. Default: yes.'),
  by: line
    .max(APPROVAL_LIMITS.by)
    .describe('Who approves, by the name that the API server knows: kubectl auth whoami.'),
  reason: line.max(APPROVAL_LIMITS.reason).describe('Why the traffic may come back.'),
  expiresAt: z.iso
    .datetime({ offset: true })
    .max(32)
    .describe('Until when the approval counts; at most 24 hours after its creation.'),
});
export type ApprovalSpec = z.output<typeof approvalSpecSchema>;
