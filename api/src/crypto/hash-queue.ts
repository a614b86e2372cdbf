/**
 * Runs as many password hashes at once as there are cores, lets a bounded number wait, refuses the rest with 503 at once.
 * Called by crypto/passwords.ts; core/admission.ts says who may wait.
 */
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { mayWait, updateAverage } from '../core/admission.ts';
import { AppError } from '../errors.ts';

export interface HashQueue {
  /** @throws AppError `overloaded` when the wait would be too long; the signal's reason when the client went away while waiting. */
  run<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T>;
  /** Resolves when nothing runs and nothing waits: shutdown waits for it. */
  idle(): Promise<void>;
}

interface Waiter {
  readonly start: () => void;
}

/** Threads of libuv's pool, which bcrypt shares with DNS and files: one must stay free. */
const poolThreads = (): number => Number(process.env['UV_THREADPOOL_SIZE'] ?? 4);

/** The CPU quota of this container in cores (cgroup v2 `cpu.max`); Infinity where there is none. */
const cgroupCores = (): number => {
  try {
    const [quota, period] = readFileSync('/sys/fs/cgroup/cpu.max', 'utf8').split(' ').map(Number);
    return quota !== undefined && period !== undefined && quota > 0 ? quota / period : Number.POSITIVE_INFINITY;
  } catch {
    return Number.POSITIVE_INFINITY; // no cgroup v2: the scheduler's view is all there is
  }
};

/** Hashes at once: the cores that this container may use, and never the whole thread pool. */
export const hashWidth = (): number =>
  Math.max(1, Math.min(availableParallelism(), Math.ceil(cgroupCores()), poolThreads() - 1));

export const createHashQueue = (width: number, nowMs: () => number = () => performance.now()): HashQueue => {
  const waiting: Waiter[] = [];
  const idlers: (() => void)[] = [];
  let running = 0;
  let averageHashMs = 250; // bcrypt 12 on one core; learned from the first hashes on

  const settle = (): void => {
    running -= 1;
    waiting.shift()?.start();
    if (running === 0) for (const resolve of idlers.splice(0)) resolve();
  };

  const turn = (signal: AbortSignal | undefined): Promise<void> =>
    new Promise((resolve, reject) => {
      const leave = (): void => {
        waiting.splice(waiting.indexOf(waiter), 1);
        reject(signal?.reason as Error);
      };
      const waiter: Waiter = {
        start: () => {
          signal?.removeEventListener('abort', leave);
          running += 1;
          resolve();
        },
      };
      if (running < width) return waiter.start();
      if (!mayWait({ width, waiting: waiting.length, averageHashMs })) {
        return reject(new AppError('overloaded', { retryAfterSeconds: 1 }));
      }
      waiting.push(waiter);
      signal?.addEventListener('abort', leave, { once: true });
    });

  return {
    run: async (work, signal) => {
      signal?.throwIfAborted();
      await turn(signal);
      const startedMs = nowMs();
      try {
        return await work();
      } finally {
        averageHashMs = updateAverage(averageHashMs, nowMs() - startedMs);
        settle();
      }
    },
    idle: () => (running === 0 ? Promise.resolve() : new Promise((resolve) => idlers.push(resolve))),
  };
};
