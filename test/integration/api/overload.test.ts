/**
 * Ten times the logins that the cores can hash: who is let in is served, who is not hears it at once, nobody else notices. The figures that are
 * promised are measured by `npm run bench` on a server of its own; here server, database and load share the cores.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { hashWidth } from '../../../api/src/crypto/hash-queue.ts';
import { type Answer, Api, PASSWORD } from '../../support/api.ts';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.ts';
import { median } from '../../support/rank-test.ts';

const SECONDS = 4;
const COST = 11;

interface Timed extends Answer {
  readonly tookMs: number;
}

describe('overload', function () {
  this.timeout(120_000);
  let database: TestDatabase;
  let api: Api;

  before(async () => {
    database = await createTestDatabase();
    api = await Api.start({ databaseUrl: database.url, env: { BCRYPT_COST: String(COST) } });
  });
  after(async () => {
    await api?.stop();
    await database?.drop();
  });

  const timed = async (work: () => Promise<Answer>): Promise<Timed> => {
    const startedMs = performance.now();
    const answer = await work();
    return { ...answer, tookMs: performance.now() - startedMs };
  };

  it('of logins serves as many as the cores can hash, and refuses the rest at once with Retry-After', async () => {
    const email = await api.register();
    const { accessToken } = await api.login(email);
    const login = (): Promise<Timed> => timed(() => api.post('/api/v1/auth/login', { email, password: PASSWORD }));
    const alone = [await login(), await login(), await login()].map(({ tookMs }) => tookMs);
    const everyMs = median(alone) / hashWidth() / 10;
    const answers: Promise<Timed>[] = [];
    const reads: Timed[] = [];
    const untilMs = performance.now() + SECONDS * 1_000;
    while (performance.now() < untilMs) {
      answers.push(login());
      if (answers.length % 10 === 0) reads.push(await timed(() => api.validate(accessToken)));
      await sleep(everyMs);
    }
    const all = await Promise.all(answers);
    const accepted = all.filter(({ status }) => status === 200);
    const refused = all.filter(({ status }) => status === 503);
    expect(accepted.length + refused.length).to.equal(all.length);
    for (const { headers, body } of refused) {
      expect([body['code'], headers['retry-after']]).to.deep.equal(['overloaded', '1']);
    }
    expect(refused.length, 'most are refused').to.be.above(all.length / 2);
    expect(accepted.length, 'the cores stay busy').to.be.above((SECONDS * 1_000) / median(alone) / 2);
    expect(median(refused.map(({ tookMs }) => tookMs)), 'at once').to.be.below(
      median(accepted.map(({ tookMs }) => tookMs)) / 2,
    );
    // Two seconds, unless one login alone on this machine takes a good part of them.
    const boundMs = Math.max(2_000, 10 * median(alone));
    expect(Math.max(...accepted.map(({ tookMs }) => tookMs)), 'in time').to.be.below(boundMs);
    for (const { status } of reads) expect(status).to.equal(200);
    expect((await login()).status, 'nothing is left behind').to.equal(200);
  });

  it('reads and counts nothing of what it refuses', async () => {
    const email = await api.register();
    const path = '/api/v1/auth/login';
    const flood = Array.from({ length: 60 }, async () => {
      const { status } = await api.post(path, { email, password: PASSWORD });
      if (status !== 503) throw new Error('served');
    });
    await Promise.any(flood);
    const unreadable = Array.from({ length: 20 }, () =>
      api.send('POST', path, { rawBody: '{', headers: { 'content-type': 'application/json' } }),
    );
    const refused = (await Promise.all(unreadable)).filter(({ status }) => status === 503);
    expect(refused, 'who would read first would say 400').not.to.be.empty;
    for (const { headers } of refused) expect(headers['ratelimit-policy'], 'counted by nobody').to.equal(undefined);
    await Promise.allSettled(flood);
  });
});
