/** Waits for a condition with a deadline. Called by every part that starts something and must know that it is up. */
import { setTimeout as pause } from 'node:timers/promises';
import { LocalClusterError, reasonOf } from './failure.ts';

export interface WaitOptions {
  readonly timeoutMs: number;
  readonly everyMs?: number;
  readonly signal?: AbortSignal;
}

/**
 * Asks until `probe` answers something other than undefined or false; an error of the probe counts as "not yet".
 * @throws LocalClusterError CLUSTER_UNHEALTHY, with the last error as cause, when the deadline passes
 */
export async function waitFor<T>(what: string, options: WaitOptions, probe: () => Promise<T | undefined | false>) {
  const endsAt = performance.now() + options.timeoutMs;
  let lastError: unknown;
  do {
    options.signal?.throwIfAborted();
    try {
      const answer = await probe();
      if (answer !== undefined && answer !== false) return answer;
    } catch (error) {
      lastError = error;
    }
    await pause(options.everyMs ?? 200, undefined, { signal: options.signal });
  } while (performance.now() < endsAt);
  const why = lastError === undefined ? '' : `: ${reasonOf(lastError)}`;
  const seconds = Math.round(options.timeoutMs / 1000);
  throw new LocalClusterError('CLUSTER_UNHEALTHY', `${what} did not happen within ${seconds} s${why}`, {
    cause: lastError,
  });
}
