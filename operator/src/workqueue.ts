/**
 * Which rollout is looked at next. Filled by controller.ts (watch events, timers) and sentinel.ts (urgent); calls reconcile.ts.
 *
 * Keys only: a pass reads the world afresh, so ten events on one key are one pass. A key never runs twice at once. The urgent
 * lane has slots of its own and aborts a normal pass of the same key: a verdict must not queue behind a slow Prometheus.
 */
import { isApiError } from './clients/api-error.ts';

export type Lane = 'normal' | 'urgent';

/** What a pass asks for; undefined means that only an event wakes this key again. */
export interface PassResult {
  readonly requeueAfterMs?: number | undefined;
}

export interface WorkQueueOptions {
  readonly work: (key: string, lane: Lane, signal: AbortSignal) => Promise<PassResult>;
  /** A failed pass; the queue itself decides when to try again. */
  readonly onError: (key: string, error: unknown) => void;
  readonly timing?: Partial<QueueTiming>;
}

export interface QueueTiming {
  readonly backoffMinMs: number;
  readonly backoffMaxMs: number;
  readonly normalSlots: number;
  readonly urgentSlots: number;
}

/** The ceiling is a slow rollout's check interval, not client-go's 1000 s: a key in trouble still has traffic on it. */
const TIMING: QueueTiming = { backoffMinMs: 100, backoffMaxMs: 30_000, normalSlots: 4, urgentSlots: 8 };
const LONGEST_TIMER_MS = 2 ** 31 - 1;

interface Entry {
  waiting: Lane | undefined;
  running: { readonly lane: Lane; readonly abort: AbortController; readonly done: Promise<void> } | undefined;
  timer: NodeJS.Timeout | undefined;
  dueAt: number;
  failures: number;
}

export class WorkQueue {
  readonly #options: WorkQueueOptions;
  readonly #timing: QueueTiming;
  readonly #entries = new Map<string, Entry>();
  #open = false;

  constructor(options: WorkQueueOptions) {
    this.#options = options;
    this.#timing = { ...TIMING, ...options.timing };
  }

  /** Keys that wait for a slot. */
  get depth(): number {
    return [...this.#entries.values()].filter((entry) => entry.waiting !== undefined && entry.running === undefined)
      .length;
  }

  /** Opened when we become the leader: what was added before then runs now. */
  open(): void {
    this.#open = true;
    this.#dispatch();
  }

  /** Closed when we stop leading: aborts what runs and waits for it to end. Keys stay, for the next time; timers do not. */
  async close(): Promise<void> {
    this.#open = false;
    for (const entry of this.#entries.values()) {
      if (entry.timer === undefined) continue;
      clearTimeout(entry.timer);
      entry.timer = undefined;
      entry.waiting ??= 'normal';
    }
    const running = [...this.#entries.values()].flatMap((entry) => entry.running ?? []);
    for (const pass of running) pass.abort.abort();
    await Promise.all(running.map((pass) => pass.done));
  }

  add(key: string, lane: Lane = 'normal'): void {
    const entry = this.#entry(key);
    if (entry.waiting !== 'urgent') entry.waiting = lane;
    if (lane === 'urgent' && entry.running?.lane === 'normal') entry.running.abort.abort();
    this.#dispatch();
  }

  /** The earliest of several wishes counts; an event in between does not cancel it. */
  addAfter(key: string, delayMs: number): void {
    const entry = this.#entry(key);
    const dueAt = performance.now() + delayMs;
    if (entry.timer !== undefined && entry.dueAt <= dueAt) return;
    clearTimeout(entry.timer);
    entry.dueAt = dueAt;
    entry.timer = setTimeout(
      () => {
        entry.timer = undefined;
        this.add(key);
      },
      Math.min(Math.max(0, delayMs), LONGEST_TIMER_MS),
    );
  }

  /** The object is gone: nothing about its key is kept. */
  forget(key: string): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    clearTimeout(entry.timer);
    entry.timer = undefined;
    entry.failures = 0;
    this.#drop(key, entry);
  }

  #entry(key: string): Entry {
    const known = this.#entries.get(key);
    if (known !== undefined) return known;
    const fresh: Entry = { waiting: undefined, running: undefined, timer: undefined, dueAt: 0, failures: 0 };
    this.#entries.set(key, fresh);
    return fresh;
  }

  #drop(key: string, entry: Entry): void {
    const idle = entry.waiting === undefined && entry.running === undefined && entry.timer === undefined;
    if (idle && entry.failures === 0) this.#entries.delete(key);
  }

  #dispatch(): void {
    if (!this.#open) return;
    this.#start('urgent', this.#timing.urgentSlots);
    this.#start('normal', this.#timing.normalSlots);
  }

  #start(lane: Lane, slots: number): void {
    let free = slots;
    for (const entry of this.#entries.values()) if (entry.running?.lane === lane) free--;
    for (const [key, entry] of this.#entries) {
      if (free <= 0) return;
      if (entry.waiting !== lane || entry.running !== undefined) continue;
      free--;
      entry.waiting = undefined;
      // A pass answers every wish that was made before it began.
      clearTimeout(entry.timer);
      entry.timer = undefined;
      const abort = new AbortController();
      const pass = this.#pass(key, entry, { lane, abort });
      entry.running = { lane, abort, done: pass };
    }
  }

  async #pass(key: string, entry: Entry, { lane, abort }: { lane: Lane; abort: AbortController }): Promise<void> {
    // The caller stores `running` first.
    await Promise.resolve();
    let again: number | undefined;
    try {
      again = (await this.#options.work(key, lane, abort.signal)).requeueAfterMs;
      entry.failures = 0;
    } catch (error) {
      // Pre-empted or stopped on purpose: whoever aborted has already queued what comes next.
      if (!abort.signal.aborted) {
        this.#options.onError(key, error);
        again = this.#backoff(entry, error);
      }
    } finally {
      entry.running = undefined;
      if (abort.signal.aborted && entry.waiting === undefined) entry.waiting = 'normal';
      if (again !== undefined && entry.waiting === undefined && this.#open) this.addAfter(key, again);
      this.#drop(key, entry);
      this.#dispatch();
    }
  }

  #backoff(entry: Entry, error: unknown): number {
    const { backoffMinMs, backoffMaxMs } = this.#timing;
    const exponential = Math.min(backoffMaxMs, backoffMinMs * 2 ** Math.min(entry.failures, 20));
    entry.failures++;
    const asked = isApiError(error) ? (error.retryAfterMs ?? 0) : 0;
    return Math.max(asked, exponential * (0.5 + Math.random() / 2));
  }
}
