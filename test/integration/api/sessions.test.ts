/** Refresh, replay, logout and their races, over HTTP, on a real PostgreSQL and Redis, with a clock that the test moves. */
import { expect } from 'chai';
import { type Answer, Api, tokensOf } from '../../support/api.ts';
import { eventually } from '../../support/eventually.ts';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.ts';
import { TestRedis } from '../../support/redis.ts';

const SECOND_MS = 1_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

describe('sessions', () => {
  let database: TestDatabase;
  let redis: TestRedis;
  let api: Api;
  let aheadMs = 0;

  before(async () => {
    [database, redis] = await Promise.all([createTestDatabase(), TestRedis.start()]);
    api = await Api.start({ databaseUrl: database.url, redisUrl: redis.url, nowMs: () => Date.now() + aheadMs });
  });
  beforeEach(() => {
    aheadMs = 0;
  });
  after(async () => {
    await api?.stop();
    await redis?.drop();
    await database?.drop();
  });

  const rowOf = async (sessionId: string) => {
    const [row] = await database.query('SELECT * FROM auth.user_sessions WHERE id = $1', [sessionId]);
    return row ?? {};
  };
  const auditOf = async (sessionId: string) => {
    const rows = await database.query(
      'SELECT event_type FROM auth.audit_events WHERE resource_id = $1 ORDER BY created_at',
      [sessionId],
    );
    return rows.map((row) => row['event_type']);
  };
  const successors = (answers: readonly Answer[]) =>
    new Set(answers.filter((a) => a.status === 200).map((a) => tokensOf(a).refreshToken));

  describe('refresh', () => {
    it('gives a successor that works and an access token that works', async () => {
      const first = await api.newSession();
      const second = tokensOf(await api.refresh(first.refreshToken));
      expect(second.refreshToken).not.to.equal(first.refreshToken);
      expect(second.sessionId).to.equal(first.sessionId);
      expect((await api.me(second.accessToken)).status).to.equal(200);
      expect((await api.refresh(second.refreshToken)).status).to.equal(200);
    });

    it('gives 200 parallel callers of one token one and the same successor', async () => {
      const { refreshToken, sessionId, accessToken } = await api.newSession();
      // Opens the pool's connections first: while they connect, one connection would serve all callers one by one, and race nobody.
      await Promise.all(Array.from({ length: 60 }, () => api.me(accessToken)));
      const answers = await Promise.all(Array.from({ length: 200 }, () => api.refresh(refreshToken)));
      expect(answers.map((answer) => answer.status)).to.deep.equal(Array.from({ length: 200 }, () => 200));
      expect(successors(answers).size).to.equal(1);
      expect(await rowOf(sessionId)).to.include({ refresh_counter: '1', status: 'active' });
    });

    it('repeats the same successor when the reply was lost, up to 30 s later', async () => {
      const { refreshToken } = await api.newSession();
      const first = tokensOf(await api.refresh(refreshToken));
      aheadMs = 29 * SECOND_MS;
      const again = tokensOf(await api.refresh(refreshToken));
      expect(again.refreshToken).to.equal(first.refreshToken);
      expect((await api.refresh(again.refreshToken)).status).to.equal(200);
    });

    it('revokes the session when the parent comes back after the grace, and says so in the audit trail', async () => {
      const { refreshToken, sessionId } = await api.newSession();
      const next = tokensOf(await api.refresh(refreshToken));
      aheadMs = 31 * SECOND_MS;
      const replay = await api.refresh(refreshToken);
      expect(replay.status).to.equal(401);
      expect(replay.body).to.include({ code: 'refresh-token-replayed' });
      expect((await api.refresh(next.refreshToken)).body).to.include({ code: 'session-ended' });
      expect((await api.me(next.accessToken)).body).to.include({ code: 'session-ended' });
      expect(await rowOf(sessionId)).to.include({ status: 'revoked', revoked_reason: 'token-replayed' });
      expect(await auditOf(sessionId)).to.deep.equal(['login_succeeded', 'token_reused']);
    });

    it('revokes the session when a grandparent comes back, even within the grace', async () => {
      const { refreshToken, sessionId } = await api.newSession();
      const second = tokensOf(await api.refresh(refreshToken));
      await api.refresh(second.refreshToken);
      expect((await api.refresh(refreshToken)).body).to.include({ code: 'refresh-token-replayed' });
      expect(await rowOf(sessionId)).to.include({ status: 'revoked' });
    });

    it('slides the expiry by a day, and never beyond a week after the login', async () => {
      let tokens = await api.newSession();
      const startMs = Date.now();
      for (let day = 1; day <= 6; day += 1) {
        aheadMs = day * 23 * HOUR_MS;
        const answer = await api.refresh(tokens.refreshToken);
        expect(answer.status, `day ${day}`).to.equal(200);
        tokens = tokensOf(answer);
      }
      aheadMs = 6.9 * DAY_MS;
      const last = await api.refresh(tokensOf(await refreshAt(tokens.refreshToken, 6.5 * DAY_MS)).refreshToken);
      const endMs = Date.parse(String(last.body['sessionExpiresAt']));
      expect(endMs).to.be.closeTo(startMs + 7 * DAY_MS, 60 * SECOND_MS);
      aheadMs = 7 * DAY_MS + 60 * SECOND_MS;
      expect((await api.refresh(tokensOf(last).refreshToken)).body).to.include({ code: 'session-ended' });
    });

    const refreshAt = (refreshToken: string, atMs: number): Promise<Answer> => {
      aheadMs = atMs;
      return api.refresh(refreshToken);
    };

    it('ends a session that was not used for a day, counts it once, and raises no data-loss signal', async () => {
      const before = await api.metric('auth_session_expirations_total');
      const { refreshToken, sessionId } = await api.newSession();
      aheadMs = DAY_MS + SECOND_MS;
      expect((await api.refresh(refreshToken)).body).to.include({ code: 'session-ended' });
      expect((await api.refresh(refreshToken)).body).to.include({ code: 'session-ended' });
      expect(await rowOf(sessionId)).to.include({ status: 'expired' });
      expect((await api.metric('auth_session_expirations_total')) - before).to.equal(1);
      expect(await api.metric('auth_data_loss_signals_total')).to.equal(0);
    });

    it('refuses what it did not mint, in every part of the token, without a query', async () => {
      const { refreshToken } = await api.newSession();
      const parts = refreshToken.split('.');
      const forged = parts.map((part, index) =>
        parts.map((p, i) => (i === index ? `${part.slice(0, -1)}${part.endsWith('A') ? 'B' : 'A'}` : p)).join('.'),
      );
      for (const token of [...forged, `${refreshToken}=`, refreshToken.toUpperCase(), 'x']) {
        const answer = await api.refresh(token);
        expect([answer.status, answer.body['code']], token).to.deep.equal([401, 'refresh-token-invalid']);
      }
      expect(await api.metric('auth_data_loss_signals_total')).to.equal(0);
    });

    it('never sets or clears a cookie, whoever wins', async () => {
      const { refreshToken } = await api.newSession();
      const answers = await Promise.all(Array.from({ length: 10 }, () => api.refresh(refreshToken)));
      answers.push(await api.refresh('x'));
      expect(answers.flatMap((answer) => answer.headers['set-cookie'] ?? [])).to.deep.equal([]);
    });

    it('ends with the account: a disabled one gets no successor', async () => {
      const { refreshToken, sessionId, accessToken } = await api.newSession();
      await database.query(
        'UPDATE auth.users_extended SET is_active = false WHERE id = (SELECT user_id FROM auth.user_sessions WHERE id = $1)',
        [sessionId],
      );
      expect((await api.refresh(refreshToken)).body).to.include({ code: 'session-ended' });
      expect((await api.me(accessToken)).body).to.include({ code: 'session-ended' });
    });
  });

  describe('logout', () => {
    it('ends access and refresh at once, and a second one changes nothing', async () => {
      const tokens = await api.newSession();
      expect((await api.validate(tokens.accessToken)).status).to.equal(200);
      const answer = await api.send('POST', '/api/v1/auth/logout', { bearer: tokens.accessToken });
      expect([answer.status, answer.text]).to.deep.equal([204, '']);
      expect((await api.validate(tokens.accessToken)).body).to.include({ code: 'session-ended' });
      expect((await api.me(tokens.accessToken)).body).to.include({ code: 'session-ended' });
      expect((await api.refresh(tokens.refreshToken)).body).to.include({ code: 'session-ended' });
      expect((await api.post('/api/v1/auth/logout', { refreshToken: tokens.refreshToken })).status).to.equal(204);
      expect(await auditOf(tokens.sessionId)).to.deep.equal(['login_succeeded', 'logout']);
      expect(await api.metric('auth_data_loss_signals_total')).to.equal(0);
    });

    it('works with a refresh token when the access token has expired', async () => {
      const tokens = await api.newSession();
      aheadMs = HOUR_MS;
      expect((await api.me(tokens.accessToken)).body).to.include({ code: 'access-token-expired' });
      expect((await api.post('/api/v1/auth/logout', { refreshToken: tokens.refreshToken })).status).to.equal(204);
      expect((await api.refresh(tokens.refreshToken)).body).to.include({ code: 'session-ended' });
    });

    it('wins every race with a refresh: no token of the session lives afterwards', async () => {
      for (let round = 0; round < 40; round += 1) {
        const tokens = await api.newSession();
        const [refreshed] = await Promise.all([
          api.refresh(tokens.refreshToken),
          api.send('POST', '/api/v1/auth/logout', { bearer: tokens.accessToken }),
        ]);
        const late = refreshed.status === 200 ? tokensOf(refreshed) : tokens;
        const [access, refresh] = await Promise.all([api.validate(late.accessToken), api.refresh(late.refreshToken)]);
        expect([access.status, refresh.status], `round ${round}`).to.deep.equal([401, 401]);
      }
    });
  });

  describe('a database that lost writes', () => {
    it('raises the signal for a live session whose row is missing', async () => {
      const before = await api.metric('auth_data_loss_signals_total');
      const { refreshToken, sessionId } = await api.newSession();
      await database.query('DELETE FROM auth.user_sessions WHERE id = $1', [sessionId]);
      expect((await api.refresh(refreshToken)).body).to.include({ code: 'session-unknown' });
      expect((await api.metric('auth_data_loss_signals_total')) - before).to.equal(1);
    });

    it('raises it for a counter that the database has never seen', async () => {
      const before = await api.metric('auth_data_loss_signals_total');
      const { refreshToken, sessionId } = await api.newSession();
      const next = tokensOf(await api.refresh(refreshToken));
      await database.query('UPDATE auth.user_sessions SET refresh_counter = 0 WHERE id = $1', [sessionId]);
      expect((await api.refresh(next.refreshToken)).body).to.include({ code: 'session-unknown' });
      expect((await api.metric('auth_data_loss_signals_total')) - before).to.equal(1);
    });

    it('stays silent when a row is gone whose session is over anyway', async () => {
      const before = await api.metric('auth_data_loss_signals_total');
      const { refreshToken, sessionId } = await api.newSession();
      await database.query('DELETE FROM auth.user_sessions WHERE id = $1', [sessionId]);
      aheadMs = 7 * DAY_MS + SECOND_MS;
      expect((await api.refresh(refreshToken)).body).to.include({ code: 'session-ended' });
      expect(await api.metric('auth_data_loss_signals_total')).to.equal(before);
    });
  });

  it('shows how many sessions live, without the ended ones, and without asking at the scrape', async () => {
    const other = await createTestDatabase();
    const alone = await Api.start({ databaseUrl: other.url });
    const kept = await alone.newSession();
    await alone.send('POST', '/api/v1/auth/logout', { bearer: (await alone.newSession()).accessToken });
    await alone.stop();
    const next = await Api.start({ databaseUrl: other.url });
    await eventually(
      'the gauge is refreshed',
      5_000,
      async () => (await next.metric('auth_active_sessions_total')) === 1,
    );
    expect((await next.validate(kept.accessToken)).status).to.equal(200);
    await next.stop();
    await other.drop();
  });
});
