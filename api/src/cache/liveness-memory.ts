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
/** The cache's own clock, which only forgets: at its default it would set a timer every millisecond. What is believed, `isCurrent` decides. */
const CLOCK_MS = 1_000;
/** How long anything may be believed without having heard: with the time of an answer it stays below the promised second. */
export const UNHEARD_MS = 800;

interface Known {
  /** The session's own tenant: a token that names another one is asked about in the database, which has no such session there. */
  readonly tenantId: string;
  readonly liveAtMs: number;
}

export class LivenessMemory {
  readonly #known = new LRUCache<string, Known | 'ended'>({
    maxSize: MAX_SESSIONS,
    sizeCalculation: () => 1,
    ttlResolution: CLOCK_MS,
  });
  readonly #hearing: Hearing;

  constructor(hearing: Hearing) {
    this.#hearing = hearing;
  }

  recall(sessionId: string, tenantId: string): Verdict | undefined {
    const known = this.#known.get(sessionId);
    if (known === undefined || known === 'ended') return known;
    return known.tenantId === tenantId && this.isCurrent(known.liveAtMs) ? 'live' : undefined;
  }

  end(sessionId: string): void {
    this.#known.set(sessionId, 'ended', { ttl: ACCESS_TOKEN_SECONDS * 1000 });
  }

  /** Remembers that it was live at that moment, unless it has ended meanwhile; says what stands now. */
  remember(sessionId: string, known: Known): Verdict {
    if (this.#known.get(sessionId) === 'ended') return 'ended';
    this.#known.set(sessionId, known, { ttl: LIVE_MS });
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
