/**
 * What has been used once and must not be again. Called by http/signature.ts. Redis knows for all pods; while it is away each pod knows for
 * itself, so a signed request could then be sent once to each pod: all that can be asked so only reads (docs/api/edges.md).
 */
import { LRUCache } from 'lru-cache';
import type { RedisConnections } from './redis.ts';

const MAX_REMEMBERED = 50_000;

export class Nonces {
  readonly #redis: RedisConnections | undefined;
  readonly #used: LRUCache<string, true>;
  readonly #lifetimeMs: number;

  constructor(redis: RedisConnections | undefined, lifetimeMs: number) {
    this.#redis = redis;
    this.#lifetimeMs = lifetimeMs;
    this.#used = new LRUCache({ max: MAX_REMEMBERED, ttl: lifetimeMs });
  }

  /** True the first time. */
  async use(nonce: string): Promise<boolean> {
    if (this.#used.has(nonce)) return false;
    this.#used.set(nonce, true);
    if (this.#redis === undefined || !this.#redis.isReady()) return true;
    const set = this.#redis.commands.set(`latchkey:nonce:${nonce}`, '1', 'PX', this.#lifetimeMs, 'NX');
    return set.then(
      (answer) => answer !== null,
      () => true,
    );
  }
}
