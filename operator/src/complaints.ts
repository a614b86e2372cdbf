/**
 * RolloutComplaints as the watch saw them: what doorbells.ts remembers of one, and which of them a pass gets to see (observe.ts).
 * core/complaints.ts decides what counts. Kept from the watch and not read in each pass: what arrives late arrives, and rings.
 */
import { z } from 'zod';
import { complaintSpecSchema } from './core/complaint-schema.ts';
import type { Complaint } from './core/complaints.ts';

/** More than that in a window of minutes is as bad as many more. */
const MOST_COMPLAINTS = 50;

export interface Reported extends Complaint {
  readonly rolloutName: string;
}

const complaintObject = z.looseObject({
  metadata: z.looseObject({ creationTimestamp: z.iso.datetime() }),
  spec: complaintSpecSchema,
});

/** undefined for one that cannot be read, which counts for nothing. */
export function readComplaint(object: unknown): Reported | undefined {
  const { data } = complaintObject.safeParse(object);
  if (data === undefined) return undefined;
  const { rolloutName, revision, count } = data.spec;
  return { rolloutName, revision, count, createdAtMs: Date.parse(data.metadata.creationTimestamp) };
}

/** The newest ones about a rollout, oldest first. @param entries of the watch, by `namespace/name` of the object */
export function complaintsAbout(
  key: string,
  entries: Iterable<readonly [objectKey: string, reported: Reported | undefined]>,
): readonly Complaint[] {
  const found: Complaint[] = [];
  for (const [objectKey, reported] of entries) {
    const [namespace = ''] = objectKey.split('/');
    if (reported === undefined || `${namespace}/${reported.rolloutName}` !== key) continue;
    const { revision, count, createdAtMs } = reported;
    found.push({ revision, count, createdAtMs });
  }
  return found.toSorted((left, right) => left.createdAtMs - right.createdAtMs).slice(-MOST_COMPLAINTS);
}
