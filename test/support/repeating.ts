/** What goes on beside a test until it is ended: users, a flood, an apiserver's bookmarks. Used by the live tests of the alerts. */
import { setTimeout as delay } from 'node:timers/promises';

export type Ending = () => Promise<unknown>;

/** Does it again and again, at most each `everyMs`; what fails is the scene's business. Returns what ends it. */
export const repeating = (everyMs: number, work: () => Promise<unknown>): Ending => {
  const over = new AbortController();
  const run = async (): Promise<void> => {
    while (!over.signal.aborted) await Promise.allSettled([work(), delay(everyMs)]);
  };
  const running = run();
  return () => {
    over.abort();
    return running;
  };
};

/** One after the other: clients before their server, a server before what it stands on. */
export const endingAll =
  (...endings: readonly Ending[]) =>
  async (): Promise<void> => {
    for (const end of endings) await end();
  };
