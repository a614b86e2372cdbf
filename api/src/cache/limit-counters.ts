/** rate-limit-redis on our Redis connection. Called by cache/exact-limit.ts. */
import { type RedisReply, RedisStore } from 'rate-limit-redis';
import { z } from 'zod';
import type { RedisConnections } from './redis.ts';

/** What the store's scripts answer: a script's digest, a count, or a count with its time left. ioredis says null where Lua says false. */
const scalar = z.union([z.string(), z.number(), z.null().transform(() => false)]);
const reply = z.union([scalar, z.array(scalar)]);

/** A Redis that hangs is left alone for so long, or every request would wait out its deadline. */
const ALONE_MS = 1_000;

export interface Counters {
  /** Adds one and says how many that makes. @throws when Redis does not answer within its deadline */
  increment(key: string): Promise<number>;
  /** @throws when Redis does not answer within its deadline */
  read(key: string): Promise<number>;
  decrement(key: string): Promise<void>;
}

/** Counters that live for `lifetimeMs` from their first hit on; undefined while Redis is away or does not answer in time. */
export const createCounters = (
  redis: RedisConnections,
  prefix: string,
  lifetimeMs: number,
): (() => Counters | undefined) => {
  let store: RedisStore | undefined;
  let aloneUntilMs = Number.NEGATIVE_INFINITY;
  const answered = async <T>(work: Promise<T>): Promise<T> => {
    try {
      return await work;
    } catch (error) {
      aloneUntilMs = performance.now() + ALONE_MS;
      throw error;
    }
  };
  /** Loads the store's scripts. A failed load stays failed in a store, so each connection gets a new one. */
  const renew = async (): Promise<void> => {
    const next = new RedisStore({
      prefix,
      sendCommand: async (command: string, ...args: string[]): Promise<RedisReply> =>
        reply.parse(await redis.commands.call(command, ...args)),
    });
    try {
      // The store reads nothing but this option, though its type asks for all of express-rate-limit's.
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion
      await next.init({ windowMs: lifetimeMs } as Parameters<RedisStore['init']>[0]);
      store = next;
    } catch {
      store = undefined; // the process counts until the next connection
    }
  };
  redis.commands.on('ready', () => void renew());
  if (redis.isReady()) void renew();
  return () => {
    const current = store;
    if (current === undefined || !redis.isReady() || performance.now() < aloneUntilMs) return undefined;
    return {
      increment: async (key) => (await answered(current.increment(key))).totalHits,
      read: async (key) => (await answered(current.get(key)))?.totalHits ?? 0,
      decrement: (key) => answered(current.decrement(key)),
    };
  };
};
