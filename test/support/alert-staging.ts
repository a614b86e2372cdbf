/**
 * What the scenes of the alerts' live tests are made of: an API with a database of its own, its users, and how both end. Used by
 * api-alert-scenes.ts.
 */
import { Api, tokensOf } from './api.ts';
import { createTestDatabase, type TestDatabase } from './postgres.ts';
import { type Ending, repeating } from './repeating.ts';

/** An installation that works, until its cause is injected. */
export interface Staged {
  readonly port: number;
  readonly inject: () => Promise<void>;
  readonly stop: () => Promise<void>;
}

/** One user who logs in, asks and refreshes, four times a second. */
export const living = async (api: Api): Promise<Ending> => {
  const email = await api.register();
  let { refreshToken } = await api.login(email);
  return repeating(250, async () => {
    const { accessToken } = await api.login(email);
    await api.me(accessToken);
    ({ refreshToken } = tokensOf(await api.refresh(refreshToken)));
  });
};

export interface WithDatabase {
  readonly database: TestDatabase;
  readonly api: Api;
}

export const withDatabase = async (
  env: Readonly<Record<string, string>> = {},
  redisUrl = '',
): Promise<WithDatabase> => {
  const database = await createTestDatabase();
  return { database, api: await Api.start({ databaseUrl: database.url, redisUrl, env }) };
};

export const ends = ({ api, database }: WithDatabase): readonly Ending[] => [() => api.stop(), () => database.drop()];
