/**
 * The schema of RolloutComplaint.spec: what people told support about a version, counted like the API's own complaints. complaints.ts (the
 * shell) parses objects with it, crd/definitions.ts turns it into the CRD, and the plugin keeps to its limits before it asks.
 */

import * as z from 'zod';
import { approvalSpecSchema } from './approval-schema.ts';

/** One report may bring what a desk has gathered; more than that in one object is a typing mistake. */
export const COMPLAINT_LIMITS = { count: 100 } as const;

const { rolloutName, revision, by, reason } = approvalSpecSchema.shape;

export const complaintSpecSchema = z.strictObject({
  rolloutName,
  revision: revision.describe('The revision that is complained about: status.revision of the AuthRollout.'),
  by: by.describe('Who reports it, by the name that the API server knows: kubectl auth whoami.'),
  reason: reason.describe('What users say.'),
  count: z.int().min(1).max(COMPLAINT_LIMITS.count).default(1).describe('How many users.'),
});
export type ComplaintSpec = z.output<typeof complaintSpecSchema>;
