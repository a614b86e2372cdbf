/** Without PostgreSQL nothing can be true: 503 with Retry-After at once, and everything again when it is back. */
import { expect } from 'chai';
import { migrate, withOwner } from '../../../api/src/db/migrate.ts';
import { startEmbeddedPostgres } from '../../../api/src/embedded/postgres.ts';
import { Api } from '../../support/api.ts';
import { eventually } from '../../support/eventually.ts';
import { ownDatabase, startTestServer, type TestServer } from '../../support/postgres.ts';

describe('without the database', () => {
  let postgres: TestServer;
  let api: Api;

  before(async () => {
    postgres = await startTestServer();
    api = await Api.start({ databaseUrl: (await ownDatabase(postgres.server)).url });
  });
  after(async () => {
    await api?.stop();
    await postgres?.stop();
  });

  it('every endpoint that needs it answers 503 with Retry-After, ready too, live does not, and all recover by themselves', async () => {
    const email = await api.register();
    const { accessToken, refreshToken } = await api.login(email);
    await postgres.server.stop();

    const answers = await Promise.all([
      api.post('/api/v1/auth/login', { email, password: 'Correct-Horse-9-Staple' }),
      api.post('/api/v1/auth/register', { email: 'x@example.com', password: 'Correct-Horse-9-Staple' }),
      api.refresh(refreshToken),
      api.me(accessToken),
      api.validate(accessToken),
    ]);
    expect(answers.map((a) => [a.status, a.body['code'], a.headers['retry-after']])).to.deep.equal(
      answers.map(() => [503, 'database-unavailable', '2']),
    );
    await eventually('ready says 503', 3_000, async () => (await api.get('/api/health/ready')).status === 503);
    expect((await api.get('/api/health/ready')).body).to.deep.include({ status: 'unavailable' });
    expect((await api.get('/api/health/live')).status).to.equal(200);
    expect((await api.get('/api/metrics')).status).to.equal(200);
    expect(await api.metric('auth_db_connection_errors_total')).to.be.greaterThanOrEqual(5);

    const again = await startEmbeddedPostgres({
      dataFolder: postgres.dataFolder,
      password: 'test',
      port: postgres.server.port,
    });
    await eventually('ready again', 10_000, async () => (await api.get('/api/health/ready')).status === 200);
    expect((await api.me(accessToken)).status).to.equal(200);
    expect((await api.refresh(refreshToken)).status).to.equal(200);
    await again.stop();
  });
});

describe('an api that is started before its database', () => {
  it('lives, is not ready while the schema is missing, and becomes ready when it is migrated', async () => {
    const postgres = await startTestServer();
    const { url } = postgres.server;
    await withOwner(url, (client) => client.query("CREATE ROLE early LOGIN PASSWORD 'test'"));
    const api = await Api.start({ databaseUrl: url.replace('//postgres:', '//early:') });
    try {
      expect((await api.get('/api/health/live')).status).to.equal(200);
      const early = await api.get('/api/health/ready');
      expect([early.status, early.body['checks']]).to.deep.equal([503, { database: 'no-schema', redis: 'unused' }]);
      await withOwner(url, async (client) => {
        await migrate(client);
        await client.query('GRANT latchkey_app TO early');
      });
      await eventually('ready', 5_000, async () => (await api.get('/api/health/ready')).status === 200);
      await api.newSession();
    } finally {
      await api.stop();
      await postgres.stop();
    }
  });

  it('does not start with a role that sees every tenant', async () => {
    const postgres = await startTestServer();
    try {
      const refusal = await Api.start({ databaseUrl: postgres.server.url }).catch((error: unknown) => error);
      expect(refusal).to.have.property('code', 'config-invalid');
    } finally {
      await postgres.stop();
    }
  });
});
