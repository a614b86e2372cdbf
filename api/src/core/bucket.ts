/**
 * Which share of the users somebody belongs to. Called by services/feature-flags.ts and http/browsers.ts. The same flag and the same id give the same bucket on every
 * pod and in every release, so nobody is switched back and forth, and a growing percentage only ever adds users.
 */

/** The flag that the environment or the operator speaks for while the database has none of that name; its buckets are those of the cohort cookie. */
export const ROLLOUT_FLAG = 'auth_rollout';

/** FNV-1a over UTF-16 code units, then murmur3's finalizer: FNV alone leaves ids that differ in one digit in neighbouring buckets. */
const hash32 = (text: string): number => {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
};

/** 0–99. The flag's name is part of it: otherwise the same unlucky users would be first in every rollout. */
export const bucketOf = (flag: string, id: string): number => hash32(`${flag}\u0000${id}`) % 100;

/** Whether a rollout to `percentage` (0–100) has reached this id. */
export const isReached = (flag: string, id: string, percentage: number): boolean => bucketOf(flag, id) < percentage;
