/**
 * What is on the two dashboards: the runbook's panels, and the rollout's own board. generate.ts makes Grafana's JSON of it for the charts;
 * the tests ask each query of a Prometheus that has scraped a real rollout.
 */

export interface Query {
  readonly legend: string;
  readonly expr: string;
}

export interface Panel {
  readonly title: string;
  readonly kind: 'timeseries' | 'stat' | 'table';
  readonly unit: 'percentunit' | 'percent' | 's' | 'short' | 'reqps';
  /** Of the board's 24 columns. */
  readonly width: 6 | 8 | 12 | 24;
  readonly queries: readonly Query[];
}

export interface Board {
  readonly uid: string;
  readonly title: string;
  /** The metric whose `namespace` labels can be chosen from. */
  readonly namespacesOf: string;
  readonly panels: readonly Panel[];
}

const API = 'namespace="$namespace"';
const RATE = '[$__rate_interval]';

const one = (legend: string, expr: string): readonly Query[] => [{ legend, expr }];

const quantiles = (metric: string): readonly Query[] =>
  [0.5, 0.95, 0.99].map((share) => ({
    legend: `p${share * 100}`,
    expr: `histogram_quantile(${share}, sum by (le) (rate(${metric}_bucket{${API}}${RATE})))`,
  }));

const auth: Board = {
  uid: 'latchkey-auth',
  title: 'Latchkey: authentication',
  namespacesOf: 'auth_login_attempts_total',
  panels: [
    {
      title: 'Login success rate',
      kind: 'timeseries',
      unit: 'percentunit',
      width: 12,
      queries: one(
        'logins that got a session',
        `sum(rate(auth_login_successes_total{${API}}${RATE})) / sum(rate(auth_login_attempts_total{${API}}${RATE}))`,
      ),
    },
    {
      title: 'Login latency',
      kind: 'timeseries',
      unit: 's',
      width: 12,
      queries: quantiles('auth_login_duration_seconds'),
    },
    {
      title: 'Active sessions',
      kind: 'stat',
      unit: 'short',
      width: 6,
      queries: one('sessions', `max(auth_active_sessions_total{${API}})`),
    },
    {
      title: 'Rollout percentage',
      kind: 'stat',
      unit: 'percent',
      width: 6,
      queries: one('of the users', `max(auth_rollout_percentage{${API}})`),
    },
    {
      title: 'Requests by status',
      kind: 'timeseries',
      unit: 'reqps',
      width: 12,
      queries: one('{{status}}', `sum by (status) (rate(http_requests_total{${API}}${RATE}))`),
    },
    {
      title: 'Database connections',
      kind: 'timeseries',
      unit: 'short',
      width: 12,
      queries: ['active', 'idle', 'waiting'].map((state) => ({
        legend: state,
        expr: `sum(auth_db_connections_${state}{${API}})`,
      })),
    },
    {
      title: 'Errors by type',
      kind: 'timeseries',
      unit: 'reqps',
      width: 12,
      queries: one('{{error_type}}', `sum by (error_type) (rate(auth_errors_total{${API}}${RATE}))`),
    },
    {
      title: 'Latency of all requests',
      kind: 'timeseries',
      unit: 's',
      width: 12,
      queries: quantiles('http_request_duration_seconds'),
    },
    {
      title: 'Transactions',
      kind: 'timeseries',
      unit: 's',
      width: 12,
      queries: quantiles('auth_db_query_duration_seconds'),
    },
  ],
};

/** The operator's series carry the rollout's namespace beside the pod's, which Prometheus then calls `exported_namespace`. */
const ROLLOUT = 'exported_namespace="$namespace"';

const rollout: Board = {
  uid: 'latchkey-rollout',
  title: 'Latchkey: rollouts',
  namespacesOf: 'latchkey_rollout_weight',
  panels: [
    {
      title: 'Weight of the canary',
      kind: 'timeseries',
      unit: 'percent',
      width: 12,
      queries: one('{{name}}', `max by (name) (latchkey_rollout_weight{${ROLLOUT}})`),
    },
    {
      title: 'Phase',
      kind: 'table',
      unit: 'short',
      width: 12,
      queries: one('', `max by (name, phase, revision) (latchkey_rollout_info{${ROLLOUT}}) == 1`),
    },
    {
      title: 'Decisions',
      kind: 'timeseries',
      unit: 'short',
      width: 12,
      queries: one(
        '{{decision}} {{reason}}',
        `sum by (decision, reason) (increase(latchkey_rollout_decisions_total{${ROLLOUT}}${RATE}))`,
      ),
    },
    {
      title: 'Verdicts of the checks',
      kind: 'timeseries',
      unit: 'short',
      width: 12,
      queries: one(
        '{{check}} {{verdict}}',
        `sum by (check, verdict) (increase(latchkey_rollout_checks_total{${ROLLOUT}}${RATE}))`,
      ),
    },
    {
      title: 'Requests by version',
      kind: 'timeseries',
      unit: 'reqps',
      width: 12,
      queries: one('{{pod}}', `sum by (pod) (rate(http_requests_total{${API}}${RATE}))`),
    },
    {
      title: 'Share of 5xx by pod',
      kind: 'timeseries',
      unit: 'percentunit',
      width: 12,
      queries: one(
        '{{pod}}',
        `(sum by (pod) (rate(http_requests_total{${API},status=~"5.."}${RATE})) or 0 * sum by (pod) (rate(http_requests_total{${API}}${RATE}))) / sum by (pod) (rate(http_requests_total{${API}}${RATE}))`,
      ),
    },
    {
      title: 'From verdict to zero, p95 of a day',
      kind: 'stat',
      unit: 's',
      width: 8,
      queries: one(
        '{{stage}}',
        'histogram_quantile(0.95, sum by (le, stage) (latchkey_rollout_breach_to_zero_seconds_bucket))',
      ),
    },
    {
      title: 'Round of the sentinel, p99',
      kind: 'timeseries',
      unit: 's',
      width: 8,
      queries: one(
        'round',
        `histogram_quantile(0.99, sum by (le) (rate(latchkey_sentinel_round_seconds_bucket${RATE})))`,
      ),
    },
    {
      title: 'Leaders',
      kind: 'stat',
      unit: 'short',
      width: 8,
      queries: one('replicas that lead', 'sum(latchkey_leader)'),
    },
    {
      title: 'Since each watch spoke',
      kind: 'timeseries',
      unit: 's',
      width: 12,
      queries: one('{{resource}}', 'max by (resource) (latchkey_watch_last_event_age_seconds)'),
    },
    {
      title: 'Requests to the API server',
      kind: 'timeseries',
      unit: 'reqps',
      width: 12,
      queries: one('{{call}}', `sum by (call) (rate(latchkey_api_requests_total${RATE}))`),
    },
  ],
};

export const COLUMNS = 24;

/** Panels fill rows from the left, as many as have room. */
export function rowsOf(panels: readonly Panel[]): readonly (readonly Panel[])[] {
  const rows: Panel[][] = [];
  let taken = COLUMNS;
  for (const panel of panels) {
    if (taken + panel.width > COLUMNS) {
      rows.push([]);
      taken = 0;
    }
    rows.at(-1)?.push(panel);
    taken += panel.width;
  }
  return rows;
}

/** By the file of the chart that ships it. */
export const BOARDS: Readonly<Record<string, Board>> = {
  'charts/latchkey/files/dashboard.json': auth,
  'charts/latchkey-operator/files/dashboard.json': rollout,
};
