/** Waits for a condition with a deadline: the tests' only way to wait. */
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Resolves with the probe's first result that is not false, null or undefined; a probe that throws is asked again.
 * @throws after `withinMs`, with what was waited for and the last failure as its cause.
 */
export const eventually = async <T>(
  what: string,
  withinMs: number,
  probe: () => Promise<T | false | null | undefined> | T | false | null | undefined,
): Promise<T> => {
  const untilMs = performance.now() + withinMs;
  let last: unknown;
  do {
    try {
      const found = await probe();
      if (found !== false && found !== null && found !== undefined) return found;
      last = found;
    } catch (error) {
      last = error;
    }
    await sleep(20);
  } while (performance.now() < untilMs);
  throw new Error(`not within ${withinMs} ms: ${what}`, { cause: last });
};

/**
 * How long something lasted that must end: from the call until the last question was put whose answer was still no. An answer that is slow
 * to come is not counted against who gives it.
 */
export const lastedMs = async (what: string, isOver: () => Promise<boolean>): Promise<number> => {
  const sinceMs = performance.now();
  let lastedToMs = 0;
  await eventually(what, 10_000, async () => {
    const askedMs = performance.now() - sinceMs;
    const over = await isOver();
    if (!over) lastedToMs = askedMs;
    return over;
  });
  return lastedToMs;
};
