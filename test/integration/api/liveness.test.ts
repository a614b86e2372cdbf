/** Who may say that a session lives: races between a reader and a revocation, on a real Redis. */
import { randomUUID } from 'node:crypto';
import { expect } from 'chai';
import { Liveness } from '../../../api/src/cache/liveness.ts';
import { connectRedis, type RedisConnections } from '../../../api/src/cache/redis.ts';
import { createLog } from '../../../api/src/log.ts';
import { eventually, lastedMs } from '../../support/eventually.ts';
import { TestRedis } from '../../support/redis.ts';

const TENANT = randomUUID();

/** Hears everything as it happens, and nothing. */
const hearing = { hearsSinceMs: () => 0, heardUntilMs: () => performance.now() };
const deaf = { hearsSinceMs: () => undefined, heardUntilMs: () => Number.NEGATIVE_INFINITY };

describe('liveness', () => {
  let server: TestRedis;
  let redis: RedisConnections;

  before(async () => {
    server = await TestRedis.start();
    redis = connectRedis(server.url, createLog('silent', undefined));
    await eventually('connected', 5_000, () => redis.isReady());
  });
  after(async () => {
    redis?.close();
    await server?.drop();
  });

  const keyOf = (sessionId: string) => server.command((client) => client.get(`latchkey:session:${sessionId}`));

  it('has no reader bury a revocation that overtook it', async () => {
    const sessionId = randomUUID();
    const other = new Liveness({ redis, hearing, readTruth: () => Promise.resolve(true) });
    const slow: Liveness = new Liveness({
      redis,
      hearing,
      readTruth: async () => {
        await other.markEnded(sessionId); // read as live, revoked before the reader could say so
        slow.hear(sessionId);
        return true;
      },
    });
    expect(await slow.isLive(sessionId, TENANT)).to.equal(false);
    expect(await keyOf(sessionId)).to.equal('ended');
    expect(await slow.isLive(sessionId, TENANT)).to.equal(false);
  });

  it('never gives an ended session back in this process, whatever a late read says', async () => {
    const sessionId = randomUUID();
    const alone = new Liveness({ redis: undefined, hearing, readTruth: () => Promise.resolve(true) });
    expect(await alone.isLive(sessionId, TENANT)).to.equal(true);
    await alone.markEnded(sessionId);
    expect(await alone.isLive(sessionId, TENANT)).to.equal(false);
  });

  it('knows a session in its own tenant only, and what a foreign one is denied does not hurt it', async () => {
    const sessionId = randomUUID();
    const readTruth = (_id: string, tenant: string) => Promise.resolve(tenant === TENANT);
    const pods = [new Liveness({ redis, hearing, readTruth }), new Liveness({ redis, hearing, readTruth })];
    for (let round = 0; round < 2; round += 1) {
      for (const pod of pods) {
        expect(await pod.isLive(sessionId, TENANT)).to.equal(true);
        expect(await pod.isLive(sessionId, randomUUID())).to.equal(false);
      }
    }
  });

  it('asks the database once for many checks of a live session', async () => {
    let reads = 0;
    const readTruth = () => Promise.resolve((reads += 1) > 0);
    const pods = [new Liveness({ redis, hearing, readTruth }), new Liveness({ redis, hearing, readTruth })];
    const sessionId = randomUUID();
    for (let check = 0; check < 20; check += 1) {
      for (const pod of pods) expect(await pod.isLive(sessionId, TENANT)).to.equal(true);
    }
    expect(reads).to.equal(1);
  });

  it('asks the database once without redis, as long as it hears of revocations from the database', async () => {
    let reads = 0;
    const alone = new Liveness({ redis: undefined, hearing, readTruth: () => Promise.resolve((reads += 1) > 0) });
    const sessionId = randomUUID();
    for (let check = 0; check < 5; check += 1) expect(await alone.isLive(sessionId, TENANT)).to.equal(true);
    expect(reads).to.equal(1);
    alone.hear(sessionId);
    expect(await alone.isLive(sessionId, TENANT)).to.equal(false);
  });

  it('believes neither itself nor redis for a second while it is deaf: the database is asked, and its no is seen', async () => {
    const sessionId = randomUUID();
    const other = new Liveness({ redis, hearing, readTruth: () => Promise.resolve(true) });
    expect(await other.isLive(sessionId, TENANT)).to.equal(true);
    expect(await keyOf(sessionId)).to.equal(`live ${TENANT}`);
    let isLive = true;
    const alone = new Liveness({ redis, hearing: deaf, readTruth: () => Promise.resolve(isLive) });
    expect(await alone.isLive(sessionId, TENANT)).to.equal(true);
    isLive = false;
    const isSeen = async () => !(await alone.isLive(sessionId, TENANT));
    expect(await lastedMs('it is seen', isSeen)).to.be.lessThan(1_000);
    expect(await keyOf(sessionId), 'redis still says so').to.equal(`live ${TENANT}`);
  });

  it('does not believe what redis was told before it began to hear', async () => {
    const sessionId = randomUUID();
    const other = new Liveness({ redis, hearing, readTruth: () => Promise.resolve(true) });
    expect(await other.isLive(sessionId, TENANT)).to.equal(true);
    const sinceMs = performance.now();
    const young = { hearsSinceMs: () => sinceMs, heardUntilMs: () => performance.now() };
    const fresh = new Liveness({ redis, hearing: young, readTruth: () => Promise.resolve(false) });
    expect(await fresh.isLive(sessionId, TENANT)).to.equal(false);
  });
});
