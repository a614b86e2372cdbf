/** The scenes of api-alert-scenes.ts in which sessions end by themselves, or are gone. */
import { createRefreshTokens } from '../../api/src/crypto/refresh-token.ts';
import { ends, type Staged, withDatabase } from './alert-staging.ts';
import { PASSWORD, TEST_KEYS } from './api.ts';
import { Pod } from './api-process.ts';
import { createTestDatabase, type TestDatabase } from './postgres.ts';
import { type Ending, endingAll, repeating } from './repeating.ts';

export const podEnv = (database: TestDatabase): Readonly<Record<string, string>> => ({
  DATABASE_URL: database.url,
  APP_ENV: 'development',
  LOG_LEVEL: 'silent',
  EMAIL_VERIFICATION: 'optional',
  RATE_LIMIT_PER_MINUTE: '1000000',
});

/** Refresh tokens of as many sessions of one account, all past their time. */
const staleTokens = async (pod: Pod, database: TestDatabase, count: number): Promise<string[]> => {
  const body = { email: 'stale@example.com', password: PASSWORD };
  await pod.ask({ method: 'POST', path: '/api/v1/auth/register', body });
  const { refreshToken } = (await pod.ask({ method: 'POST', path: '/api/v1/auth/login', body })).body;
  const tokens = createRefreshTokens(Buffer.from(TEST_KEYS.REFRESH_TOKEN_KEY, 'base64'));
  const parts = tokens.read(String(refreshToken));
  if (parts === undefined) throw new Error(`no refresh token: ${String(refreshToken)}`);
  const rows = await database.query(
    `INSERT INTO auth.user_sessions SELECT copy.* FROM auth.user_sessions AS s, generate_series(1, $2::int) AS n,
       LATERAL jsonb_populate_record(s, jsonb_build_object(
         'id', gen_random_uuid(), 'user_agent', n::text, 'expires_at', now() - interval '1 minute')) AS copy
     WHERE s.id = $1 RETURNING id`,
    [parts.sessionId, count],
  );
  return rows.map(({ id }) => tokens.mint({ ...parts, sessionId: String(id) }));
};

export const sessionsRunOut = async (): Promise<Staged> => {
  const database = await createTestDatabase();
  const pod = await Pod.start(podEnv(database));
  const tokens = await staleTokens(pod, database, 8_000);
  const refresh = (refreshToken: string) =>
    pod.ask({ method: 'POST', path: '/api/v1/auth/refresh', body: { refreshToken } });
  const loads: Ending[] = [];
  return {
    port: pod.port,
    inject: async () => {
      loads.push(repeating(50, () => Promise.allSettled(tokens.splice(0, 10).map(refresh))));
    },
    stop: () =>
      endingAll(
        ...loads,
        () => pod.kill(),
        () => database.drop(),
      )(),
  };
};

export const sessionsLost = async (): Promise<Staged> => {
  const parts = await withDatabase();
  const { api, database } = parts;
  const { refreshToken, sessionId } = await api.newSession();
  return {
    port: api.port,
    inject: async () => {
      await database.query('DELETE FROM auth.user_sessions WHERE id = $1', [sessionId]);
      await api.refresh(refreshToken);
    },
    stop: endingAll(...ends(parts)),
  };
};
