/**
 * Requests a client and minute: counted in Redis for all pods together, in this process while Redis is away. Never unlimited, never 500.
 * Called by http/guard.ts.
 */
import type { RequestHandler } from 'express';
import {
  type ClientRateLimitInfo,
  ipKeyGenerator,
  MemoryStore,
  type Options,
  rateLimit,
  type Store,
} from 'express-rate-limit';
import { RedisStore } from 'rate-limit-redis';
import { z } from 'zod';
import type { RedisConnections } from '../cache/redis.ts';
import { AppError } from '../errors.ts';
import type { Metrics } from '../metrics.ts';
import { clientAddress } from './client-address.ts';

/** What the store's scripts answer: a script's digest, a count, or a count with its time left. */
const scalar = z.union([z.string(), z.number()]);
const reply = z.union([scalar, z.array(scalar)]);

const WINDOW_MS = 60_000;

/** Redis first; whatever goes wrong with it, the process counts instead. */
class FallbackStore implements Store {
  readonly prefix = 'latchkey:rate:';
  readonly #local = new MemoryStore();
  readonly #redis: RedisConnections | undefined;
  #shared: RedisStore | undefined;

  constructor(redis: RedisConnections | undefined) {
    this.#redis = redis;
  }

  init(options: Options): void {
    this.#local.init(options);
    const redis = this.#redis;
    if (redis === undefined) return;
    redis.commands.on('ready', () => void this.#share(redis, options));
    if (redis.isReady()) void this.#share(redis, options);
  }

  /** Loads the store's scripts; a restarted Redis has forgotten them, so this runs at every (re)connection. */
  async #share(redis: RedisConnections, options: Options): Promise<void> {
    const store = new RedisStore({
      prefix: this.prefix,
      sendCommand: async (command: string, ...args: string[]) =>
        reply.parse(await redis.commands.call(command, ...args)),
    });
    try {
      await store.init(options);
      this.#shared = store;
    } catch {
      this.#shared = undefined; // the process counts until the next connection
    }
  }

  async increment(key: string): Promise<ClientRateLimitInfo> {
    // Counted here in any case: when Redis goes, nobody starts from zero.
    const local = await this.#local.increment(key);
    if (this.#shared === undefined || this.#redis?.isReady() !== true) return local;
    return this.#shared.increment(key).catch(() => local);
  }

  async decrement(key: string): Promise<void> {
    await this.#local.decrement(key);
    await this.#shared?.decrement(key).catch(() => undefined);
  }

  async resetKey(key: string): Promise<void> {
    await this.#local.resetKey(key);
    await this.#shared?.resetKey(key).catch(() => undefined);
  }
}

export interface RateLimitDeps {
  readonly redis: RedisConnections | undefined;
  readonly limitPerMinute: number;
  readonly metrics: Metrics;
}

export const rateLimiter = ({ redis, limitPerMinute, metrics }: RateLimitDeps): RequestHandler =>
  rateLimit({
    windowMs: WINDOW_MS,
    limit: limitPerMinute,
    standardHeaders: 'draft-8',
    legacyHeaders: false,
    identifier: 'api',
    store: new FallbackStore(redis),
    // An IPv6 customer owns a /56 at least: one bucket for all its addresses. A mapped IPv4 address is that IPv4 address.
    keyGenerator: (request) => ipKeyGenerator(clientAddress(request), 56),
    handler: () => {
      metrics.auth.rateLimitExceeded.inc();
      throw new AppError('rate-limited');
    },
    validate: false, // its checks guess at the trust-proxy setting and write to the console; ours is an explicit list
  });
