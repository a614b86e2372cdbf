/**
 * What a changed pod template of the target means: back to what stable runs, a new revision, or one that a P0 has ended.
 * Rules of decide.ts.
 */

import { isCondemned } from './apply-record.ts';
import type { Draft, Scene } from './scene.ts';

/** The target runs what stable runs again (helm rollback): the run is over. */
export function revisionWithdrawn({ observation, run }: Scene): Draft | undefined {
  const { target, stable } = observation;
  if (target === undefined || target.revision !== run.stableRevision) return undefined;
  if (run.phase === 'Succeeded' && run.revision === run.stableRevision) return undefined;
  return {
    kind: 'zero',
    reason: 'RevisionWithdrawn',
    message: `target is back at revision ${target.revision}, which stable serves: the run of ${run.revision} is over`,
    write: 0,
    revision: target.revision,
    want: { stable: stable?.revision === target.revision ? 'leave' : 'target-template' },
  };
}

/** A revision that a P0 has ended stays at weight 0 whenever and however it comes back. */
export function condemnedRevision({ observation, run }: Scene): Draft | undefined {
  const { target } = observation;
  if (target === undefined || !isCondemned(run, target.revision) || target.revision === run.stableRevision)
    return undefined;
  if (run.phase === 'RolledBack' && run.revision === target.revision) return undefined;
  const past = run.condemned.find((entry) => entry.revision === target.revision);
  return {
    kind: 'zero',
    reason: 'CondemnedRevision',
    message: `revision ${target.revision} was rolled back at ${past?.at ?? 'an earlier time'}: apply another revision`,
    write: 0,
    revision: target.revision,
  };
}

/** Another template starts the schedule anew; traffic goes to stable before the new pods get any. */
export function newRevision({ observation, run }: Scene): Draft | undefined {
  const { target, stable } = observation;
  if (target === undefined || target.revision === run.revision || target.revision === run.stableRevision)
    return undefined;
  // A revision that was being copied to stable has passed its whole schedule: it is what stable serves from here on.
  const wasPromoted = run.phase === 'Promoting' && stable?.revision === run.revision;
  return {
    kind: 'zero',
    reason: 'NewRevision',
    message: `new revision ${target.revision} after ${run.revision}: starting at the first step`,
    write: 0,
    revision: target.revision,
    ...(wasPromoted ? { run: { stableRevision: run.revision } } : {}),
  };
}
