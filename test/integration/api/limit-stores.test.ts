/** The stores behind the limits, on real Redis with a clock of the test's: what they let pass, by any arrival, from two pods. */
import { expect } from 'chai';
import * as fc from 'fast-check';
import { ExactLimit } from '../../../api/src/cache/exact-limit.ts';
import { connectRedis, type RedisConnections } from '../../../api/src/cache/redis.ts';
import { SharedLimit } from '../../../api/src/cache/shared-limit.ts';
import { createLog } from '../../../api/src/log.ts';
import { eventually } from '../../support/eventually.ts';
import { TestRedis } from '../../support/redis.ts';

const policy = { limit: 8, windowMs: 60_000 };
const RUNS = process.env['TEST_LONG'] === '1' ? 1_000 : 60;

/** The most hits that any interval of the window's length saw. */
const mostInAWindow = (timesMs: readonly number[]): number =>
  Math.max(
    0,
    ...timesMs.map((startMs, index) => timesMs.slice(index).filter((atMs) => atMs < startMs + policy.windowMs).length),
  );

describe('the stores of the limits', () => {
  let redis: TestRedis;
  const pods: RedisConnections[] = [];
  let nowMs = 1_800_000_000_000;
  let clients = 0;

  before(async () => {
    redis = await TestRedis.start();
    pods.push(...[0, 1].map(() => connectRedis(redis.url, createLog('silent', undefined))));
    await eventually('both pods have redis', 5_000, () => pods.every((pod) => pod.isReady()));
  });
  after(async () => {
    for (const pod of pods) pod.close();
    await redis?.drop();
  });

  const storesOf = async <T extends ExactLimit | SharedLimit>(
    Store: new (deps: ConstructorParameters<typeof ExactLimit>[0]) => T,
  ): Promise<readonly T[]> => {
    const stores = pods.map((pod) => new Store({ redis: pod, name: 'test', policy, nowMs: () => nowMs }));
    await Promise.all(pods.map((pod) => pod.commands.ping())); // the scripts are loaded by then
    return stores;
  };
  const arrivals = fc.array(
    fc.record({ gapMs: fc.nat({ max: 25_000 }), pod: fc.nat({ max: 1 }), hits: fc.integer({ min: 1, max: 6 }) }),
    { maxLength: 40 },
  );

  it('of login, registration and reset never admit more than the limit in any interval of its length, whatever arrives on two pods', async function () {
    this.timeout(300_000);
    const stores = await storesOf(ExactLimit);
    await fc.assert(
      fc.asyncProperty(arrivals, async (events) => {
        const client = `client-${(clients += 1)}`;
        const admitted: number[] = [];
        for (const { gapMs, pod, hits } of events) {
          nowMs += gapMs;
          const answers = await Promise.all(Array.from({ length: hits }, async () => stores[pod]?.increment(client)));
          for (const answer of answers) if ((answer?.totalHits ?? 0) <= policy.limit) admitted.push(nowMs);
        }
        expect(mostInAWindow(admitted)).to.be.at.most(policy.limit);
      }),
      { numRuns: RUNS },
    );
  });

  it('of login, registration and reset let everybody in who keeps to the limit', async function () {
    this.timeout(300_000);
    const stores = await storesOf(ExactLimit);
    const spacingMs = (policy.windowMs * 1.1) / policy.limit;
    const client = `client-${(clients += 1)}`;
    for (let i = 0; i < 60; i += 1) {
      nowMs += spacingMs + 1;
      const answer = await stores[i % 2]?.increment(client);
      expect(answer?.totalHits, `hit ${i}`).to.be.at.most(policy.limit);
    }
  });

  it('of everything admits at most the limit in any interval from one pod, and three hits more from two', async function () {
    this.timeout(300_000);
    const stores = await storesOf(SharedLimit);
    await fc.assert(
      fc.asyncProperty(arrivals, fc.boolean(), async (events, hasTwoPods) => {
        const client = `client-${(clients += 1)}`;
        const admitted: number[] = [];
        for (const { gapMs, pod, hits } of events) {
          nowMs += gapMs;
          for (let i = 0; i < hits; i += 1) {
            const answer = await stores[hasTwoPods ? pod : 0]?.increment(client);
            if ((answer?.totalHits ?? 0) <= policy.limit) admitted.push(nowMs);
          }
        }
        expect(mostInAWindow(admitted)).to.be.at.most(policy.limit + (hasTwoPods ? 3 : 0));
      }),
      { numRuns: RUNS },
    );
  });
});
