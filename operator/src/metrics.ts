/**
 * The operator's own metrics. One place for every name; filled by reconcile.ts, act.ts, sentinel.ts and controller.ts, served by health.ts.
 *
 * Labels are bounded: a rollout's namespace and name, and words from closed lists. A rollout that is gone takes its series with it.
 */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

const ROLLOUT = ['namespace', 'name'] as const;

export function createMetrics() {
  const registry = new Registry();
  // Event-loop lag is part of the set, and it is rollback latency here: one thread does everything.
  collectDefaultMetrics({ register: registry });
  return {
    registry,
    ...rolloutMetrics(registry),
    ...processMetrics(registry),
    ...apiMetrics(registry),
    ...notificationMetrics(registry),
  };
}

function rolloutMetrics(registry: Registry) {
  return { ...stateMetrics(registry), ...outcomeMetrics(registry) };
}

function stateMetrics(registry: Registry) {
  const on = { registers: [registry] };
  return {
    info: new Gauge({
      name: 'latchkey_rollout_info',
      help: '1 for the phase and revision a rollout is in',
      labelNames: [...ROLLOUT, 'phase', 'revision'],
      ...on,
    }),
    step: new Gauge({ name: 'latchkey_rollout_step', help: 'Index of the current step', labelNames: ROLLOUT, ...on }),
    weight: new Gauge({
      name: 'latchkey_rollout_weight',
      help: 'Percent of the traffic on the canary, as last written',
      labelNames: ROLLOUT,
      ...on,
    }),
  };
}

function outcomeMetrics(registry: Registry) {
  const on = { registers: [registry] };
  return {
    decisions: new Counter({
      name: 'latchkey_rollout_decisions_total',
      help: 'Decisions taken; one that repeats the last is counted once',
      labelNames: [...ROLLOUT, 'decision', 'reason'],
      ...on,
    }),
    checks: new Counter({
      name: 'latchkey_rollout_checks_total',
      help: 'Checks judged',
      labelNames: [...ROLLOUT, 'check', 'verdict'],
      ...on,
    }),
    breachToZero: new Histogram({
      name: 'latchkey_rollout_breach_to_zero_seconds',
      help: 'From the sentinel verdict to: patched (the route patch returned), proven (canary traffic stopped)',
      labelNames: ['stage'],
      buckets: [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5, 10, 30, 60],
      ...on,
    }),
    zeroNotProven: new Counter({
      name: 'latchkey_rollout_zero_not_proven_total',
      help: 'Weight 0 was written and traffic still arrived',
      labelNames: [...ROLLOUT, 'stage'],
      ...on,
    }),
  };
}

/** What the apiserver is asked, and what it tells. */
function apiMetrics(registry: Registry) {
  const on = { registers: [registry] };
  return {
    apiRequests: new Counter({
      name: 'latchkey_api_requests_total',
      help: 'Requests to the apiserver, by the name of the call; one that is tried again counts again',
      labelNames: ['call'],
      ...on,
    }),
    apiErrors: new Counter({
      name: 'latchkey_api_errors_total',
      help: 'Calls to the apiserver that failed, by stable code',
      labelNames: ['code'],
      ...on,
    }),
    watchAge: new Gauge({
      name: 'latchkey_watch_last_event_age_seconds',
      help: 'Since the watch last said anything',
      labelNames: ['resource'],
      ...on,
    }),
  };
}

function processMetrics(registry: Registry) {
  const on = { registers: [registry] };
  return {
    passes: new Counter({
      name: 'latchkey_passes_total',
      help: 'Passes by outcome',
      labelNames: ['lane', 'outcome'],
      ...on,
    }),
    passSeconds: new Histogram({
      name: 'latchkey_pass_seconds',
      help: 'Duration of a pass',
      labelNames: ['lane'],
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
      ...on,
    }),
    sentinelSeconds: new Histogram({
      name: 'latchkey_sentinel_round_seconds',
      help: 'Duration of one sentinel round over all rollouts in flight',
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.8, 1, 2],
      ...on,
    }),
    clockOffset: new Gauge({
      name: 'latchkey_clock_offset_seconds',
      help: 'How far the clock of this node was behind the API server (negative: ahead) when the process began',
      ...on,
    }),
    queueDepth: new Gauge({ name: 'latchkey_workqueue_depth', help: 'Keys that wait for a slot', ...on }),
    leader: new Gauge({ name: 'latchkey_leader', help: '1 while this process holds the Lease', ...on }),
  };
}

function notificationMetrics(registry: Registry) {
  const on = { registers: [registry] };
  return {
    alertMessages: new Counter({
      name: 'latchkey_alert_messages_total',
      help: 'Messages of Alertmanager by the HTTP status that answered them',
      labelNames: ['status'],
      ...on,
    }),
    notifications: new Counter({
      name: 'latchkey_notifications_total',
      help: 'Messages by what became of them; retried counts attempts that were not the last',
      labelNames: ['channel', 'outcome'],
      ...on,
    }),
    notificationAge: new Gauge({
      name: 'latchkey_notifications_oldest_seconds',
      help: 'Age of the oldest message that has not arrived; 0 when none waits',
      labelNames: ['channel'],
      ...on,
    }),
    notificationsConfigured: new Gauge({
      name: 'latchkey_notifications_configured',
      help: '1 when the file of the channels was understood, 0 when it has faults or there is none',
      ...on,
    }),
  };
}

export type Metrics = ReturnType<typeof createMetrics>;
