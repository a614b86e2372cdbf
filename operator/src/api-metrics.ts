/**
 * The API's metric names, in the operator: the only place that spells them. Two readings of the same contract: counters scraped
 * from pods (sentinel.ts) and PromQL over them (observe.ts). test/contract/operator compares the names with the API's own list.
 */
import type { MetricSample } from './clients/pods.ts';
import { boundKey } from './core/tally.ts';
import type { PodCounters } from './core/window.ts';

const NAMES = {
  requests: 'http_requests_total',
  durationBucket: 'http_request_duration_seconds_bucket',
  durationCount: 'http_request_duration_seconds_count',
  logins: 'auth_login_attempts_total',
  loginFailures: 'auth_login_failures_total',
  databaseConnectionErrors: 'auth_db_connection_errors_total',
  databaseQueryErrors: 'auth_db_query_errors_total',
  complaints: 'auth_user_complaints_total',
  dataLoss: 'auth_data_loss_signals_total',
} as const;

/** What pods.ts has to keep of an exposition. */
export const FAMILIES: ReadonlySet<string> = new Set(Object.values(NAMES));

export function countersOf(samples: readonly MetricSample[]): PodCounters {
  const sums: Record<string, number> = {};
  const fasterThan: Record<string, number> = {};
  let serverErrors = 0;
  for (const { name, labels, value } of samples) {
    if (name === NAMES.durationBucket) {
      // Bounds are in seconds; the core counts in milliseconds. +Inf is the count and no bound.
      const boundMs = Math.round(Number(labels['le']) * 1000);
      const key = boundKey(boundMs);
      if (Number.isFinite(boundMs)) fasterThan[key] = (fasterThan[key] ?? 0) + value;
      continue;
    }
    sums[name] = (sums[name] ?? 0) + value;
    if (name === NAMES.requests && labels['status']?.startsWith('5')) serverErrors += value;
  }
  const sum = (name: string): number => sums[name] ?? 0;
  return {
    requests: sum(NAMES.requests),
    serverErrors,
    fasterThan,
    logins: sum(NAMES.logins),
    loginFailures: sum(NAMES.loginFailures),
    databaseErrors: sum(NAMES.databaseConnectionErrors) + sum(NAMES.databaseQueryErrors),
    complaints: sum(NAMES.complaints),
    dataLoss: sum(NAMES.dataLoss),
  };
}

export interface QueryScope {
  readonly namespace: string;
  /** The Deployment's name; its pods are `<deployment>-<hash>-<suffix>`. */
  readonly deployment: string;
  /** Its ReplicaSets whose pods count, by name; empty: all. */
  readonly replicaSets: readonly string[];
}

/** Each query gives one series without labels, or none when there is no data: absent errors of a present pod are 0. */
export interface StepQueries {
  readonly requests: string;
  readonly serverErrors: string;
  readonly slowerThan: (boundMs: number) => string;
  readonly logins: string;
  readonly loginFailures: string;
  readonly databaseErrors: string;
  readonly complaints: string;
  readonly dataLoss: string;
}

export interface QueryWindows {
  readonly windowMs: number;
  readonly databaseWindowMs: number;
  readonly complaintsWindowMs: number;
}

export function stepQueries(scope: QueryScope, windows: QueryWindows): StepQueries {
  const increase = (name: string, windowMs: number, matcher = ''): string =>
    `sum(increase(${name}{${selectorOf(scope)}${matcher}}[${windowMs}ms]))`;
  // What was never answered has no labelled series. Zero is the truth then, but only while the pod is seen at all, which a series
  // without labels shows: a canary that nobody asked yet is quiet, and not blind.
  const orZero = (query: string): string => `${query} or (0 * ${increase(NAMES.logins, windows.windowMs)})`;
  return {
    requests: orZero(increase(NAMES.requests, windows.windowMs)),
    serverErrors: orZero(increase(NAMES.requests, windows.windowMs, ',status=~"5.."')),
    slowerThan: (boundMs) =>
      orZero(
        `${increase(NAMES.durationCount, windows.windowMs)} - ${increase(NAMES.durationBucket, windows.windowMs, `,le=~"${boundOf(boundMs)}"`)}`,
      ),
    logins: increase(NAMES.logins, windows.windowMs),
    loginFailures: increase(NAMES.loginFailures, windows.windowMs),
    databaseErrors: `${increase(NAMES.databaseConnectionErrors, windows.databaseWindowMs)} + ${increase(NAMES.databaseQueryErrors, windows.databaseWindowMs)}`,
    complaints: increase(NAMES.complaints, windows.complaintsWindowMs),
    dataLoss: `sum(${NAMES.dataLoss}{${selectorOf(scope)}})`,
  };
}

/** The most samples that a pod has within the window: how often Prometheus looked. */
export function samplesQuery(scope: QueryScope, windowMs: number): string {
  return `max(count_over_time(${NAMES.logins}{${selectorOf(scope)}}[${windowMs}ms]))`;
}

function selectorOf({ namespace, deployment, replicaSets }: QueryScope): string {
  // A name may hold dots, which a regular expression would take for any character.
  const literal = (name: string): string => name.replace(/[.]/g, '\\.');
  const sets = replicaSets.length === 0 ? `${literal(deployment)}-[^-]+` : `(${replicaSets.map(literal).join('|')})`;
  const pods = `${sets}-[^-]+`;
  return `namespace=${quoted(namespace)},pod=~${quoted(pods)}`;
}

/** Prometheus 3 writes whole bounds as "1.0", older ones as "1"; the matcher takes both. */
function boundOf(boundMs: number): string {
  const seconds = String(boundMs / 1000);
  return seconds.includes('.') ? seconds.replace('.', '[.]') : `${seconds}([.]0)?`;
}

/** A PromQL string literal. */
function quoted(text: string): string {
  return `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')}"`;
}
