/**
 * Every metric of the API; the names are the runbook's and the operator's contract (docs/architecture.md). Made by main.ts; http/guard.ts,
 * services and db count, routes/health.ts shows. No scrape touches the database: gauges are set by metrics-refresh.ts in the background.
 */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

/** The matrix' limits (0.2, 0.3, 0.5 s) are bucket bounds, so a share above a limit is read, never interpolated. */
const BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2.5, 5, 10];

const httpMetrics = (registers: Registry[]) => {
  const requests = new Counter({
    name: 'http_requests_total',
    help: 'Answered requests, without probes and scrapes',
    labelNames: ['method', 'route', 'status'] as const,
    registers,
  });
  const requestDuration = new Histogram({
    name: 'http_request_duration_seconds',
    help: 'Time to answer',
    labelNames: ['method', 'route', 'status_class'] as const,
    buckets: BUCKETS,
    registers,
  });
  const seriesOf = (method: string, route: string, status: number) => ({
    requests: requests.labels({ method, route, status }),
    durations: requestDuration.labels({ method, route, status_class: `${Math.floor(status / 100)}xx` }),
  });
  /** As many as there are series: methods, routes and statuses are all bounded. */
  const known = new Map<string, ReturnType<typeof seriesOf>>();
  return {
    requests,
    requestDuration,
    /** One answer, in both. Finding the series by its labels costs more than counting. */
    answered: (method: string, route: string, status: number, seconds: number): void => {
      const key = `${status} ${method} ${route}`;
      let series = known.get(key);
      if (series === undefined) {
        series = seriesOf(method, route, status);
        known.set(key, series);
      }
      series.requests.inc();
      series.durations.observe(seconds);
    },
  };
};

const counter = (registers: Registry[], name: string, help: string) => new Counter({ name, help, registers });
const gauge = (registers: Registry[], name: string, help: string) => new Gauge({ name, help, registers });
const histogram = (registers: Registry[], name: string, help: string) =>
  new Histogram({ name, help, buckets: BUCKETS, registers });

/** How late a revocation could be seen here, at the worst, if this process asked nobody else; beyond 0.8 it does (cache/liveness.ts). */
const revocationMetrics = (registers: Registry[]) => {
  let readHeardUntilMs = (): number => performance.now();
  const revocationStaleness = new Gauge({
    name: 'auth_revocation_staleness_seconds',
    help: 'Since when revocations have not been heard; above 0.8, sessions are checked in the database',
    registers,
    collect() {
      this.set((performance.now() - readHeardUntilMs()) / 1000);
    },
  });
  return {
    revocationStaleness,
    watchRevocations: (read: () => number): void => {
      readHeardUntilMs = read;
    },
  };
};

const authMetrics = (registers: Registry[]) => ({
  ...revocationMetrics(registers),
  loginAttempts: counter(registers, 'auth_login_attempts_total', 'Logins tried: successes + failures'),
  loginSuccesses: counter(registers, 'auth_login_successes_total', 'Logins that got a session'),
  loginFailures: counter(registers, 'auth_login_failures_total', 'Logins that got none, for whatever reason'),
  loginDuration: histogram(registers, 'auth_login_duration_seconds', 'Time to log in'),
  errors: new Counter({
    name: 'auth_errors_total',
    help: 'Refusals and errors by kind (errors.ts)',
    labelNames: ['error_type'] as const,
    registers,
  }),
  sessionExpirations: counter(registers, 'auth_session_expirations_total', 'Sessions found past their time'),
  rateLimitExceeded: counter(registers, 'auth_rate_limit_exceeded_total', 'Requests refused with 429'),
  accountLockouts: counter(registers, 'auth_account_lockouts_total', 'Attempt budgets that closed: too many failures'),
  dataLossSignals: counter(
    registers,
    'auth_data_loss_signals_total',
    'Refresh tokens with a valid MAC that the database has forgotten: it lost writes',
  ),
  userComplaints: counter(registers, 'auth_user_complaints_total', 'Complaints that users reported'),
  activeSessions: gauge(registers, 'auth_active_sessions_total', 'Live sessions of the whole installation'),
  rolloutPercentage: gauge(registers, 'auth_rollout_percentage', 'Configured share of users, 0 to 100'),
});

const mailMetrics = (registers: Registry[]) => ({
  sent: counter(registers, 'auth_email_sent_total', 'Mails that the mail server took'),
  failed: counter(registers, 'auth_email_failed_total', 'Attempts to send that failed; most are tried again'),
  givenUp: counter(
    registers,
    'auth_email_given_up_total',
    'Mails that nobody will get: refused for good, or after 24 h',
  ),
  waiting: gauge(registers, 'auth_email_waiting', 'Mails of the whole installation that wait'),
});

export interface PoolState {
  readonly active: number;
  readonly idle: number;
  readonly waiting: number;
}

const BREAKER_LEVEL = { closed: 0, 'half-open': 1, open: 2 } as const;

/** A gauge that asks at the scrape; returns the function that says whom to ask. */
const watchedGauge = (registers: Registry[], name: string, help: string, initial = 0) => {
  let read = (): number => initial;
  const shown = new Gauge({
    name,
    help,
    registers,
    collect() {
      shown.set(read());
    },
  });
  return (next: () => number): void => {
    read = next;
  };
};

const redisMetrics = (registers: Registry[]) => ({
  watch: watchedGauge(
    registers,
    'auth_redis_up',
    '1: Redis answers; 0: it is away and the process does without; -1: none is configured',
    -1,
  ),
  lost: counter(registers, 'auth_redis_connection_losses_total', 'Times that Redis went away'),
});

const breakerMetrics = (registers: Registry[]) => {
  const watch = watchedGauge(
    registers,
    'auth_db_breaker_state',
    '0: the database is asked; 1: one transaction may try; 2: it is left alone',
  );
  return { watch: (read: () => keyof typeof BREAKER_LEVEL): void => watch(() => BREAKER_LEVEL[read()]) };
};

const databaseMetrics = (registers: Registry[]) => {
  let readPool = (): PoolState => ({ active: 0, idle: 0, waiting: 0 });
  // Read from the pool's own counters at the scrape: no query, no staleness.
  const poolGauge = (name: string, help: string, pick: (state: PoolState) => number) =>
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(pick(readPool()));
      },
    });
  return {
    connectionsActive: poolGauge('auth_db_connections_active', 'Connections in use', ({ active }) => active),
    connectionsIdle: poolGauge('auth_db_connections_idle', 'Connections at rest', ({ idle }) => idle),
    connectionsWaiting: poolGauge(
      'auth_db_connections_waiting',
      'Requests that wait for a connection',
      ({ waiting }) => waiting,
    ),
    connectionErrors: counter(registers, 'auth_db_connection_errors_total', 'Database could not be reached'),
    queryErrors: counter(registers, 'auth_db_query_errors_total', 'Statements that failed'),
    queryDuration: histogram(
      registers,
      'auth_db_query_duration_seconds',
      'Time of a transaction, waiting for a connection included',
    ),
    watchPool: (read: () => PoolState): void => {
      readPool = read;
    },
  };
};

const LEVEL_OF_REACHABILITY = { unknown: -1, away: 0, up: 1 } as const;

/** Of the auth service behind this one, where there is one (docs/login-proxy.md). */
const upstreamMetrics = (registers: Registry[]) => {
  const watchBreaker = watchedGauge(
    registers,
    'auth_upstream_breaker_state',
    '0: the auth service is asked; 1: one request may try; 2: it is left alone',
  );
  const watchUp = watchedGauge(
    registers,
    'auth_upstream_up',
    '1: the auth service answers as it should; 0: it does not; -1: none is configured, or it is not known yet',
    -1,
  );
  return {
    requests: new Counter({
      name: 'auth_upstream_requests_total',
      help: 'Requests for the auth service by what came of them (docs/login-proxy.md)',
      labelNames: ['category'] as const,
      registers,
    }),
    attempts: counter(registers, 'auth_upstream_attempts_total', 'Times that the auth service was asked for a client'),
    duration: histogram(registers, 'auth_upstream_duration_seconds', 'Time for an answer, with all attempts'),
    validations: new Counter({
      name: 'auth_upstream_validations_total',
      help: 'Answers of validate by where they came from: memory, shared with another request, upstream',
      labelNames: ['source'] as const,
      registers,
    }),
    watchBreaker: (read: () => keyof typeof BREAKER_LEVEL): void => watchBreaker(() => BREAKER_LEVEL[read()]),
    watchUp: (read: () => keyof typeof LEVEL_OF_REACHABILITY): void => watchUp(() => LEVEL_OF_REACHABILITY[read()]),
  };
};

const auditMetrics = (registers: Registry[]) => ({
  chainLength: gauge(registers, 'auth_audit_chain_length', 'Sealed audit rows of the whole installation; never falls'),
  pending: gauge(registers, 'auth_audit_pending_events', 'Audit rows that wait for their seal, counted up to 10,000'),
  oldestPendingSeconds: gauge(registers, 'auth_audit_oldest_pending_seconds', 'Age of the oldest row without a seal'),
  checkpoints: counter(registers, 'auth_audit_checkpoints_total', 'Signed checkpoints of audit chains'),
});

export interface Metrics {
  readonly registry: Registry;
  readonly http: ReturnType<typeof httpMetrics>;
  readonly auth: ReturnType<typeof authMetrics>;
  readonly mail: ReturnType<typeof mailMetrics>;
  readonly database: ReturnType<typeof databaseMetrics>;
  readonly breaker: ReturnType<typeof breakerMetrics>;
  readonly redis: ReturnType<typeof redisMetrics>;
  readonly upstream: ReturnType<typeof upstreamMetrics>;
  readonly audit: ReturnType<typeof auditMetrics>;
}

export const createMetrics = (): Metrics => {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  return {
    registry,
    http: httpMetrics([registry]),
    auth: authMetrics([registry]),
    mail: mailMetrics([registry]),
    database: databaseMetrics([registry]),
    breaker: breakerMetrics([registry]),
    redis: redisMetrics([registry]),
    upstream: upstreamMetrics([registry]),
    audit: auditMetrics([registry]),
  };
};
