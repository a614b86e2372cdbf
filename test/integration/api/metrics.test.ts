/** What is counted, and what is not. */
import { expect } from 'chai';
import { Api } from '../../support/api.ts';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.ts';

describe('metrics', () => {
  let database: TestDatabase;

  before(async () => {
    database = await createTestDatabase();
  });
  after(() => database?.drop());

  it('count what was answered by method, route and status, and neither probes nor scrapes', async () => {
    const counted = await Api.start({ databaseUrl: database.url });
    await counted.get('/api/health/live');
    await counted.get('/api/health/ready');
    await counted.get('/api/metrics');
    expect(await counted.metric('http_requests_total')).to.equal(0);
    const { accessToken } = await counted.newSession();
    await counted.me(accessToken);
    await counted.get(`/some/${'x'.repeat(50)}`);
    await counted.post('/api/v1/auth/login', { email: 'nobody@example.com', password: 'x' });
    const { text } = await counted.get('/api/metrics');
    expect(text).to.include('http_requests_total{method="GET",route="/api/v1/auth/me",status="200"} 1');
    expect(text).to.include('http_requests_total{method="GET",route="unmatched",status="404"} 1');
    expect(text).to.include(
      'http_request_duration_seconds_count{method="POST",route="/api/v1/auth/login",status_class="4xx"} 1',
    );
    expect(text).to.include('auth_errors_total{error_type="authentication"} 1');
    expect(await counted.metric('auth_login_attempts_total')).to.equal(2);
    expect(await counted.metric('auth_login_successes_total')).to.equal(1);
    expect(await counted.metric('auth_login_failures_total')).to.equal(1);
    await counted.stop();
  });

  it('count what a middleware before the routes answers, as fault images need it', async () => {
    const faulty = await Api.start({
      databaseUrl: database.url,
      beforeRoutes: (request, response, next) => {
        if (request.path === '/api/v1/auth/me') response.status(500).end();
        else next();
      },
    });
    expect((await faulty.get('/api/v1/auth/me')).status).to.equal(500);
    const { text } = await faulty.get('/api/metrics');
    expect(text).to.include('http_requests_total{method="GET",route="/api/v1/auth/me",status="500"} 1');
    await faulty.stop();
  });
});
