/** This process's memory of which sessions are live, which trusts `live` only while the subscription works. Called by cache/liveness.ts. */
import type { Redis } from 'ioredis';
import { LRUCache } from 'lru-cache';
import { ACCESS_TOKEN_SECONDS } from '../crypto/access-token.ts';

type Verdict = 'live' | 'ended';

const MAX_SESSIONS = 50_000;
/** Bounds what an expiry by the clock can be late by; revocations are heard at once. */
const LIVE_MS = 10_000;

export class LivenessMemory {
  readonly #verdicts = new LRUCache<string, Verdict>({ max: MAX_SESSIONS });
  #isListening = false;

  /** Hears revocations on `channel`; every (re)connection subscribes again, every loss forgets what was believed to be live. */
  listenTo(subscriber: Redis, channel: string): void {
    subscriber.on('message', (_channel: string, sessionId: string) => this.end(sessionId));
    subscriber.on('close', () => this.#deafen());
    subscriber.on('ready', () => void this.#subscribe(subscriber, channel));
    if (subscriber.status === 'ready') void this.#subscribe(subscriber, channel);
  }

  recall(sessionId: string): Verdict | undefined {
    return this.#verdicts.get(sessionId);
  }

  end(sessionId: string): void {
    this.#verdicts.set(sessionId, 'ended', { ttl: ACCESS_TOKEN_SECONDS * 1000 });
  }

  /** Remembers `live` unless it has ended meanwhile; says what stands now. */
  remember(sessionId: string): Verdict {
    if (this.#verdicts.get(sessionId) === 'ended') return 'ended';
    if (this.#isListening) this.#verdicts.set(sessionId, 'live', { ttl: LIVE_MS });
    return 'live';
  }

  async #subscribe(subscriber: Redis, channel: string): Promise<void> {
    try {
      await subscriber.subscribe(channel);
      this.#isListening = true;
    } catch {
      this.#deafen(); // the connection fell again; the next one subscribes
    }
  }

  #deafen(): void {
    this.#isListening = false;
    for (const [sessionId, verdict] of this.#verdicts.entries()) {
      if (verdict === 'live') this.#verdicts.delete(sessionId);
    }
  }
}
