/**
 * Runs as many password hashes at once as there are cores, lets a bounded number wait, refuses the rest with 503 at once.
 * Called by crypto/passwords.ts; core/admission.ts says who may wait.
 */
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { isInTime, mayWait, updateAverage } from '../core/admission.ts';
import { AppError } from '../errors.ts';

interface Waiter {
  readonly sinceMs: number;
  readonly start: () => void;
  readonly refuse: () => void;
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

/** One for all: where it was thrown tells nobody anything, and writing that down was a fifth of what a refusal cost. */
const OVERLOADED = new AppError('overloaded', { retryAfterSeconds: 1 });

export class HashQueue {
  readonly width: number;
  readonly #nowMs: () => number;
  readonly #waiting: Waiter[] = [];
  readonly #idlers: (() => void)[] = [];
  #running = 0;
  #averageHashMs = 250; // bcrypt 12 on one core; learned from the first hashes on

  constructor(width: number, nowMs: () => number = () => performance.now()) {
    this.width = width;
    this.#nowMs = nowMs;
  }

  /** @throws AppError `overloaded` when the wait would be too long; the signal's reason when the client went away while waiting. */
  async run<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    signal?.throwIfAborted();
    await this.#turn(signal);
    const startedMs = this.#nowMs();
    try {
      return await work();
    } finally {
      this.#averageHashMs = updateAverage(this.#averageHashMs, this.#nowMs() - startedMs);
      this.#settle();
    }
  }

  /** For work that has to be read for first: whoever would be refused at its turn is refused before. @throws AppError `overloaded` */
  refuseWhenFull(): void {
    if (!this.#hasRoom()) throw OVERLOADED;
  }

  /** For the diagnosis. */
  state(): { readonly width: number; readonly running: number; readonly waiting: number } {
    return { width: this.width, running: this.#running, waiting: this.#waiting.length };
  }

  /** Resolves when nothing runs and nothing waits: shutdown waits for it. */
  idle(): Promise<void> {
    return this.#running === 0 ? Promise.resolve() : new Promise((resolve) => this.#idlers.push(resolve));
  }

  #turn(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(waiter), 1);
        reject(new DOMException('the client went away', 'AbortError'));
      };
      const waiter: Waiter = {
        sinceMs: this.#nowMs(),
        start: () => {
          signal?.removeEventListener('abort', leave);
          this.#running += 1;
          resolve();
        },
        refuse: () => {
          signal?.removeEventListener('abort', leave);
          reject(OVERLOADED);
        },
      };
      if (this.#running < this.width) return waiter.start();
      if (!this.#hasRoom()) return reject(OVERLOADED);
      this.#waiting.push(waiter);
      signal?.addEventListener('abort', leave, { once: true });
    });
  }

  /** The first that can still be served in time. Who cannot frees its place without costing a hash. */
  #startNext(): void {
    const next = this.#waiting.shift();
    if (next === undefined) return;
    if (isInTime(this.#nowMs() - next.sinceMs, this.#averageHashMs)) return next.start();
    next.refuse();
    this.#startNext();
  }

  #hasRoom(): boolean {
    const waiting = this.#waiting.length;
    return this.#running < this.width || mayWait({ width: this.width, waiting, averageHashMs: this.#averageHashMs });
  }

  #settle(): void {
    this.#running -= 1;
    this.#startNext();
    if (this.#running > 0) return;
    for (const resolve of this.#idlers.splice(0)) resolve();
  }
}
