/** Who may say that a session lives: races between a reader and a revocation, on a real Redis. */
import { randomUUID } from 'node:crypto';
import { expect } from 'chai';
import { Liveness } from '../../../api/src/cache/liveness.ts';
import { connectRedis, type RedisConnections } from '../../../api/src/cache/redis.ts';
import { createLog } from '../../../api/src/log.ts';
import { eventually } from '../../support/eventually.ts';
import { TestRedis } from '../../support/redis.ts';

const TENANT = randomUUID();

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
    const other = new Liveness({ redis, readTruth: () => Promise.resolve(true) });
    const slow = new Liveness({
      redis,
      readTruth: async () => {
        await other.markEnded(sessionId); // read as live, revoked before the reader could say so
        return true;
      },
    });
    await slow.isLive(sessionId, TENANT);
    expect(await keyOf(sessionId)).to.equal('ended');
    expect(await slow.isLive(sessionId, TENANT)).to.equal(false);
  });

  it('never gives an ended session back in this process, whatever a late read says', async () => {
    const sessionId = randomUUID();
    const alone = new Liveness({ redis: undefined, readTruth: () => Promise.resolve(true) });
    expect(await alone.isLive(sessionId, TENANT)).to.equal(true);
    await alone.markEnded(sessionId);
    expect(await alone.isLive(sessionId, TENANT)).to.equal(false);
  });

  it('asks the database once for many checks of a live session', async () => {
    let reads = 0;
    const readTruth = () => Promise.resolve((reads += 1) > 0);
    const pods = [new Liveness({ redis, readTruth }), new Liveness({ redis, readTruth })];
    const sessionId = randomUUID();
    for (let check = 0; check < 20; check += 1) {
      for (const pod of pods) expect(await pod.isLive(sessionId, TENANT)).to.equal(true);
    }
    expect(reads).to.equal(1);
  });

  it('asks the database every time without redis, since nobody would tell it of a revocation', async () => {
    let reads = 0;
    const alone = new Liveness({ redis: undefined, readTruth: () => Promise.resolve((reads += 1) < 3) });
    const sessionId = randomUUID();
    const answers = [
      await alone.isLive(sessionId, TENANT),
      await alone.isLive(sessionId, TENANT),
      await alone.isLive(sessionId, TENANT),
    ];
    expect(answers).to.deep.equal([true, true, false]);
  });
});
