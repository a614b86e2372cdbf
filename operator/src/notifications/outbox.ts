/**
 * The messages of one channel on their way: bounded, beside the loop, never in front of it. Filled by notifier.ts; what it sends with
 * comes from channels.ts.
 *
 * Nothing here throws or is awaited by a pass. A receiver that is away costs one attempt at a time and a hundred messages of memory.
 */

/** What came of one attempt. `code` is safe to log: it never holds an address. */
export type Attempt =
  | { readonly kind: 'delivered' }
  /** The receiver will never take it. */
  | { readonly kind: 'refused'; readonly code: string }
  | { readonly kind: 'failed'; readonly code: string; readonly retryAfterMs?: number | undefined };

export type Send<M> = (message: M, signal: AbortSignal) => Promise<Attempt>;

/** How a message ended, or `retried`: an attempt that was not the last. Also a metric label. */
export type Fate = (typeof FATES)[number];
export const FATES = ['delivered', 'retried', 'refused', 'expired', 'dropped'] as const;

/** Time as the outbox sees it; a test has its own. */
export interface Clock {
  readonly now: () => number;
  /** @returns what cancels it */
  readonly after: (delayMs: number, run: () => void) => () => void;
}

export const REAL_CLOCK: Clock = {
  now: () => performance.now(),
  after: (delayMs, run) => {
    const timer = setTimeout(run, delayMs);
    timer.unref();
    return () => clearTimeout(timer);
  },
};

export interface OutboxOptions<M> {
  readonly send: Send<M>;
  readonly clock: Clock;
  readonly onFate: (fate: Fate, code: string | undefined) => void;
  /** What may be dropped first when there are too many. */
  readonly isMinor: (message: M) => boolean;
  /** 0 to 1, for the jitter. */
  readonly random?: () => number;
}

/** A day's worth of steps for every rollout in flight, or one bad minute of a large fleet. */
export const MAX_WAITING = 100;
/** News of a rollout that are older have been overtaken by what `status` says. */
export const DEADLINE_MS = 900_000;
export const ATTEMPT_MS = 10_000;
const BACKOFF_MIN_MS = 1_000;
const BACKOFF_MAX_MS = 60_000;

interface Waiting<M> {
  readonly message: M;
  readonly addedAt: number;
  attempts: number;
  dueAt: number;
}

export class Outbox<M> {
  readonly #options: OutboxOptions<M>;
  #send: Send<M>;
  #waiting: Waiting<M>[] = [];
  #current: { readonly item: Waiting<M>; readonly abort: AbortController } | undefined;
  /** The receiver has asked for quiet until then. */
  #quietUntil = Number.NEGATIVE_INFINITY;
  #cancelTimer: (() => void) | undefined;
  #isClosed = false;
  #onIdle: (() => void) | undefined;

  constructor(options: OutboxOptions<M>) {
    this.#options = options;
    this.#send = options.send;
  }

  /** What waits goes to the new place: most often the old one was wrong. */
  redirect(send: Send<M>): void {
    this.#send = send;
    this.#quietUntil = Number.NEGATIVE_INFINITY;
    for (const item of this.#waiting) item.dueAt = this.#options.clock.now();
    this.#pump();
  }

  add(message: M): void {
    if (this.#isClosed) return this.#options.onFate('dropped', 'CLOSED');
    const now = this.#options.clock.now();
    this.#waiting.push({ message, addedAt: now, attempts: 0, dueAt: now });
    if (this.#waiting.length > MAX_WAITING) this.#dropOne();
    this.#pump();
  }

  get size(): number {
    return this.#waiting.length + (this.#current === undefined ? 0 : 1);
  }

  /** Age of the oldest message that has not arrived; 0 without one. */
  oldestMs(): number {
    const all = [...this.#waiting, ...(this.#current === undefined ? [] : [this.#current.item])];
    return all.length === 0 ? 0 : this.#options.clock.now() - Math.min(...all.map(({ addedAt }) => addedAt));
  }

  /** One last attempt for each message, all of it within the grace; the rest is counted as dropped. */
  async close(graceMs: number): Promise<void> {
    this.#isClosed = true;
    for (const item of this.#waiting) item.dueAt = this.#options.clock.now();
    const idle = new Promise<void>((resolve) => {
      this.#onIdle = resolve;
    });
    const cancel = this.#options.clock.after(graceMs, () => this.#giveUp());
    this.#pump();
    await idle;
    cancel();
    this.#cancelTimer?.();
  }

  #giveUp(): void {
    this.#current?.abort.abort();
    for (const _ of this.#waiting.splice(0)) this.#options.onFate('dropped', 'CLOSED');
    this.#pump();
  }

  /** The newest says how things stand, and of a rollback somebody must hear. */
  #dropOne(): void {
    const minor = this.#waiting.findIndex(({ message }) => this.#options.isMinor(message));
    this.#waiting.splice(Math.max(0, minor), 1);
    this.#options.onFate('dropped', 'FULL');
  }

  /** Starts the attempt that is due, or sets the timer for the next one. */
  #pump(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    if (this.#current !== undefined) return;
    const [next] = this.#waiting.toSorted((left, right) => left.dueAt - right.dueAt);
    if (next === undefined) return this.#onIdle?.();
    const { now, after } = this.#options.clock;
    const waitMs = Math.max(next.dueAt, this.#isClosed ? next.dueAt : this.#quietUntil) - now();
    if (waitMs > 0) {
      this.#cancelTimer = after(waitMs, () => this.#pump());
      return;
    }
    this.#waiting = this.#waiting.filter((item) => item !== next);
    void this.#attempt(next);
  }

  async #attempt(item: Waiting<M>): Promise<void> {
    const abort = new AbortController();
    this.#current = { item, abort };
    item.attempts++;
    const cancel = this.#options.clock.after(ATTEMPT_MS, () => abort.abort());
    const attempt = await this.#send(item.message, abort.signal).catch(
      (): Attempt => ({ kind: 'failed', code: abort.signal.aborted ? 'TIMEOUT' : 'UNEXPECTED' }),
    );
    cancel();
    this.#current = undefined;
    this.#settle(item, attempt);
    this.#pump();
  }

  #settle(item: Waiting<M>, attempt: Attempt): void {
    const { onFate, clock } = this.#options;
    if (attempt.kind !== 'failed') return onFate(attempt.kind, attempt.kind === 'refused' ? attempt.code : undefined);
    if (this.#isClosed) return onFate('dropped', attempt.code);
    const now = clock.now();
    const askedMs = Math.min(attempt.retryAfterMs ?? 0, DEADLINE_MS);
    if (askedMs > 0) this.#quietUntil = now + askedMs;
    item.dueAt = now + Math.max(askedMs, this.#backoffMs(item.attempts));
    if (item.dueAt > item.addedAt + DEADLINE_MS) return onFate('expired', attempt.code);
    onFate('retried', attempt.code);
    this.#waiting.push(item);
  }

  #backoffMs(attempts: number): number {
    const exponential = Math.min(BACKOFF_MAX_MS, BACKOFF_MIN_MS * 2 ** Math.min(attempts - 1, 10));
    return exponential * (0.5 + (this.#options.random ?? Math.random)() / 2);
  }
}
