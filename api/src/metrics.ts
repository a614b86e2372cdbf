/**
 * Every metric of the API; the names are the runbook's and the operator's contract (docs/architecture.md). Made by main.ts; http/guard.ts,
 * services and db count, routes/health.ts shows. No scrape touches the database: gauges are set by metrics-refresh.ts in the background.
 */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

/** The matrix' limits (0.2, 0.3, 0.5 s) are bucket bounds, so a share above a limit is read, never interpolated. */
const BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2.5, 5, 10];

const httpMetrics = (registers: Registry[]) => ({
  requests: new Counter({
    name: 'http_requests_total',
    help: 'Answered requests, without probes and scrapes',
    labelNames: ['method', 'route', 'status'] as const,
    registers,
  }),
  requestDuration: new Histogram({
    name: 'http_request_duration_seconds',
    help: 'Time to answer',
    labelNames: ['method', 'route', 'status_class'] as const,
    buckets: BUCKETS,
    registers,
  }),
});

const authMetrics = (registers: Registry[]) => ({
  loginAttempts: new Counter({
    name: 'auth_login_attempts_total',
    help: 'Logins tried: successes + failures',
    registers,
  }),
  loginSuccesses: new Counter({ name: 'auth_login_successes_total', help: 'Logins that got a session', registers }),
  loginFailures: new Counter({
    name: 'auth_login_failures_total',
    help: 'Logins that got none, for whatever reason',
    registers,
  }),
  loginDuration: new Histogram({
    name: 'auth_login_duration_seconds',
    help: 'Time to log in',
    buckets: BUCKETS,
    registers,
  }),
  errors: new Counter({
    name: 'auth_errors_total',
    help: 'Refusals and errors by kind (errors.ts)',
    labelNames: ['error_type'] as const,
    registers,
  }),
  sessionExpirations: new Counter({
    name: 'auth_session_expirations_total',
    help: 'Sessions found past their time',
    registers,
  }),
  rateLimitExceeded: new Counter({
    name: 'auth_rate_limit_exceeded_total',
    help: 'Requests refused with 429',
    registers,
  }),
  dataLossSignals: new Counter({
    name: 'auth_data_loss_signals_total',
    help: 'Refresh tokens with a valid MAC that the database has forgotten: it lost writes',
    registers,
  }),
  userComplaints: new Counter({
    name: 'auth_user_complaints_total',
    help: 'Complaints that users reported',
    registers,
  }),
  activeSessions: new Gauge({
    name: 'auth_active_sessions_total',
    help: 'Live sessions of the whole installation',
    registers,
  }),
  rolloutPercentage: new Gauge({
    name: 'auth_rollout_percentage',
    help: 'Configured share of users, 0 to 100',
    registers,
  }),
});

const databaseMetrics = (registers: Registry[]) => ({
  connectionErrors: new Counter({
    name: 'auth_db_connection_errors_total',
    help: 'Database could not be reached',
    registers,
  }),
  queryErrors: new Counter({ name: 'auth_db_query_errors_total', help: 'Statements that failed', registers }),
  queryDuration: new Histogram({
    name: 'auth_db_query_duration_seconds',
    help: 'Time of a transaction',
    buckets: BUCKETS,
    registers,
  }),
  connectionsActive: new Gauge({ name: 'auth_db_connections_active', help: 'Connections in use', registers }),
  connectionsIdle: new Gauge({ name: 'auth_db_connections_idle', help: 'Connections at rest', registers }),
  connectionsWaiting: new Gauge({
    name: 'auth_db_connections_waiting',
    help: 'Requests that wait for a connection',
    registers,
  }),
});

export interface Metrics {
  readonly registry: Registry;
  readonly http: ReturnType<typeof httpMetrics>;
  readonly auth: ReturnType<typeof authMetrics>;
  readonly database: ReturnType<typeof databaseMetrics>;
}

export const createMetrics = (): Metrics => {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  return {
    registry,
    http: httpMetrics([registry]),
    auth: authMetrics([registry]),
    database: databaseMetrics([registry]),
  };
};
