/**
 * How many hits a window holds and when there is room again. Called by cache/exact-limit.ts and cache/shared-limit.ts.
 *
 * A window is cut into ten buckets and the one that it has half left counts in full. So no interval as long as the window ever sees more
 * than the limit, which a pair of weighted windows cannot promise (a burst at their border passes twice); the price is that room comes
 * back up to a tenth of the window late.
 */

export interface Policy {
  readonly limit: number;
  readonly windowMs: number;
}

export const BUCKETS = 10;
/** Who exceeds for the first time waits until there is room; who does not wait, and exceeds again, waits longer each time. */
const MAX_BACKOFF_WINDOWS = 8;

/** Hits by age: the first is the bucket of now, the last the one that the window is leaving. */
export type Counts = readonly number[];

export const bucketMs = ({ windowMs }: Policy): number => windowMs / BUCKETS;

export const bucketAt = (policy: Policy, nowMs: number): number => Math.floor(nowMs / bucketMs(policy));

export const sumOf = (counts: Counts): number => {
  let sum = 0;
  for (const count of counts) sum += count;
  return sum;
};

/** How long until one more hit has room, if nothing else comes; for an empty window, its length. */
export const roomInMs = (counts: Counts, policy: Policy, nowMs: number): number => {
  const bucket = bucketAt(policy, nowMs);
  let left = sumOf(counts);
  for (let age = counts.length - 1; age >= 0; age -= 1) {
    const count = counts[age] ?? 0;
    left -= count;
    if (count > 0 && left < policy.limit) return (bucket - age + BUCKETS + 1) * bucketMs(policy) - nowMs;
  }
  return policy.windowMs;
};

/** The least that a client waits which did not wait `strikes` times before: one window, two, four, at most eight. */
export const backoffMs = (strikes: number, { windowMs }: Policy): number =>
  strikes < 1 ? 0 : windowMs * Math.min(2 ** (strikes - 1), MAX_BACKOFF_WINDOWS);
