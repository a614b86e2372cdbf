/** The service closed: for maintenance, or with authentication switched off. Both only ever refuse. */
import { expect } from 'chai';
import { Api, type Tokens } from '../../support/api.ts';
import { eventually } from '../../support/eventually.ts';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.ts';

describe('modes', () => {
  let database: TestDatabase;
  let api: Api;
  let session: Tokens;

  before(async () => {
    database = await createTestDatabase();
    api = await Api.start({ databaseUrl: database.url });
    session = await api.newSession();
  });
  after(async () => {
    await api?.stop();
    await database?.drop();
  });

  /** As the owner of the schema does it with SQL when nobody can log in. */
  const set = (key: string, value: unknown) =>
    database.query('SELECT latchkey.put_installation_config($1, $2)', [key, JSON.stringify(value)]);
  const statusOf = async (path: string, body?: unknown) =>
    (await (body === undefined ? api.get(path, { bearer: session.accessToken }) : api.post(path, body))).status;
  const attempt = { email: 'nobody@example.com', password: 'x' };

  it('maintenance refuses with 503 and Retry-After, and loses no session', async () => {
    await set('maintenance_retry_after_seconds', 7);
    await set('maintenance_mode', true);
    await eventually(
      'the mode is followed',
      2_000,
      async () => (await statusOf('/api/v1/auth/login', attempt)) === 503,
    );
    const refused = await api.post('/api/v1/auth/login', attempt);
    expect(refused.body).to.include({ code: 'maintenance', status: 503 });
    expect(refused.headers['retry-after']).to.equal('7');
    expect(await statusOf('/api/v1/users/preferences')).to.equal(503);
    expect(await statusOf('/api/v1/auth/validate')).to.equal(200);
    expect(await statusOf('/api/v1/auth/me')).to.equal(200);
    expect(await statusOf('/api/health/live')).to.equal(200);
    const refreshed = await api.refresh(session.refreshToken);
    expect(refreshed.status).to.equal(200);
    await set('maintenance_mode', false);
    await eventually(
      'the mode is followed',
      2_000,
      async () => (await statusOf('/api/v1/auth/login', attempt)) === 401,
    );
  });

  it('auth-disabled lets nobody through, with or without a session', async () => {
    await set('auth_disabled', true);
    await eventually('the mode is followed', 2_000, async () => (await statusOf('/api/v1/auth/validate')) === 503);
    expect((await api.validate(session.accessToken)).body).to.include({ code: 'auth-disabled' });
    expect((await api.get('/api/v1/auth/me')).status).to.equal(503);
    expect((await api.refresh(session.refreshToken)).status).to.equal(503);
    expect((await api.get('/api/health')).body).to.deep.equal({ status: 'ok', auth: 'disabled' });
    await set('auth_disabled', false);
    await eventually('the mode is followed', 2_000, async () => (await statusOf('/api/v1/auth/validate')) === 200);
  });

  it('a value that is no boolean closes nothing and breaks nothing', async () => {
    await set('maintenance_mode', 'yes');
    await set('auth_disabled', { a: 1 });
    await set('maintenance_retry_after_seconds', -1);
    const second = await Api.start({ databaseUrl: database.url });
    expect((await second.post('/api/v1/auth/login', attempt)).status).to.equal(401);
    await second.stop();
    await set('maintenance_mode', false);
    await set('auth_disabled', false);
  });

  it('what the environment closes, the database does not open', async () => {
    await set('maintenance_mode', false);
    const closed = await Api.start({ databaseUrl: database.url, env: { MAINTENANCE_MODE: 'true' } });
    expect((await closed.post('/api/v1/auth/login', attempt)).body).to.include({ code: 'maintenance' });
    expect((await closed.validate(session.accessToken)).status).to.equal(200);
    await closed.stop();
    const off = await Api.start({ databaseUrl: database.url, env: { DISABLE_AUTH: 'true', MAINTENANCE_MODE: 'true' } });
    expect((await off.validate(session.accessToken)).body).to.include({ code: 'auth-disabled' });
    await off.stop();
  });

  it('a pod that starts during maintenance is closed from its first answer on', async () => {
    await set('maintenance_mode', true);
    const fresh = await Api.start({ databaseUrl: database.url });
    expect((await fresh.post('/api/v1/auth/login', attempt)).status).to.equal(503);
    await fresh.stop();
    await set('maintenance_mode', false);
  });

  it('auth_rollout_percentage is 0 with the flag off, else the percentage; a flag in the database replaces both', async () => {
    const off = await Api.start({
      databaseUrl: database.url,
      env: { AUTH_FEATURE_FLAG_ENABLED: 'false', AUTH_ROLLOUT_PERCENTAGE: '40' },
    });
    expect(await off.metric('auth_rollout_percentage')).to.equal(0);
    const on = await Api.start({ databaseUrl: database.url, env: { AUTH_ROLLOUT_PERCENTAGE: '40' } });
    expect(await on.metric('auth_rollout_percentage')).to.equal(40);
    await database.query("SELECT latchkey.put_installation_flag('auth_rollout', true, 5, NULL)");
    const shown = async () =>
      (await off.metric('auth_rollout_percentage')) + (await on.metric('auth_rollout_percentage'));
    await eventually('both show the flag', 2_000, async () => (await shown()) === 10);
    await Promise.all([off.stop(), on.stop()]);
  });
});
