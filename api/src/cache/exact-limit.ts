/**
 * The store behind the limits of login, registration and reset: every hit is counted in Redis for all pods together before it may go on.
 * Called by express-rate-limit (http/rate-limit.ts). Each bucket of the window (core/sliding-window.ts) is a counter of rate-limit-redis;
 * all of them are asked in one round trip.
 *
 * While Redis is away the process decides by what it knows: its own hits and what Redis said last. Then a client has what was left to it
 * once a pod, at most; nobody starts from zero, and nobody is unlimited. An emptied Redis lowers nothing that a process knows.
 */
import type { ClientRateLimitInfo, Store } from 'express-rate-limit';
import { BUCKETS, bucketAt, bucketMs, type Counts, type Policy, roomInMs, sumOf } from '../core/sliding-window.ts';
import { LimitBlocks } from './limit-blocks.ts';
import { type Counters, createCounters } from './limit-counters.ts';
import { LimitMemory } from './limit-memory.ts';
import type { RedisConnections } from './redis.ts';

export interface LimitStoreDeps {
  readonly redis: RedisConnections | undefined;
  readonly name: string;
  readonly policy: Policy;
  readonly nowMs: () => number;
}

/** What Redis said: hits by age, this one included, and until when another pod blocked the client. */
interface Shared {
  readonly counts: Counts;
  readonly blockedUntilMs: number;
}

export class ExactLimit implements Store {
  readonly prefix: string;
  readonly #policy: Policy;
  readonly #nowMs: () => number;
  readonly #memory = new LimitMemory();
  readonly #blocks: LimitBlocks;
  readonly #countersInRedis: () => Counters | undefined;

  constructor({ redis, name, policy, nowMs }: LimitStoreDeps) {
    this.prefix = `latchkey:limit:${name}:`;
    this.#policy = policy;
    this.#nowMs = nowMs;
    this.#blocks = new LimitBlocks({ redis, policy, prefix: this.prefix });
    const lifetimeMs = policy.windowMs + 2 * bucketMs(policy);
    this.#countersInRedis =
      redis === undefined ? () => undefined : createCounters(redis, `${this.prefix}hits:`, lifetimeMs);
  }

  /** More hits than the limit in the answer: refused until `resetTime`. Never throws. */
  async increment(client: string): Promise<ClientRateLimitInfo> {
    const nowMs = this.#nowMs();
    const blockedMs = await this.#blocks.remainingMs(client, nowMs);
    if (blockedMs > 0) return this.#refusal(blockedMs);
    const bucket = bucketAt(this.#policy, nowMs);
    this.#memory.add(client, bucket, 1);
    const here = [...this.#memory.counts(client, bucket)];
    const shared = await this.#ask(client, bucket);
    if (shared !== undefined && shared.blockedUntilMs > nowMs) {
      this.#blocks.learn(client, shared.blockedUntilMs, nowMs);
      this.#giveBack(client, bucket);
      return this.#refusal(shared.blockedUntilMs - nowMs);
    }
    const counts = shared === undefined || sumOf(here) > sumOf(shared.counts) ? here : shared.counts;
    const hits = sumOf(counts);
    if (shared !== undefined) this.#memory.raise(client, bucket, this.#atMostLimit(shared.counts));
    if (hits <= this.#policy.limit) return infoOf(hits, roomInMs(counts, this.#policy, nowMs));
    this.#giveBack(client, bucket);
    return this.#refusal(await this.#blocks.begin(client, roomInMs(withoutLast(counts), this.#policy, nowMs), nowMs));
  }

  async decrement(client: string): Promise<void> {
    this.#giveBack(client, bucketAt(this.#policy, this.#nowMs()));
  }

  /** Nothing resets a client: it waits. */
  async resetKey(): Promise<void> {}

  #refusal(waitMs: number): ClientRateLimitInfo {
    return infoOf(this.#policy.limit + 1, waitMs);
  }

  /** What was refused has not been used: who hammers would otherwise keep itself and its neighbours out for ever. */
  #giveBack(client: string, bucket: number): void {
    this.#memory.add(client, bucket, -1);
    this.#countersInRedis()
      ?.decrement(`${client}:${bucket}`)
      .catch(() => undefined);
  }

  /** Hits above the limit are on their way back. */
  #atMostLimit([now = 0, ...before]: Counts): Counts {
    return [Math.max(0, Math.min(now, this.#policy.limit - sumOf(before))), ...before];
  }

  async #ask(client: string, bucket: number): Promise<Shared | undefined> {
    const counters = this.#countersInRedis();
    if (counters === undefined) return undefined;
    try {
      const [blockedUntilMs, ...counts] = await Promise.all([
        this.#blocks.askUntilMs(client),
        counters.increment(`${client}:${bucket}`),
        ...Array.from({ length: BUCKETS }, (_, index) => counters.read(`${client}:${bucket - index - 1}`)),
      ]);
      return { counts, blockedUntilMs };
    } catch {
      return undefined;
    }
  }
}

const withoutLast = ([now = 0, ...before]: Counts): Counts => [Math.max(0, now - 1), ...before];

/** express-rate-limit reads the wall clock to say how long that is. */
const infoOf = (totalHits: number, waitMs: number): ClientRateLimitInfo => ({
  totalHits,
  resetTime: new Date(Date.now() + waitMs),
});
