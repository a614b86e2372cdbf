/**
 * Two pods on one database, killed and started again, a Redis that dies and comes back empty, answers that are lost, connections that are cut,
 * two tabs that refresh at once: nobody is logged out, and no token ever has two successors. 100,000 refreshes with TEST_LONG=1.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { PASSWORD } from '../../support/api.ts';
import { Pod, type PodAnswer } from '../../support/api-process.ts';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.ts';
import { TestRedis } from '../../support/redis.ts';

const IS_LONG = process.env['TEST_LONG'] === '1';
const REFRESHES = IS_LONG ? 100_000 : 3_000;
const SESSIONS = IS_LONG ? 600 : 200;
const WORKERS = 24;
/** A client refreshes when its access token ends, not twice in a second: what is still under way must not meet the round after the next. */
const ROUND_MS = 1_200;

interface Client {
  readonly sessionId: string;
  token: string;
  round: number;
  readyAtMs: number;
}

describe('refresh under fire', function () {
  this.timeout(IS_LONG ? 60 * 60_000 : 240_000);
  let database: TestDatabase;
  let redis: TestRedis;
  let pods: readonly Pod[];
  const clients: Client[] = [];
  const spurious: string[] = [];
  const doubles: string[] = [];
  const seen = { answered: 0, lost: 0, cut: 0, broken: 0, podKills: 0, redisKills: 0 };

  before(async () => {
    [database, redis] = await Promise.all([createTestDatabase(), TestRedis.start()]);
    const env = {
      DATABASE_URL: database.url,
      REDIS_URL: redis.url,
      APP_ENV: 'development',
      BCRYPT_COST: '4',
      LOG_LEVEL: 'silent',
      EMAIL_VERIFICATION: 'optional',
      SHUTDOWN_GRACE_SECONDS: '1',
      RATE_LIMIT_PER_MINUTE: '10000000',
      LOCKOUT_BACKOFF_MS: '0',
    };
    pods = await Promise.all([Pod.start(env), Pod.start(env)]);
    const credentials = { email: 'everywhere@example.com', password: PASSWORD };
    await pods[0]?.ask({ method: 'POST', path: '/api/v1/auth/register', body: credentials });
    for (let index = 0; index < SESSIONS; index += 1) {
      const answer = await podOf(index).ask({ method: 'POST', path: '/api/v1/auth/login', body: credentials });
      expect(answer.status, JSON.stringify(answer.body)).to.equal(200);
      clients.push({
        sessionId: textOf(answer, 'sessionId'),
        token: textOf(answer, 'refreshToken'),
        round: 0,
        readyAtMs: 0,
      });
    }
  });
  after(async () => {
    await Promise.all((pods ?? []).map((pod) => pod.kill()));
    await redis?.drop();
    await database?.drop();
  });

  const podOf = (index: number): Pod => {
    const pod = pods[index % pods.length];
    if (pod === undefined) throw new Error('no pod');
    return pod;
  };
  const textOf = ({ body }: PodAnswer, field: string): string => {
    const value = body[field];
    if (typeof value !== 'string') throw new Error(`no ${field} in ${JSON.stringify(body)}`);
    return value;
  };

  /** What one tab gets for the token in the end; undefined when it is told that the session is over. */
  const refresh = async (token: string): Promise<string | undefined> => {
    for (;;) {
      const luck = Math.random();
      const isCut = luck < 0.04;
      const isLost = luck > 0.94;
      const request = { method: 'POST', path: '/api/v1/auth/refresh', body: { refreshToken: token } } as const;
      const pod = podOf(Math.floor(Math.random() * pods.length));
      const answer = await pod
        .ask({ ...request, ...(isCut && { cutAfterMs: Math.random() * 15 }) })
        .catch(() => undefined);
      if (answer !== undefined) seen.answered += 1;
      if (isCut || answer === undefined || answer.status >= 500) {
        seen[isCut ? 'cut' : 'broken'] += 1;
        await sleep(20 + Math.random() * 150);
      } else if (isLost) seen.lost += 1;
      else if (answer.status === 200) return textOf(answer, 'refreshToken');
      else {
        spurious.push(`${answer.status} ${String(answer.body['code'])}`);
        return undefined;
      }
    }
  };

  const playRound = async (client: Client): Promise<void> => {
    const tabs = Math.random() < 0.4 ? 2 : 1;
    const got = await Promise.all(Array.from({ length: tabs }, () => refresh(client.token)));
    const successors = new Set(got.filter((token) => token !== undefined));
    if (successors.size > 1) doubles.push(client.sessionId);
    const [next] = successors;
    if (next !== undefined) {
      client.token = next;
      client.round += 1;
    }
    client.readyAtMs = performance.now() + ROUND_MS;
  };

  const work = async (): Promise<void> => {
    while (seen.answered < REFRESHES && spurious.length === 0) {
      const client = clients.shift();
      if (client === undefined) {
        await sleep(20);
        continue;
      }
      const waitMs = client.readyAtMs - performance.now();
      if (waitMs > 0) await sleep(waitMs);
      await playRound(client);
      clients.push(client);
    }
  };

  /** Until told otherwise: kills, waits, starts again. */
  const disturb = async (
    signal: AbortSignal,
    everyMs: number,
    strike: (turn: number) => Promise<void>,
  ): Promise<void> => {
    for (let turn = 0; !signal.aborted; turn += 1) {
      await sleep(everyMs * (0.6 + Math.random() * 0.8), undefined, { signal }).catch(() => undefined);
      if (!signal.aborted) await strike(turn);
    }
  };

  it(`${REFRESHES.toLocaleString('en')} refreshes give no spurious logout and no double successor`, async () => {
    const over = new AbortController();
    const startedMs = performance.now();
    const disturbances = [
      disturb(over.signal, 3_000, async (turn) => {
        seen.podKills += 1;
        await podOf(turn).kill();
        await podOf(turn).start();
      }),
      disturb(over.signal, 4_000, async () => {
        seen.redisKills += 1;
        await redis.kill();
        await redis.start();
      }),
    ];
    await Promise.all(Array.from({ length: WORKERS }, work));
    over.abort();
    await Promise.all(disturbances);
    if (IS_LONG) console.info(JSON.stringify({ ...seen, seconds: Math.round((performance.now() - startedMs) / 1000) }));

    expect(spurious).to.deep.equal([]);
    expect(doubles).to.deep.equal([]);
    expect(seen.podKills, 'pods were killed').to.be.greaterThan(0);
    expect(seen.redisKills, 'redis was killed').to.be.greaterThan(0);
    const rows = await database.query('SELECT id, status, refresh_counter::int AS counter FROM auth.user_sessions');
    const stored = new Map(rows.map((row) => [row['id'], row]));
    for (const { sessionId, round } of clients) {
      expect(stored.get(sessionId), 'each round was one rotation').to.include({ status: 'active', counter: round });
    }
  });
});
