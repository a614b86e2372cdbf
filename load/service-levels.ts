// The service levels that the load scenarios are held to: one list, read by the k6 scripts (as thresholds) and by the
// runner (runner/judge.ts, as the first table of its report). A figure is changed here and nowhere else. Plain data: k6
// and Node both load this file.
//
// Sources: "runbook" is its chapter on load tests, "recovery plan" its success metrics (docs/load.md has both in full).

export type ScenarioName = 'smoke' | 'login' | 'refresh' | 'validate' | 'mixed' | 'rate-limit' | 'pool' | 'memory';
export type StageName = 'smoke' | 'average' | 'stress' | 'soak';

export interface ServiceLevel {
  /** What is measured, for people. */
  readonly name: string;
  /** The metric of load/session.ts or of the script. */
  readonly metric: string;
  readonly aggregate: 'avg' | 'p(95)' | 'p(99)' | 'rate' | 'count' | 'value';
  readonly comparison: '<' | '<=' | '>' | '>=' | '==';
  /** In `unit`; shares are from 0 to 1. `limit` and `loginLimit` are the figures that the server was started with. */
  readonly limit: number | 'limit' | 'loginLimit';
  readonly unit: 'ms' | 'share' | 'times' | 'MB';
  readonly from: 'runbook' | 'recovery plan' | 'design';
  /** How fast it is depends on load and machine: not judged under stress. */
  readonly isSpeed: boolean;
}

const times = (name: string, metric: string, given: Partial<ServiceLevel> = {}): ServiceLevel => ({
  name,
  metric,
  aggregate: 'count',
  comparison: '==',
  limit: 0,
  unit: 'times',
  from: 'design',
  isSpeed: false,
  ...given,
});

const milliseconds = (name: string, metric: string, given: Partial<ServiceLevel>): ServiceLevel => ({
  ...times(name, metric),
  comparison: '<',
  unit: 'ms',
  from: 'recovery plan',
  isSpeed: true,
  ...given,
});

const share = (name: string, metric: string, given: Partial<ServiceLevel>): ServiceLevel => ({
  ...times(name, metric),
  aggregate: 'rate',
  unit: 'share',
  from: 'recovery plan',
  ...given,
});

const errorRate = share('requests that failed (no answer, or 5xx)', 'latchkey_errors', {
  comparison: '<',
  limit: 0.001,
});
const apiP95 = milliseconds('API without passwords, p95', 'latchkey_api_ms', { aggregate: 'p(95)', limit: 200 });
const validateP99 = milliseconds('session validation, p99', 'latchkey_session_ms', {
  aggregate: 'p(99)',
  limit: 200,
  from: 'runbook',
});
const refreshMean = milliseconds('refresh, mean', 'latchkey_refresh_ms', { aggregate: 'avg', limit: 100 });
const refreshSuccess = share('refreshes that succeed', 'latchkey_refreshes_good', { comparison: '>', limit: 0.99 });
const sessionsLost = times('sessions that ended by themselves', 'latchkey_sessions_lost');
const refusals = share('refusals (429, 503) with Retry-After', 'latchkey_refusals_good', {
  comparison: '>=',
  limit: 1,
  from: 'design',
});
const noOther5xx = times('5xx other than 503', 'latchkey_internal_errors');
const unanswered = times('requests without an answer', 'latchkey_unanswered');

const LEVELS: Readonly<Record<ScenarioName, readonly ServiceLevel[]>> = {
  smoke: [
    share('steps that went as they should', 'checks', { comparison: '>=', limit: 1, from: 'design' }),
    errorRate,
    sessionsLost,
  ],
  login: [
    milliseconds('login, p95', 'latchkey_login_ms', { aggregate: 'p(95)', limit: 500, from: 'runbook' }),
    share('logins that succeed', 'latchkey_logins_good', {
      comparison: '>',
      limit: 0.99,
      from: 'runbook',
      isSpeed: true,
    }),
    // Only of those that were checked: a refusal for want of a free core is counted in the line above.
    share('logins that succeed, of those that were checked', 'latchkey_logins_true', { comparison: '>', limit: 0.999 }),
    noOther5xx,
    unanswered,
    refusals,
  ],
  refresh: [refreshMean, refreshSuccess, errorRate, sessionsLost],
  validate: [validateP99, errorRate, sessionsLost],
  mixed: [apiP95, validateP99, refreshMean, refreshSuccess, errorRate, sessionsLost],
  'rate-limit': [
    times('requests that pass within a window', 'latchkey_limit_passed', { limit: 'limit' }),
    times('logins that pass within a window', 'latchkey_login_limit_passed', { limit: 'loginLimit' }),
    refusals,
    times('refusals of another client', 'latchkey_neighbour_refused'),
    errorRate,
  ],
  pool: [
    times('failures before', 'latchkey_failed_before'),
    times('503 while connections are short', 'latchkey_short_refused', { comparison: '>', limit: 0 }),
    refusals,
    noOther5xx,
    unanswered,
    times('failures after the recovery', 'latchkey_failed_after'),
    sessionsLost,
  ],
  memory: [
    times('growth of resident memory after the warm-up', 'latchkey_memory_growth_mb', {
      aggregate: 'value',
      comparison: '<',
      limit: 16,
      unit: 'MB',
    }),
    errorRate,
    sessionsLost,
  ],
};

export interface Judging {
  readonly stage: StageName;
  /** Limits of time and memory are multiplied by it; 1 judges as the runbook does. */
  readonly tolerance: number;
  readonly limit: number;
  readonly loginLimit: number;
}

/** A level with its limit as a number. */
export interface FixedLevel extends ServiceLevel {
  readonly limit: number;
}

const fixed = (level: ServiceLevel, judging: Judging): FixedLevel => {
  const { limit } = level;
  if (typeof limit === 'string') return { ...level, limit: judging[limit] };
  return { ...level, limit: level.unit === 'ms' || level.unit === 'MB' ? limit * judging.tolerance : limit };
};

/** What a run is judged by. Stress looks for the end of the road, where nothing is fast: only what must hold there too is judged. */
export const levelsOf = (scenario: ScenarioName, judging: Judging): readonly FixedLevel[] =>
  LEVELS[scenario]
    .filter(({ isSpeed }) => judging.stage !== 'stress' || !isSpeed)
    .map((level) => fixed(level, judging));

/** The same as k6 writes it: `{ latchkey_login_ms: ['p(95)<500'] }`. */
export const thresholdsOf = (levels: readonly FixedLevel[]): Readonly<Record<string, readonly string[]>> => {
  const thresholds: Record<string, string[]> = {};
  for (const { metric, aggregate, comparison, limit } of levels) {
    (thresholds[metric] ??= []).push(`${aggregate}${comparison}${limit}`);
  }
  return thresholds;
};
