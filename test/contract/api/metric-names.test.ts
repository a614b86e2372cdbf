/** The metric names that the operator's queries, the alerts and the dashboards rely on: written in one file, shown from the first scrape. */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { METRICS } from '../../../api/src/cli/monitor/metric-names.ts';
import { createMetrics } from '../../../api/src/metrics.ts';

const SOURCE = fileURLToPath(new URL('../../../api/src/', import.meta.url));
const BOUNDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2.5, 5, 10];

const WITHOUT_LABELS = [
  'auth_login_attempts_total',
  'auth_login_successes_total',
  'auth_login_failures_total',
  'auth_db_connection_errors_total',
  'auth_db_query_errors_total',
  'auth_session_expirations_total',
  'auth_rate_limit_exceeded_total',
  'auth_active_sessions_total',
  'auth_db_connections_active',
  'auth_db_connections_idle',
  'auth_db_connections_waiting',
  'auth_rollout_percentage',
  'auth_data_loss_signals_total',
  'auth_account_lockouts_total',
  'auth_user_complaints_total',
  'auth_db_breaker_state',
  'auth_redis_connection_losses_total',
];
const HISTOGRAMS = ['auth_login_duration_seconds', 'auth_db_query_duration_seconds'];
const WITH_LABELS = ['http_requests_total', 'http_request_duration_seconds', 'auth_errors_total'];

describe('metric names', () => {
  it('without labels are shown with 0 from the first scrape', async () => {
    const text = await createMetrics().registry.metrics();
    for (const name of WITHOUT_LABELS) expect(text.split('\n'), name).to.include(`${name} 0`);
    for (const name of HISTOGRAMS) expect(text.split('\n'), name).to.include(`${name}_count 0`);
    for (const name of WITH_LABELS) expect(text, name).to.include(`# TYPE ${name} `);
  });

  it('of histograms have the limits of the matrix as bucket bounds', async () => {
    const metrics = createMetrics();
    metrics.http.requestDuration.observe({ method: 'GET', route: '/', status_class: '2xx' }, 0.25);
    const text = await metrics.registry.metrics();
    for (const name of [...HISTOGRAMS, 'http_request_duration_seconds']) {
      const bounds = [...text.matchAll(new RegExp(`^${name}_bucket\\{le="([^"]+)"`, 'gm'))].map(([, bound]) => bound);
      expect(bounds, name).to.deep.equal([...BOUNDS.map(String), '+Inf']);
    }
  });

  it('have the labels that queries select by', async () => {
    const metrics = createMetrics();
    metrics.http.requests.inc({ method: 'GET', route: '/api/health', status: 503 });
    metrics.auth.errors.inc({ error_type: 'database' });
    const text = await metrics.registry.metrics();
    expect(text).to.include('http_requests_total{method="GET",route="/api/health",status="503"} 1');
    expect(text).to.include('auth_errors_total{error_type="database"} 1');
  });

  it('that the command line reads are those that the service shows', async () => {
    const text = await createMetrics().registry.metrics();
    for (const name of Object.values(METRICS)) expect(text, name).to.include(`# TYPE ${name} `);
  });

  it('are written where they are shown and where they are read, and nowhere else in the api', () => {
    const pattern = /\b(auth|http)_[a-z_]+_(total|seconds|percentage|active|idle|waiting)\b/;
    const files = readdirSync(SOURCE, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
      .filter((entry) => pattern.test(readFileSync(`${entry.parentPath}/${entry.name}`, 'utf8')))
      .map((entry) => entry.name);
    expect(files).to.have.members(['metrics.ts', 'metric-names.ts']);
  });
});
