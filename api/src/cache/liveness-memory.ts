/**
 * This process's memory of which sessions are live. It believes `live` for as long as every revocation since has been heard, and otherwise for
 * less than a second. Called by cache/liveness.ts.
 */
import { LRUCache } from 'lru-cache';
import { ACCESS_TOKEN_SECONDS } from '../crypto/access-token.ts';

export type Verdict = 'live' | 'ended';

/** How far this process has heard of revocations, by performance.now() (db/revocation-feed.ts). */
export interface Hearing {
  /** Since when nothing was missed; undefined while deaf. */
  hearsSinceMs(): number | undefined;
  /** Everything that ended before this moment has been heard. */
  heardUntilMs(): number;
}

const MAX_SESSIONS = 50_000;
/** What is known longer is asked again, heard or not. */
const LIVE_MS = 30_000;
/** How long anything may be believed without having heard: with the time of an answer it stays below the promised second. */
export const UNHEARD_MS = 800;

const ENDED = -1;

export class LivenessMemory {
  /** The moment that a session was known to be live, or ENDED. */
  readonly #known = new LRUCache<string, number>({ max: MAX_SESSIONS });
  readonly #hearing: Hearing;

  constructor(hearing: Hearing) {
    this.#hearing = hearing;
  }

  recall(sessionId: string): Verdict | undefined {
    const known = this.#known.get(sessionId);
    if (known === undefined) return undefined;
    if (known === ENDED) return 'ended';
    return this.isCurrent(known) ? 'live' : undefined;
  }

  end(sessionId: string): void {
    this.#known.set(sessionId, ENDED, { ttl: ACCESS_TOKEN_SECONDS * 1000 });
  }

  /** Remembers that it was live at that moment, unless it has ended meanwhile; says what stands now. */
  remember(sessionId: string, liveAtMs: number): Verdict {
    if (this.#known.get(sessionId) === ENDED) return 'ended';
    this.#known.set(sessionId, liveAtMs, { ttl: LIVE_MS });
    return 'live';
  }

  /** Whether what was known to be live at that moment may still be believed. */
  isCurrent(liveAtMs: number): boolean {
    const nowMs = performance.now();
    if (nowMs - liveAtMs <= UNHEARD_MS) return true;
    const sinceMs = this.#hearing.hearsSinceMs();
    const isHeard = sinceMs !== undefined && sinceMs <= liveAtMs && nowMs - this.#hearing.heardUntilMs() <= UNHEARD_MS;
    return isHeard && nowMs - liveAtMs <= LIVE_MS;
  }
}
