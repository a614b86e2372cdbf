/**
 * Our own words on the HTTPRoute: live weight, fence and the record of the last write. run.ts reads them to converge after
 * a crash, route-patch.ts writes them in the same PATCH as the weights.
 */

import * as z from 'zod';
import { cohortShare } from './cohort-rules.ts';
import type { ProgrammableRoute, WriteRecord } from './observation.ts';

export const FENCE_ANNOTATION = 'latchkey.dev/fence';
export const WRITE_ANNOTATION = 'latchkey.dev/write';

const recordSchema = z.object({
  weight: z.int().min(0).max(100),
  revision: z.string().max(64),
  stepIndex: z.int().min(0).max(19),
  decision: z.enum(['hold', 'advance', 'promote', 'reduce', 'zero', 'rollback']),
  reason: z.string().max(64),
  at: z.iso.datetime().max(32),
  cohort: z.string().max(64).optional(),
});

/** Reads the annotation latchkey.dev/write; a text that we did not write this way is no record. */
export function readRecord(text: string | undefined): WriteRecord | undefined {
  if (text === undefined || text.length > 1_024) return undefined;
  try {
    return recordSchema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined; // Somebody's edit: the weight is then judged as drift against status alone.
  }
}

/** Reads the annotation latchkey.dev/fence. */
export function readFence(text: string | undefined): number | undefined {
  return text !== undefined && /^[0-9]{1,15}$/.test(text) ? Number(text) : undefined;
}

/** Gateway API's weight of a backendRef that names none. */
const DEFAULT_WEIGHT = 1;

/** The canary's share of the traffic in percent, of whoever gets most of it: cohort rules that a weight has left behind count. */
export function liveWeight(route: ProgrammableRoute): number {
  const weight = weightOf(route);
  return Math.max(weight, cohortShare(route, weight)?.most ?? 0);
}

/** The same of whoever gets least of it: what a write may not raise. */
export function leastWeight(route: ProgrammableRoute): number {
  const weight = weightOf(route);
  return Math.min(weight, cohortShare(route, weight)?.least ?? 100);
}

/** What the weights of the user's rule say; two weights of 0 send nobody to the canary. */
function weightOf({ stable, canary }: ProgrammableRoute): number {
  const canaryWeight = canary.weight ?? DEFAULT_WEIGHT;
  const total = canaryWeight + (stable.weight ?? DEFAULT_WEIGHT);
  // Multiplied first: 7 / 100 * 100 is 7.000000000000001, which would be drift for ever.
  return total <= 0 ? 0 : (canaryWeight * 100) / total;
}

/** True when the two weights are written the way we write them: whole percents that add up to 100. */
export function isOurNotation({ stable, canary }: ProgrammableRoute): boolean {
  return stable.weight !== undefined && canary.weight !== undefined && stable.weight + canary.weight === 100;
}
