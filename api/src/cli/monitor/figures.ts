/**
 * The figures of the monitor, each with the runbook's limits: the decision matrix, the alerts, and the success of refreshes of the token plan.
 * Pure. Called by ../monitor.ts and ../report.ts.
 */
import { gauge, grown, type Labels, MIN_REQUESTS, ms, quantile, rate, share, type Value } from './amounts.ts';
import type { Reading } from './growth.ts';
import { METRICS } from './metric-names.ts';

export type Severity = 'P0' | 'P1' | 'P2' | 'P3';
export const SEVERITIES: readonly Severity[] = ['P0', 'P1', 'P2', 'P3'];

export type Unit = 'percent' | 'ms' | 'count' | 'a-second' | 'a-minute' | 'seconds';

/** Crossed beyond `at`, and with `isCrossedAt` at it too: the matrix says "over 5 %" of a P0 and "1 to 5 %" of a P1. */
export interface Limit {
  readonly severity: Severity;
  readonly at: number;
  readonly isCrossedAt: boolean;
}

export interface Figure {
  readonly id: string;
  readonly label: string;
  readonly unit: Unit;
  /** undefined where nothing says it, or too little. */
  readonly value: number | undefined;
  /** The worst first; `below`: crossed by less, not by more. */
  readonly limits: readonly Limit[];
  readonly isBelow: boolean;
  /** `none`: it has no limit; `unknown`: it has one, and nobody knows. */
  readonly state: Severity | 'ok' | 'none' | 'unknown';
  readonly note: string;
}

const stateOf = (value: number | undefined, limits: readonly Limit[], isBelow: boolean): Figure['state'] => {
  if (limits.length === 0) return 'none';
  if (value === undefined) return 'unknown';
  const isCrossed = ({ at, isCrossedAt }: Limit): boolean =>
    (isBelow ? value < at : value > at) || (isCrossedAt && value === at);
  return limits.find(isCrossed)?.severity ?? 'ok';
};

const over = (severity: Severity, at: number): Limit => ({ severity, at, isCrossedAt: false });
const from = (severity: Severity, at: number): Limit => ({ severity, at, isCrossedAt: true });

interface Rule {
  readonly id: string;
  readonly label: string;
  readonly unit: Unit;
  readonly isBelow?: boolean;
  readonly limits?: readonly Limit[];
  /** May say that there is no limit after all. */
  readonly of: (reading: Reading) => Value & { readonly limits?: readonly Limit[] };
}

const isServerError = ({ status }: Labels): boolean => status?.startsWith('5') ?? false;
const isRefresh = ({ route }: Labels): boolean => route?.endsWith('/auth/refresh') ?? false;
const isGood = ({ status }: Labels): boolean => status?.startsWith('2') ?? false;

const latency =
  (q: number) =>
  (reading: Reading): Value => {
    const isEnough = (grown(reading, METRICS.requests) ?? 0) >= MIN_REQUESTS;
    return { value: isEnough ? ms(quantile(reading, METRICS.requestDuration, q)) : undefined };
  };

const TRAFFIC: readonly Rule[] = [
  {
    id: 'service',
    label: 'pods that answer',
    unit: 'count',
    isBelow: true,
    of: ({ answering, asked }) => ({ value: answering, limits: [over('P3', asked)], note: `of ${asked}` }),
  },
  {
    id: 'requests',
    label: 'requests',
    unit: 'a-second',
    of: (reading) => ({ value: rate(grown(reading, METRICS.requests), reading.seconds, 1) }),
  },
  {
    id: 'error-rate',
    label: 'error rate',
    unit: 'percent',
    limits: [over('P0', 5), from('P1', 1), from('P2', 0.5), from('P3', 0.1)],
    of: (reading) =>
      share(grown(reading, METRICS.requests, isServerError), grown(reading, METRICS.requests), 'requests'),
  },
  { id: 'latency-p50', label: 'latency p50', unit: 'ms', of: latency(0.5) },
  {
    id: 'latency-p95',
    label: 'latency p95',
    unit: 'ms',
    limits: [over('P1', 500), over('P2', 300), over('P3', 200)],
    of: latency(0.95),
  },
  { id: 'latency-p99', label: 'latency p99', unit: 'ms', of: latency(0.99) },
];

const AUTHENTICATION: readonly Rule[] = [
  {
    id: 'login-success',
    label: 'login success',
    unit: 'percent',
    isBelow: true,
    limits: [over('P1', 95)],
    of: (reading) => share(grown(reading, METRICS.loginSuccesses), grown(reading, METRICS.loginAttempts), 'logins'),
  },
  {
    id: 'login-p95',
    label: 'login p95',
    unit: 'ms',
    limits: [over('P1', 500)],
    of: (reading) => {
      const isEnough = (grown(reading, METRICS.loginAttempts) ?? 0) >= MIN_REQUESTS;
      return { value: isEnough ? ms(quantile(reading, METRICS.loginDuration, 0.95)) : undefined };
    },
  },
  {
    id: 'refresh-success',
    label: 'refresh success',
    unit: 'percent',
    isBelow: true,
    limits: [over('P2', 99)],
    of: (reading) =>
      share(
        grown(reading, METRICS.requests, (labels) => isRefresh(labels) && isGood(labels)),
        grown(reading, METRICS.requests, isRefresh),
        'refreshes',
      ),
  },
  {
    id: 'active-sessions',
    label: 'active sessions',
    unit: 'count',
    of: (reading) => ({ value: gauge(reading, METRICS.activeSessions, 'max') }),
  },
  {
    id: 'session-expirations',
    label: 'sessions run out',
    unit: 'a-second',
    limits: [over('P2', 100)],
    of: (reading) => ({ value: rate(grown(reading, METRICS.sessionExpirations), reading.seconds, 1) }),
  },
  { id: 'lockouts', label: 'lockouts', unit: 'count', of: (reading) => ({ value: grown(reading, METRICS.lockouts) }) },
  {
    id: 'rate-limited',
    label: 'rate limited',
    unit: 'a-second',
    limits: [over('P3', 10)],
    of: (reading) => ({ value: rate(grown(reading, METRICS.rateLimited), reading.seconds, 1) }),
  },
  {
    id: 'complaints',
    label: 'complaints',
    unit: 'count',
    limits: [from('P1', 5), from('P2', 3)],
    of: (reading) => ({ value: grown(reading, METRICS.complaints) }),
  },
  {
    id: 'data-loss',
    label: 'data-loss signals',
    unit: 'count',
    limits: [over('P0', 0)],
    of: (reading) => ({ value: grown(reading, METRICS.dataLoss) }),
  },
];

const STORES: readonly Rule[] = [
  {
    id: 'database-errors',
    label: 'database errors',
    unit: 'a-minute',
    limits: [over('P1', 10)],
    of: (reading) => {
      const connections = grown(reading, METRICS.databaseConnectionErrors);
      const queries = grown(reading, METRICS.databaseQueryErrors);
      const isUnknown = connections === undefined && queries === undefined;
      return { value: isUnknown ? undefined : rate((connections ?? 0) + (queries ?? 0), reading.seconds, 60) };
    },
  },
  {
    id: 'database-p95',
    label: 'database p95',
    unit: 'ms',
    limits: [over('P2', 100)],
    of: (reading) => {
      const isEnough =
        (grown(reading, `${METRICS.databaseDuration}_bucket`, ({ le }) => le === '+Inf') ?? 0) >= MIN_REQUESTS;
      return { value: isEnough ? ms(quantile(reading, METRICS.databaseDuration, 0.95)) : undefined };
    },
  },
  {
    id: 'pool-waiting',
    label: 'wait for the pool',
    unit: 'count',
    of: (reading) => {
      const [active = 0, idle = 0] = [METRICS.poolActive, METRICS.poolIdle].map((name) => gauge(reading, name, 'sum'));
      return { value: gauge(reading, METRICS.poolWaiting, 'sum'), note: `${active} in use, ${idle} idle` };
    },
  },
  {
    id: 'breaker',
    label: 'breaker',
    unit: 'count',
    limits: [from('P1', 2)],
    of: (reading) => ({ value: gauge(reading, METRICS.breaker, 'max'), note: '0 closed, 1 half-open, 2 open' }),
  },
  {
    id: 'redis',
    label: 'redis',
    unit: 'count',
    isBelow: true,
    of: (reading) => {
      const up = gauge(reading, METRICS.redisUp, 'min');
      // -1 where none is configured, which is nobody's fault.
      if (up === -1) return { value: undefined, limits: [], note: 'none is configured' };
      return { value: up, limits: [over('P2', 1)], note: '1 up, 0 away' };
    },
  },
];

const BACKGROUND: readonly Rule[] = [
  {
    id: 'audit-unsealed',
    label: 'audit unsealed',
    unit: 'seconds',
    limits: [over('P1', 300)],
    of: (reading) => ({ value: gauge(reading, METRICS.auditUnsealed, 'max') }),
  },
  {
    id: 'mails-given-up',
    label: 'mails given up',
    unit: 'count',
    // As the alert AuthMailGivenUp: whoever misspelt an address is nobody's incident.
    of: (reading) => {
      const sent = grown(reading, METRICS.mailsSent) ?? 0;
      return {
        value: grown(reading, METRICS.mailsGivenUp),
        limits: [over('P1', Math.floor(sent / 10))],
        note: `${gauge(reading, METRICS.mailsWaiting, 'max') ?? 0} wait, ${Math.round(sent)} were sent`,
      };
    },
  },
  {
    id: 'rollout',
    label: 'rollout',
    unit: 'percent',
    of: (reading) => ({ value: gauge(reading, METRICS.rolloutPercentage, 'max') }),
  },
];

const figure = ({ id, label, unit, isBelow = false, limits: usual = [], of }: Rule, reading: Reading): Figure => {
  const { value, limits = usual, note = '' } = of(reading);
  return { id, label, unit, value, limits, isBelow, note, state: stateOf(value, limits, isBelow) };
};

export interface FigureGroup {
  readonly title: string;
  readonly figures: readonly Figure[];
}

const GROUPS: readonly (readonly [title: string, rules: readonly Rule[]])[] = [
  ['traffic', TRAFFIC],
  ['authentication', AUTHENTICATION],
  ['stores', STORES],
  ['background', BACKGROUND],
];

export const figuresOf = (reading: Reading): readonly FigureGroup[] =>
  GROUPS.map(([title, rules]) => ({ title, figures: rules.map((rule) => figure(rule, reading)) }));

/** The worst that any figure has crossed; undefined for none. */
export const worstOf = (groups: readonly FigureGroup[]): Severity | undefined =>
  SEVERITIES.find((severity) => groups.some(({ figures }) => figures.some(({ state }) => state === severity)));

/** Whether one severity is at least as bad as another. */
export const isAtLeast = (one: Severity, other: Severity): boolean =>
  SEVERITIES.indexOf(one) <= SEVERITIES.indexOf(other);
