/**
 * Whether one more password may wait for a core. Called by crypto/hash-queue.ts. A login rate is a hash rate: what cannot be hashed
 * within the patience of a client is refused at once, so that the rest is served in time (facts/auth §4: without it p95 is 19 s).
 */

export interface QueueState {
  /** Hashes that run at once: the cores. */
  readonly width: number;
  readonly waiting: number;
  readonly averageHashMs: number;
}

/** The longest a request waits for its turn. Twice this plus one hash stays under 2 s at bcrypt 12. */
export const MAX_WAIT_MS = 1_500;
/** Memory bound for the case of a very cheap hash. */
export const MAX_WAITING = 1_000;

/** How long a newcomer would wait for its turn. */
export const expectedWaitMs = ({ width, waiting, averageHashMs }: QueueState): number =>
  ((waiting + 1) / width) * averageHashMs;

export const mayWait = (state: QueueState): boolean =>
  state.waiting < MAX_WAITING && (state.waiting < state.width || expectedWaitMs(state) <= MAX_WAIT_MS);

/** Exponentially weighted: follows a throttled CPU within ten hashes, and is not thrown by one. */
export const updateAverage = (averageMs: number, sampleMs: number): number => averageMs * 0.8 + sampleMs * 0.2;
