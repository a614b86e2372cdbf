/** What people reported about the version that runs. judge.ts adds it to what the API counts itself; both have the same limits. */
import type { Matrix } from './spec.ts';

/** One RolloutComplaint. */
export type Complaint = { readonly revision: string; readonly createdAtMs: number; readonly count: number };

/** How many count now: of this revision, within spec.matrix.complaints.window. */
export function reportedComplaints(
  complaints: readonly Complaint[],
  revision: string | undefined,
  { matrix, nowMs }: { readonly matrix: Matrix; readonly nowMs: number },
): number {
  const sinceMs = nowMs - matrix.complaints.windowMs;
  return complaints
    .filter((complaint) => complaint.revision === revision && complaint.createdAtMs > sinceMs)
    .reduce((sum, { count }) => sum + count, 0);
}
