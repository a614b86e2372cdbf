/** Worlds with checkpoints before a step, and what answers them. Used by the tests of checkpoints. */

import type { Approval } from '../../../operator/src/core/approval.ts';
import type { JobView } from '../../../operator/src/core/checkpoints.ts';
import { approvalFor, withApprovals } from './approving.ts';
import { step, worldAt } from './doing.ts';
import { later, live, passesOver } from './situations.ts';
import { type Json, SCHEDULE, specManifest, type World } from './world.ts';

export const QUERY = { name: 'capacity', query: { promql: 'load', atLeast: 1, atMost: 5 } };
export const JOB = { name: 'verify', job: { name: 'verify-0021', freshFor: '10m' } };
export const PERSON = { name: 'go-live', person: { role: 'team-lead' } };

/** Checkpoints before the step from 25 % to 50 %. */
export const scheduleWith = (...checkpoints: readonly Json[]): Json => ({
  schedule: SCHEDULE.map((entry) => (entry.weight === 50 ? { ...entry, checkpoints } : entry)),
});
/** A manifest is read once, and worlds are values: what several tests begin with is made once. */
const manifests = new Map<string, Json>();
const moments = new Map<string, World>();
function once<T>(known: Map<string, T>, of: readonly Json[], make: () => T): T {
  const key = JSON.stringify(of);
  const found = known.get(key) ?? make();
  known.set(key, found);
  return found;
}

export const guarded = (world: World, ...checkpoints: readonly Json[]): World => ({
  ...world,
  spec: once(manifests, checkpoints, () => specManifest(scheduleWith(...checkpoints))),
});
/** At 25 %, its hold over, the question put. */
export const asked = (...checkpoints: readonly Json[]): World =>
  once(moments, checkpoints, () => passesOver(later(guarded(worldAt(25), ...checkpoints), 61_000), 2, 2_000));
export const figure = (value: number): Pick<World, 'figure'> => ({ figure: { kind: 'value', value } });
export const ended = (world: World, change: Partial<Extract<JobView, { kind: 'found' }>> = {}): World => ({
  ...world,
  job: {
    kind: 'found',
    uid: 'job-1',
    revision: undefined,
    createdAtMs: world.nowMs,
    ended: { how: 'Complete', atMs: world.nowMs },
    ...change,
  },
});
export const word = (world: World, change: Partial<Approval> = {}): Approval =>
  approvalFor(world, { checkpoint: 'go-live', role: 'team-lead', stepIndex: 3, ...change });
export const says = (world: World, ...words: readonly Approval[]): World => withApprovals(world, words);
export const next = (world: World, ms = 2_000): World => step(later(world, ms)).world;
export const told = (world: World): readonly unknown[] => [
  live(world),
  world.status?.lastDecision?.reason,
  world.status?.checkpoints?.answers.map(({ answer, why }) => why ?? answer),
];
