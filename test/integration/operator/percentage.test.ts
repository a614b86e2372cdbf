/** The API's flag and metric follow the weight: the real operator on a real apiserver, the real API on a real PostgreSQL. */
import { expect } from 'chai';
import { z } from 'zod';
import { Api } from '../../support/api.ts';
import { eventually } from '../../support/eventually.ts';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.ts';
import { Scene } from '../../support/rollout-scene.ts';

const METRIC = 'auth_rollout_percentage';

describe('the rollout percentage', function () {
  this.timeout(120_000);
  let database: TestDatabase;
  let api: Api | undefined;

  before(async () => {
    database = await createTestDatabase();
  });
  afterEach(async () => {
    await api?.stop();
    api = undefined;
  });
  after(() => database?.drop());

  it('is the weight, step by step, in the API’s metric and its flag; 100 once promoted; the ceiling while one is set', async () => {
    const scene = await Scene.create({
      schedule: [25, 50, 100].map((weight) => ({ weight, hold: '4s', checkEvery: '1s' })),
    });
    const url = `${await scene.operator().address()}/rollouts/${scene.namespace}/auth-api/percentage`;
    const env = { AUTH_ROLLOUT_URL: url, AUTH_ROLLOUT_PERCENTAGE: '7' };
    api = await Api.start({ databaseUrl: database.url, env });
    const followed = (percentage: number, withinMs = 10_000): Promise<unknown> =>
      eventually(`${METRIC} is ${percentage}`, withinMs, async () => (await api?.metric(METRIC)) === percentage);
    await followed(100, 60_000); // adopted
    await scene.patchRollout({ spec: { maxWeight: 25 } });
    await scene.release('v2');
    await followed(25, 30_000);
    await scene.patchRollout({ spec: { maxWeight: 0 } });
    await followed(0);
    const { accessToken } = await api.newSession();
    const flag = async (): Promise<unknown> => {
      const { body } = (await api?.get('/api/v1/feature-flags', { bearer: accessToken })) ?? {};
      return z.object({ flags: z.object({ auth_rollout: z.boolean() }) }).parse(body).flags.auth_rollout;
    };
    expect(await flag()).to.equal(false);
    await scene.patchRollout({ spec: { maxWeight: null } });
    await followed(50, 30_000);
    await followed(100, 30_000);
    expect(await flag()).to.equal(true);
  });
});
