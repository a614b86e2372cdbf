/** One call of the application: when it ends, and how to wait in it. Begun by client.ts; every await on the network below hangs on its signal. */
import { LatchkeyError } from './errors.ts';

/** Injected by tests. */
export interface Clock {
  /** Wall time: it goes on while a machine sleeps. */
  now(): number;
  /** Runs after at least `delayMs`; returns what stops it. One that is `idle` does not keep a Node process alive. */
  after(delayMs: number, run: () => void, idle?: 'idle'): () => void;
}

export const REAL_CLOCK: Clock = {
  now: Date.now,
  after: (delayMs, run, idle) => {
    const timer = setTimeout(run, delayMs);
    if (idle === 'idle' && typeof timer === 'object') timer.unref(); // a number in browsers
    return () => clearTimeout(timer);
  },
};

export interface Call {
  readonly signal: AbortSignal;
  readonly untilMs: number;
  readonly abort: (reason: unknown) => void;
  /** Lets go of timer and signals; what is under way is not aborted. */
  readonly end: () => void;
}

export interface CallOptions {
  readonly signal?: AbortSignal | null | undefined;
  /** For the whole call, its retries and its body. */
  readonly deadlineMs?: number | undefined;
}

export interface Limits {
  readonly deadlineMs: number;
  readonly signals?: readonly (AbortSignal | null | undefined)[];
  /** The calls of a session, which end with it. A set, since Node warns of a signal with more than ten listeners. */
  readonly among?: Set<Call>;
}

/**
 * Aborts with the reason of whichever comes first. AbortSignal.any would do it, two years younger than the oldest browsers that this is for.
 */
export const beginCall = (clock: Clock, { deadlineMs, signals = [], among }: Limits): Call => {
  const controller = new AbortController();
  const stops: (() => void)[] = [];
  const call: Call = {
    signal: controller.signal,
    untilMs: clock.now() + deadlineMs,
    abort: (reason) => {
      call.end();
      controller.abort(reason);
    },
    end: () => {
      for (const stop of stops.splice(0)) stop();
    },
  };
  const exceeded = (): void => call.abort(new LatchkeyError('deadline-exceeded', `no answer within ${deadlineMs} ms`));
  stops.push(clock.after(deadlineMs, exceeded, 'idle'), () => among?.delete(call));
  among?.add(call);
  for (const signal of signals) {
    if (signal === null || signal === undefined) continue;
    const heard = (): void => call.abort(signal.reason);
    if (signal.aborted) heard();
    signal.addEventListener('abort', heard);
    stops.push(() => signal.removeEventListener('abort', heard));
  }
  if (controller.signal.aborted) call.end();
  return call;
};

/** What `work` comes to, unless the signal is first: then its reason is thrown and the work goes on for those who share it. */
export const waitFor = <T>(work: Promise<T>, signal: AbortSignal): Promise<T> =>
  new Promise((resolve, reject) => {
    const aborted = (): void => reject(signal.reason);
    if (signal.aborted) aborted();
    signal.addEventListener('abort', aborted, { once: true });
    void work.then(resolve, reject).finally(() => signal.removeEventListener('abort', aborted));
  });

/** @throws the signal's reason */
export const pause = (clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> => {
  let stop = (): void => undefined;
  const passed = new Promise<void>((resolve) => {
    stop = clock.after(delayMs, resolve);
  });
  return waitFor(passed, signal).finally(() => stop());
};
