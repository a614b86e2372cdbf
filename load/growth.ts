// How much memory grew after the warm-up. Called by memory.ts; pure, since k6 and the tests load it.

export interface MemorySample {
  /** Since the start. */
  readonly atMs: number;
  readonly mb: number;
}

/** What fills caches and compiles code is over after it. */
const WARM_UP_SHARE = 1 / 3;
/** Fewer points are no line. */
const MIN_SAMPLES = 5;

/**
 * MB by which the line of least squares through the samples after the warm-up rises from its first to its last moment: a collection
 * between two samples moves it little, a leak moves all of it.
 * @returns undefined for too few samples
 */
export const growthOf = (samples: readonly MemorySample[]): number | undefined => {
  const endMs = samples.at(-1)?.atMs ?? 0;
  const warm = samples.filter(({ atMs }) => atMs >= endMs * WARM_UP_SHARE);
  if (warm.length < MIN_SAMPLES) return undefined;
  const meanMs = warm.reduce((sum, { atMs }) => sum + atMs, 0) / warm.length;
  const meanMb = warm.reduce((sum, { mb }) => sum + mb, 0) / warm.length;
  const together = warm.reduce((sum, { atMs, mb }) => sum + (atMs - meanMs) * (mb - meanMb), 0);
  const spread = warm.reduce((sum, { atMs }) => sum + (atMs - meanMs) ** 2, 0);
  return spread === 0 ? undefined : (together / spread) * (endMs - (warm[0]?.atMs ?? 0));
};
