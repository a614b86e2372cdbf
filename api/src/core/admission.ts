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

/** When a newcomer's hash may be expected to end. The rest of two seconds is for hashes that turn out slower, since they step back behind everything else (crypto/hash-threads.ts), and for the database. */
export const MAX_STAY_MS = 1_400;
/** Beyond it an answer is worth nothing: whose turn comes too late is refused at its turn. */
export const PATIENCE_MS = 1_650;
/** Memory bound for the case of a very cheap hash. */
export const MAX_WAITING = 1_000;

/** How long a newcomer would stay: the wait for its turn and its own hash. */
export const expectedStayMs = ({ width, waiting, averageHashMs }: QueueState): number =>
  ((waiting + 1) / width + 1) * averageHashMs;

export const mayWait = (state: QueueState): boolean =>
  state.waiting < MAX_WAITING && (state.waiting < state.width || expectedStayMs(state) <= MAX_STAY_MS);

/** Whether who has waited so long can still be served in time; the cores may have slowed down since it was let in. */
export const isInTime = (waitedMs: number, averageHashMs: number): boolean =>
  waitedMs === 0 || waitedMs + averageHashMs <= PATIENCE_MS;

/** Exponentially weighted: follows a throttled CPU within ten hashes, and is not thrown by one. */
export const updateAverage = (averageMs: number, sampleMs: number): number => averageMs * 0.8 + sampleMs * 0.2;
