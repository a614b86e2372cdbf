/**
 * Makes a server slower without changing it: it gets one N-th of the time, in turns, as a container does whose CPU is throttled.
 * Called by main.ts for --slow, the proof that the service levels notice.
 */
import type { PinnedProcess } from '../bench/pinned-process.ts';

/** Long enough that what waits for a turn is what is measured, and not the timer's own error. */
const TURN_MS = 200;

/** Returns the function that ends it. */
export const slowDown = (server: PinnedProcess, times: number): (() => void) => {
  if (times <= 1) return () => undefined;
  let timer: NodeJS.Timeout;
  const pause = (): void => {
    server.signal('SIGSTOP');
    timer = setTimeout(goOn, TURN_MS * (times - 1));
  };
  const goOn = (): void => {
    server.signal('SIGCONT');
    timer = setTimeout(pause, TURN_MS);
  };
  pause();
  return () => {
    clearTimeout(timer);
    server.signal('SIGCONT');
  };
};
