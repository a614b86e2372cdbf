/**
 * The store behind the general limit: decided in this process, told to the others through Redis in the background, since a round trip a
 * request would cost more than the request. Called by express-rate-limit (http/rate-limit.ts) on every counted request.
 *
 * After it heard what all pods counted, a pod may let a tenth of what is left pass before it has to ask again. So beyond the limit passes,
 * at worst, a tenth of it (or three hits) for each further pod, and only what comes within one moment; near the limit every pod asks for every hit.
 * While Redis is away each pod goes on from what it knew.
 */
import type { ClientRateLimitInfo, Store } from 'express-rate-limit';
import { LRUCache } from 'lru-cache';
import { BUCKETS, bucketAt, bucketMs, type Policy, roomInMs, sumOf } from '../core/sliding-window.ts';
import type { LimitStoreDeps } from './exact-limit.ts';
import { LimitMemory } from './limit-memory.ts';
import type { RedisConnections } from './redis.ts';

/** How long hits may stay untold. */
const TELL_AFTER_MS = 250;
/** What a pod may let pass without asking again, as a part of what is left. */
const LEASE_SHARE = 0.1;
/** A lease from yesterday says nothing: it shrinks to the one hit during which the pod asks. */
const LEASE_MS = 1_000;
/** A Redis that hangs is not asked again for so long, or every request would wait out its deadline. */
const ALONE_MS = 5_000;
const MAX_CLIENTS = 30_000;

interface Account {
  lease: number;
  leasedUntilMs: number;
  /** Hits that Redis has not heard of, and their bucket. */
  untold: number;
  bucket: number;
  telling: Promise<void> | undefined;
}

export class SharedLimit implements Store {
  readonly prefix: string;
  readonly #policy: Policy;
  readonly #nowMs: () => number;
  readonly #redis: RedisConnections | undefined;
  readonly #memory = new LimitMemory();
  readonly #accounts = new LRUCache<string, Account>({ maxSize: MAX_CLIENTS, sizeCalculation: () => 1 });
  readonly #untold = new Map<string, Account>();
  #timer: NodeJS.Timeout | undefined;

  constructor({ redis, name, policy, nowMs }: LimitStoreDeps) {
    this.prefix = `latchkey:limit:${name}:`;
    this.#policy = policy;
    this.#nowMs = nowMs;
    this.#redis = redis;
  }

  /** More hits than the limit in the answer: refused until `resetTime`. Never throws; a promise only where the pod has to ask first. */
  increment(client: string): ClientRateLimitInfo | Promise<ClientRateLimitInfo> {
    const nowMs = this.#nowMs();
    const bucket = bucketAt(this.#policy, nowMs);
    const account = this.#accountOf(client, bucket);
    const isOver = nowMs > account.leasedUntilMs && account.telling === undefined;
    if (isOver) return this.#countAndRenew(client, account, nowMs);
    return this.#mustAsk(client, account, bucket) ? this.#askAndCount(client) : this.#count(client, account, nowMs);
  }

  /** Nothing gives a hit back: what was refused was not counted. */
  async decrement(): Promise<void> {}

  /** Nothing resets a client: it waits. */
  async resetKey(): Promise<void> {}

  /** One hit may pass while the pod asks, so that who comes seldom never waits for an answer. */
  #countAndRenew(client: string, account: Account, nowMs: number): ClientRateLimitInfo {
    account.lease = 1;
    account.leasedUntilMs = nowMs + LEASE_MS;
    const counted = this.#count(client, account, nowMs);
    if (this.#redis?.isReady() === true) void this.#tell(client, account);
    return counted;
  }

  /** Where nothing is left there is nothing to ask: hits leave by the clock. */
  #mustAsk(client: string, account: Account, bucket: number): boolean {
    if (account.lease > 0 || this.#redis?.isReady() !== true) return false;
    return sumOf(this.#memory.counts(client, bucket)) < this.#policy.limit;
  }

  /** Each answer lets a lease of hits pass; who waited in vain asks again. */
  async #askAndCount(client: string): Promise<ClientRateLimitInfo> {
    for (;;) {
      const nowMs = this.#nowMs();
      const bucket = bucketAt(this.#policy, nowMs);
      const account = this.#accountOf(client, bucket);
      if (!this.#mustAsk(client, account, bucket)) return this.#count(client, account, nowMs);
      await this.#tell(client, account);
    }
  }

  #count(client: string, account: Account, nowMs: number): ClientRateLimitInfo {
    const bucket = bucketAt(this.#policy, nowMs);
    const counts = this.#memory.counts(client, bucket);
    const hits = sumOf(counts) + 1;
    if (hits <= this.#policy.limit) {
      this.#memory.add(client, bucket, 1);
      account.untold += 1;
      account.lease -= 1;
      this.#tellSoon(client, account);
    }
    // express-rate-limit reads the wall clock to say how long that is.
    return { totalHits: hits, resetTime: new Date(Date.now() + roomInMs(counts, this.#policy, nowMs)) };
  }

  #accountOf(client: string, bucket: number): Account {
    let account = this.#accounts.get(client);
    if (account === undefined) {
      account = { lease: 0, leasedUntilMs: Number.NEGATIVE_INFINITY, untold: 0, bucket, telling: undefined };
      this.#accounts.set(client, account);
    }
    if (account.bucket !== bucket) {
      // The bucket is over: what is untold goes to its counter, and the account begins a new one.
      if (account.untold > 0) void this.#push(client, account.bucket, account.untold).catch(() => undefined);
      account.untold = 0;
      account.bucket = bucket;
    }
    return account;
  }

  #tellSoon(client: string, account: Account): void {
    if (this.#redis === undefined) return;
    this.#untold.set(client, account);
    if (this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      const due = [...this.#untold];
      this.#untold.clear();
      for (const [who, each] of due) if (each.untold > 0) void this.#tell(who, each);
    }, TELL_AFTER_MS).unref();
  }

  /** One conversation a client at a time: tells what is untold, hears what all pods counted, and takes a new lease. Never rejects. */
  #tell(client: string, account: Account): Promise<void> {
    account.telling ??= this.#converse(client, account).finally(() => {
      account.telling = undefined;
    });
    return account.telling;
  }

  async #converse(client: string, account: Account): Promise<void> {
    const { bucket, untold } = account;
    account.untold = 0;
    try {
      const [now = 0, ...before] = await this.#push(client, bucket, untold);
      const untoldSince = account.bucket === bucket ? account.untold : 0;
      this.#memory.raise(client, bucket, [now + untoldSince, ...before]);
      const nowMs = this.#nowMs();
      const left = this.#policy.limit - sumOf(this.#memory.counts(client, bucketAt(this.#policy, nowMs)));
      account.lease = Math.max(1, Math.floor(left * LEASE_SHARE));
      account.leasedUntilMs = nowMs + LEASE_MS;
    } catch {
      if (account.bucket === bucket) account.untold += untold; // it may hear of these twice, but never not at all
      account.lease = this.#policy.limit;
      account.leasedUntilMs = this.#nowMs() + ALONE_MS;
    }
  }

  /** Adds hits to a bucket; says the hits of all pods by age. @throws when Redis is away or does not answer within its deadline */
  async #push(client: string, bucket: number, hits: number): Promise<readonly number[]> {
    const redis = this.#redis;
    if (redis === undefined || !redis.isReady()) throw new Error('redis is away');
    const key = `${this.prefix}${client}:${bucket}`;
    const olderKeys = Array.from({ length: BUCKETS }, (_, index) => `${this.prefix}${client}:${bucket - index - 1}`);
    const [now, , older] = await Promise.all([
      redis.commands.incrby(key, hits),
      redis.commands.pexpire(key, Math.ceil(this.#policy.windowMs + 2 * bucketMs(this.#policy))),
      redis.commands.mget(olderKeys),
    ]);
    return [now, ...older.map(Number)];
  }
}
