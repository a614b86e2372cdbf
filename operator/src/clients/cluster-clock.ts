/**
 * The time that all leaders share: the API server's, read from the `Date` of its answers. Fed by transport.ts; every time that a decision
 * compares or a status keeps is of this clock, since the next leader counts on from it on another node.
 *
 * A node whose clock is five minutes ahead would otherwise end every hold of its predecessor at once, and take a second of silence for five
 * minutes. Its own wall clock is asked once, at the start: what it does later (a step by NTP) changes nothing here.
 */

/** `Date` says whole seconds, so the moment it was written is somewhere in the second that it names. */
const RESOLUTION_MS = 1_000;

export interface ClusterClockSource {
  /** Milliseconds that never jump. */
  readonly monotonic: () => number;
  /** This node's wall clock, in milliseconds since 1970. */
  readonly wall: () => number;
}

const NODE_CLOCKS: ClusterClockSource = { monotonic: () => performance.now(), wall: () => Date.now() };

export class ClusterClock {
  readonly #monotonic: () => number;
  readonly #startMs: number;
  #offsetMs = 0;

  constructor({ monotonic, wall }: ClusterClockSource = NODE_CLOCKS) {
    this.#monotonic = monotonic;
    this.#startMs = wall() - monotonic();
  }

  /** Whole milliseconds since 1970; off by a second and a round trip at most once an answer was heard. */
  readonly now = (): number => Math.floor(this.#startMs + this.#monotonic() + this.#offsetMs);

  /** How far this node's clock was behind (positive) or ahead when the process began, or 0 where it could have been right. */
  get offsetMs(): number {
    return this.#offsetMs;
  }

  /**
   * An answer that said `date`, to a request that was sent at `sentAt` on the monotonic clock, and is here now. Moves the clock as little as
   * makes this answer possible: a clock that is right is never touched.
   */
  heard(date: string | undefined, sentAt: number): void {
    const writtenMs = Date.parse(date ?? '');
    if (Number.isNaN(writtenMs)) return; // a proxy that takes headers away leaves us our own clock
    const least = writtenMs - (this.#startMs + this.#monotonic());
    const most = writtenMs + RESOLUTION_MS - (this.#startMs + sentAt);
    this.#offsetMs = Math.min(Math.max(this.#offsetMs, least), most);
  }
}
