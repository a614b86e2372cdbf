/**
 * What each stored signing key does at a moment. Called by services/key-ring.ts and cli/keys.ts.
 *
 *   published   known to everybody, signs nothing yet
 *   active      signs
 *   verifying   a younger one signs; its last tokens may still live
 *   retired     accepted no more: its tokens have ended, or somebody ended it
 */

export type KeyState = 'published' | 'active' | 'verifying' | 'retired';

export interface KeyTimes {
  readonly keyId: string;
  readonly activatesAtMs: number;
  /** undefined unless somebody retired it. */
  readonly retiredAtMs: number | undefined;
}

export interface KeyLife<K extends KeyTimes> {
  readonly key: K;
  readonly state: KeyState;
  /** When a younger key takes over; undefined while none is known. */
  readonly signsUntilMs: number | undefined;
}

/**
 * States by time, oldest first. `overlapMs` is how long a token can outlive its key's last signature: its life, the clocks' difference, and
 * the time until the last pod has seen the younger key.
 */
export const keyLives = <K extends KeyTimes>(
  keys: readonly K[],
  overlapMs: number,
  nowMs: number,
): readonly KeyLife<K>[] => {
  const usable = keys.filter(({ retiredAtMs }) => retiredAtMs === undefined || retiredAtMs > nowMs);
  return keys
    .toSorted((a, b) => a.activatesAtMs - b.activatesAtMs || (a.keyId < b.keyId ? -1 : 1))
    .map((key) => {
      const younger = usable.filter((other) => isYounger(other, key)).map(({ activatesAtMs }) => activatesAtMs);
      const signsUntilMs = younger.length === 0 ? undefined : Math.min(...younger);
      return {
        key,
        signsUntilMs,
        state: usable.includes(key) ? stateOf(key, signsUntilMs, overlapMs, nowMs) : 'retired',
      };
    });
};

const isYounger = (one: KeyTimes, other: KeyTimes): boolean =>
  one.activatesAtMs > other.activatesAtMs || (one.activatesAtMs === other.activatesAtMs && one.keyId > other.keyId);

const stateOf = (key: KeyTimes, signsUntilMs: number | undefined, overlapMs: number, nowMs: number): KeyState => {
  if (nowMs < key.activatesAtMs) return 'published';
  if (signsUntilMs === undefined || nowMs < signsUntilMs) return 'active';
  return nowMs < signsUntilMs + overlapMs ? 'verifying' : 'retired';
};
