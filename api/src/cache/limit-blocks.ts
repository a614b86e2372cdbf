/**
 * Who has to wait, and longer each time that it does not. Called by cache/exact-limit.ts.
 *
 * A client that exceeds is blocked until there is room. A client that goes on during its block has not waited: that is a strike, one a block,
 * and the next block lasts a window, then two, four, eight. Who waits as `Retry-After` says is never held longer than the window itself.
 */
import { LRUCache } from 'lru-cache';
import { backoffMs, bucketMs, type Policy } from '../core/sliding-window.ts';
import { type Counters, createCounters } from './limit-counters.ts';
import type { RedisConnections } from './redis.ts';

const MAX_BLOCKED = 10_000;
/** What was on its way when the block began ignores nothing. */
const GRACE_MS = 1_000;
/** Strikes are forgotten after so many windows. */
const MEMORY_WINDOWS = 24;

interface Block {
  readonly sinceMs: number;
  readonly untilMs: number;
  isIgnored: boolean;
}

export interface BlockDeps {
  readonly redis: RedisConnections | undefined;
  readonly policy: Policy;
  readonly prefix: string;
}

export class LimitBlocks {
  readonly #redis: RedisConnections | undefined;
  readonly #policy: Policy;
  readonly #prefix: string;
  readonly #strikesInRedis: () => Counters | undefined;
  readonly #blocks = new LRUCache<string, Block>({ maxSize: MAX_BLOCKED, sizeCalculation: () => 1 });
  readonly #strikes = new LRUCache<string, { readonly count: number; readonly untilMs: number }>({
    maxSize: MAX_BLOCKED,
    sizeCalculation: () => 1,
  });

  constructor({ redis, policy, prefix }: BlockDeps) {
    this.#redis = redis;
    this.#policy = policy;
    this.#prefix = prefix;
    const lifetimeMs = policy.windowMs * MEMORY_WINDOWS;
    this.#strikesInRedis =
      redis === undefined ? () => undefined : createCounters(redis, `${prefix}strikes:`, lifetimeMs);
  }

  /** How long the client still has to wait by what this process knows; 0 where it may go on. */
  async remainingMs(client: string, nowMs: number): Promise<number> {
    const block = this.#blocks.get(client);
    if (block === undefined || block.untilMs <= nowMs) return 0;
    if (!block.isIgnored && nowMs - block.sinceMs > GRACE_MS) {
      block.isIgnored = true;
      await this.#strike(client, block, nowMs);
    }
    return block.untilMs - nowMs;
  }

  /** Until when any process blocked the client; 0 where none did. @throws when Redis does not answer within its deadline */
  async askUntilMs(client: string): Promise<number> {
    return Number((await this.#redis?.commands.get(this.#blockKey(client))) ?? 0);
  }

  /** Takes over a block that another process began. */
  learn(client: string, untilMs: number, nowMs: number): void {
    this.#blocks.set(client, { sinceMs: nowMs, untilMs, isIgnored: false });
  }

  /** Blocks for as long as there is no room, longer for who has strikes; says for how long. */
  async begin(client: string, roomInMs: number, nowMs: number): Promise<number> {
    const strikes = await this.#strikesOf(client, nowMs);
    // At the end of a bucket, so that refusals of one moment agree on it, whichever process they meet.
    const stepMs = bucketMs(this.#policy);
    const untilMs = Math.ceil((nowMs + Math.max(roomInMs, backoffMs(strikes, this.#policy))) / stepMs) * stepMs;
    this.learn(client, untilMs, nowMs);
    this.#redis?.commands
      .set(this.#blockKey(client), String(untilMs), 'PX', Math.ceil(untilMs - nowMs))
      .catch(() => undefined); // then each pod blocks for itself
    return untilMs - nowMs;
  }

  #blockKey(client: string): string {
    return `${this.#prefix}block:${client}`;
  }

  async #strikesOf(client: string, nowMs: number): Promise<number> {
    const local = this.#strikes.get(client);
    const here = local === undefined || local.untilMs <= nowMs ? 0 : local.count;
    const shared = await this.#strikesInRedis()
      ?.read(client)
      .catch(() => 0);
    return Math.max(here, shared ?? 0);
  }

  /** One a block, whichever process sees it first. */
  async #strike(client: string, block: Block, nowMs: number): Promise<void> {
    const count = (await this.#strikesOf(client, nowMs)) + 1;
    this.#strikes.set(client, { count, untilMs: nowMs + this.#policy.windowMs * MEMORY_WINDOWS });
    const [redis, strikes] = [this.#redis, this.#strikesInRedis()];
    if (redis === undefined || strikes === undefined) return;
    try {
      const key = `${this.#prefix}ignored:${client}:${block.untilMs}`;
      const isFirst = await redis.commands.set(key, '1', 'PX', Math.ceil(block.untilMs - nowMs), 'NX');
      if (isFirst !== null) await strikes.increment(client);
    } catch {
      // counted here; the others learn of the next one
    }
  }
}
