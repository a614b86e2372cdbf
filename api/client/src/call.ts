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
  /** Lets go of timer and signals; what is under way is not aborted. */
  end(): void;
}

export interface CallOptions {
  readonly signal?: AbortSignal | null | undefined;
  /** For the whole call, its retries and its body. */
  readonly deadlineMs?: number | undefined;
}

/** Aborts with the reason of whichever comes first. AbortSignal.any and .timeout are younger than the browsers that need the lease (tab-locks.ts). */
export const beginCall = (
  clock: Clock,
  deadlineMs: number,
  signals: readonly (AbortSignal | null | undefined)[],
): Call => {
  const controller = new AbortController();
  const stops: (() => void)[] = [];
  const end = (): void => {
    for (const stop of stops.splice(0)) stop();
  };
  const abort = (reason: unknown): void => {
    end();
    controller.abort(reason);
  };
  const exceeded = (): void => abort(new LatchkeyError('deadline-exceeded', `no answer within ${deadlineMs} ms`));
  stops.push(clock.after(deadlineMs, exceeded, 'idle'));
  for (const signal of signals) {
    if (signal === null || signal === undefined) continue;
    const heard = (): void => abort(signal.reason);
    if (signal.aborted) heard();
    signal.addEventListener('abort', heard);
    stops.push(() => signal.removeEventListener('abort', heard));
  }
  if (controller.signal.aborted) end();
  return { signal: controller.signal, untilMs: clock.now() + deadlineMs, end };
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
