/** `cache.ts clear`: only our own keys go, nobody is logged out, nobody who was logged out comes back, and nobody's guesses are forgotten. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { Api } from '../../support/api.ts';
import { eventually } from '../../support/eventually.ts';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.ts';
import { TestRedis } from '../../support/redis.ts';

const CLI = fileURLToPath(new URL('../../../api/src/cli/cache.ts', import.meta.url));

describe('clearing the cache', () => {
  let database: TestDatabase;
  let redis: TestRedis;
  let api: Api;

  before(async () => {
    [database, redis] = await Promise.all([createTestDatabase(), TestRedis.start()]);
    api = await Api.start({ databaseUrl: database.url, redisUrl: redis.url });
    await eventually(
      'redis is in use',
      5_000,
      async () => (await api.get('/api/health/ready')).body['status'] === 'ok',
    );
  });
  after(async () => {
    await api?.stop();
    await redis?.drop();
    await database?.drop();
  });

  const run = (args: readonly string[], url = redis.url) =>
    new Promise<{ code: number; out: string; err: string }>((resolve) => {
      const env = { PATH: process.env['PATH'] ?? '', REDIS_URL: url };
      execFile(process.execPath, [CLI, ...args], { env, timeout: 20_000 }, (error, out, err) =>
        resolve({ code: error === null ? 0 : Number(error.code ?? -1), out, err }),
      );
    });
  const keys = (pattern: string) => redis.command((client) => client.keys(pattern));

  it('takes the sessions out of Redis and out of nobody’s hands, and leaves other programs, revocations and limits alone', async () => {
    await redis.command((client) => client.set('somebody-else', '1'));
    const [live, ended] = [await api.newSession(), await api.newSession()];
    for (const { accessToken } of [live, ended]) await api.validate(accessToken);
    await api.send('POST', '/api/v1/auth/logout', { bearer: ended.accessToken });
    const before = await keys('*');

    const dry = await run(['clear', '--dry-run']);
    expect(dry.out).to.match(/^would delete \d+ keys/);
    expect(await keys('*')).to.have.members(before);

    const result = await run(['clear']);
    expect([result.code, result.err]).to.deep.equal([0, '']);
    expect(await keys('latchkey:session:*')).to.deep.equal([`latchkey:session:${ended.sessionId}`]);
    expect(await keys('latchkey:limit:*')).to.have.members(before.filter((key) => key.startsWith('latchkey:limit:')));
    expect(await keys('somebody-else')).to.have.length(1);

    expect((await api.validate(live.accessToken)).status).to.equal(200);
    expect((await api.refresh(live.refreshToken)).status).to.equal(200);
    expect((await api.validate(ended.accessToken)).status).to.equal(401);
    const fresh = await Api.start({ databaseUrl: database.url, redisUrl: redis.url });
    expect((await fresh.validate(live.accessToken)).status).to.equal(200);
    expect((await fresh.validate(ended.accessToken)).status).to.equal(401);
    await fresh.stop();
  });

  it('forgets limits only when it is told to', async () => {
    expect(await keys('latchkey:limit:*')).not.to.be.empty;
    const result = await run(['clear', '--limits', '-o', 'json']);
    expect(JSON.parse(result.out)).to.include({ isDryRun: false });
    expect(await keys('latchkey:limit:*')).to.deep.equal([]);
  });

  it('explains itself; wrong usage exits 2, a Redis that is away 1 without its password', async () => {
    expect((await run(['--help'])).out).to.match(/^Usage: latchkey cache/);
    for (const args of [[], ['destroy'], ['clear', '-o', 'xml'], ['clear', '--nope']]) {
      expect((await run(args)).code, args.join(' ')).to.equal(2);
    }
    expect((await run(['clear'], 'http://x')).code).to.equal(2);
    const away = await run(['clear'], 'redis://user:hunter2@127.0.0.1:1');
    expect(away.code).to.equal(1);
    expect(away.err).not.to.include('hunter2');
  });
});
