/**
 * Good answers of `validate`, for less than a second, so that a service that asks about each request of its own does not ask the auth service
 * each time; and one question for all who ask about one token at one time. Called by proxy.ts.
 *
 * What an answer says was true when its question was sent, not when it came back. So it is given to whoever asks within `freshMs` of that
 * moment; whoever waited for it in vain, because it was slow, takes the next one, which was sent after they came. So no revocation is seen
 * later than a second here, however slow the auth service is. One that goes through this instance empties the memory.
 */
import { LRUCache } from 'lru-cache';
import type { Metrics } from '../metrics.ts';
import type { Result } from './client.ts';

const MAX_BYTES = 8_388_608;
/** What an entry costs beside its body, generously. */
const OVERHEAD_BYTES = 512;
/** Larger answers are none that need to be remembered. */
const MAX_BODY_BYTES = 16_384;

interface Asked {
  readonly askedMs: number;
  readonly result: Promise<Result>;
}

interface Known {
  readonly askedMs: number;
  readonly result: Result;
  readonly bytes: number;
}

export interface ValidationDeps {
  readonly freshMs: number;
  readonly metrics: Metrics;
  readonly nowMs: () => number;
}

/** The same for everybody who holds the token: no cookie of one goes to another. */
const isShareable = (result: Result): boolean =>
  result.category !== 'answered' || result.answer.headers['set-cookie'] === undefined;

const isGood = (result: Result): boolean => result.category === 'answered' && result.answer.status === 200;

export class Validations {
  readonly #deps: ValidationDeps;
  readonly #known = new LRUCache<string, Known>({ maxSize: MAX_BYTES, sizeCalculation: ({ bytes }) => bytes });
  readonly #asking = new Map<string, Asked>();
  #generation = 0;

  constructor(deps: ValidationDeps) {
    this.#deps = deps;
  }

  /** What `ask` says, or what it said just now about the same key. */
  async share(key: string, ask: () => Promise<Result>): Promise<Result> {
    const { freshMs, metrics, nowMs } = this.#deps;
    const cameMs = nowMs();
    const known = this.#known.get(key);
    if (known !== undefined && cameMs - known.askedMs < freshMs) {
      metrics.upstream.validations.inc({ source: 'memory' });
      return known.result;
    }
    for (let asking = this.#askingOf(key); asking !== undefined; asking = this.#askingOf(key)) {
      const { askedMs } = asking;
      const result = await asking.result;
      if (!isShareable(result)) break;
      if (askedMs < cameMs && nowMs() - askedMs >= freshMs) continue;
      metrics.upstream.validations.inc({ source: 'shared' });
      return result;
    }
    metrics.upstream.validations.inc({ source: 'upstream' });
    return this.#ask(key, ask);
  }

  /** A session may have ended: neither what is known nor what is being asked counts any more. */
  forget(): void {
    this.#generation += 1;
    this.#known.clear();
    this.#asking.clear();
  }

  #askingOf(key: string): Asked | undefined {
    return this.#deps.freshMs === 0 ? undefined : this.#asking.get(key);
  }

  async #ask(key: string, ask: () => Promise<Result>): Promise<Result> {
    const generation = this.#generation;
    const asked: Asked = { askedMs: this.#deps.nowMs(), result: ask() };
    this.#asking.set(key, asked);
    try {
      const result = await asked.result;
      if (generation === this.#generation) this.#remember(key, asked.askedMs, result);
      return result;
    } finally {
      if (this.#asking.get(key) === asked) this.#asking.delete(key);
    }
  }

  #remember(key: string, askedMs: number, result: Result): void {
    if (this.#deps.freshMs === 0 || !isGood(result) || !isShareable(result) || result.category !== 'answered') return;
    const { length } = result.answer.body;
    if (length > MAX_BODY_BYTES) return;
    this.#known.set(key, { askedMs, result, bytes: length + OVERHEAD_BYTES });
  }
}
