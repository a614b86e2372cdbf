/**
 * The alerts of both charts, as Helm renders them, by Prometheus' own tests of rules: each fires when its cause is there and says what it is,
 * and none of them in a healthy installation.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { stringify } from 'yaml';
import { partsFor } from '../../../k8s/local/parts.ts';
import { type ChartRule, ruleGroups } from '../../support/alert-rules.ts';
import type { Chart } from './helm.ts';

/** Series in promtool's notation; `P` is a pod of the installation, with its namespace. */
type Series = Readonly<Record<string, string>>;

interface Cause {
  readonly series: Series;
  /** When it must be firing, and what it then says. Just before it has lasted long enough it must not. */
  readonly at: string;
  readonly notYetAt?: string;
  readonly says: string;
  readonly labels?: Readonly<Record<string, string>>;
}

const HEALTHY: Readonly<Record<Chart, Series>> = {
  latchkey: {
    'up{P}': '1x60',
    'http_requests_total{P,status="200"}': '0+6000x60',
    'http_requests_total{P,status="503"}': '0+60x60',
    'auth_db_connection_errors_total{P}': '0x60',
    'auth_login_attempts_total{P}': '0+300x60',
    'auth_login_failures_total{P}': '0+15x60',
    'auth_login_duration_seconds_bucket{P,le="0.3"}': '0+290x60',
    'auth_login_duration_seconds_bucket{P,le="0.5"}': '0+299x60',
    'auth_login_duration_seconds_bucket{P,le="+Inf"}': '0+300x60',
    'auth_session_expirations_total{P}': '0+600x60',
    'auth_db_query_duration_seconds_bucket{P,le="0.1"}': '0+990x60',
    'auth_db_query_duration_seconds_bucket{P,le="+Inf"}': '0+1000x60',
    'auth_rate_limit_exceeded_total{P}': '0+60x60',
    'auth_data_loss_signals_total{P}': '3x60',
    'auth_audit_oldest_pending_seconds{P}': '2x60',
    'auth_email_sent_total{P}': '0+20x60',
    'auth_email_given_up_total{P}': '0+1x60',
    'auth_redis_up{P}': '1x60',
    'auth_upstream_up{P}': '-1x60',
    'auth_upstream_requests_total{P,category="answered"}': '0+300x60',
  },
  'latchkey-operator': {
    'latchkey_leader{P}': '1x60',
    'latchkey_leader{Q}': '0x60',
    'latchkey_rollout_zero_not_proven_total{P,exported_namespace="auth",name="auth-api",stage="selector"}': '1x60',
    'latchkey_rollout_info{P,exported_namespace="auth",name="auth-api",phase="Progressing"}': '1x60',
    'latchkey_watch_last_event_age_seconds{P,resource="httproutes"}': '55x60',
    'latchkey_sentinel_round_seconds_bucket{P,le="0.5"}': '0+60x60',
    'latchkey_sentinel_round_seconds_bucket{P,le="+Inf"}': '0+60x60',
    'latchkey_notifications_oldest_seconds{P}': '0x60',
    'latchkey_notifications_total{P,channel="slack",outcome="delivered"}': '0+1x60',
    'latchkey_notifications_total{P,channel="slack",outcome="retried"}': '0+2x60',
    'latchkey_notifications_total{P,channel="slack",outcome="expired"}': '0x60',
  },
};

const CAUSES: Readonly<Record<Chart, Readonly<Record<string, Cause>>>> = {
  latchkey: {
    AuthServiceDown: {
      series: { 'up{P}': '1x10 0x50' },
      notYetAt: '15m',
      at: '17m',
      says: 'No pod of the API has answered a scrape for 5 minutes.',
    },
    AuthHighErrorRate: {
      series: { 'http_requests_total{P,status="503"}': '0+600x60' },
      notYetAt: '2m',
      at: '8m',
      says: '9.091% of the requests end with 5xx (limit 5 %).',
    },
    AuthDatabaseConnectionFailure: {
      series: { 'auth_db_connection_errors_total{P}': '0+60x60' },
      notYetAt: '1m',
      at: '8m',
      says: '60 failed connections to PostgreSQL a minute (limit 10).',
    },
    AuthLoginFailureSpike: {
      series: { 'auth_login_failures_total{P}': '0+60x60' },
      notYetAt: '5m',
      at: '12m',
      says: '20% of the logins fail (limit 10 %).',
    },
    AuthSlowAuthentication: {
      series: {
        'auth_login_duration_seconds_bucket{P,le="0.5"}': '0+200x60',
        'auth_login_duration_seconds_bucket{P,le="0.3"}': '0+100x60',
        'auth_login_duration_seconds_bucket{P,le="1"}': '0+300x60',
      },
      notYetAt: '5m',
      at: '12m',
      says: 'The slowest twentieth of the logins takes more than 925ms (limit 500 ms).',
    },
    AuthHighSessionExpirations: {
      series: { 'auth_session_expirations_total{P}': '0+12000x60' },
      notYetAt: '9m',
      at: '30m',
      says: '200 sessions a second are found past their time (limit 100).',
    },
    AuthDatabaseSlowQueries: {
      series: {
        'auth_db_query_duration_seconds_bucket{P,le="0.1"}': '0+500x60',
        'auth_db_query_duration_seconds_bucket{P,le="0.3"}': '0+1000x60',
      },
      notYetAt: '9m',
      at: '20m',
      says: 'The slowest twentieth of the transactions takes more than 280ms (limit 100 ms).',
    },
    AuthApproachingRateLimit: {
      series: { 'auth_rate_limit_exceeded_total{P}': '0+1200x60' },
      notYetAt: '14m',
      at: '25m',
      says: '20 requests a second are answered 429 (limit 10).',
    },
    AuthSessionsLost: {
      series: { 'auth_data_loss_signals_total{P}': '0x20 1x40' },
      notYetAt: '19m',
      at: '22m',
      says: '1 refresh tokens in 10 minutes were ours and unknown to the database: rows are gone.',
    },
    AuthAuditUnsealed: {
      series: { 'auth_audit_oldest_pending_seconds{P}': '0+60x60' },
      notYetAt: '10m',
      at: '12m',
      says: 'The oldest audit row without a seal is 12m 0s old (limit 5 minutes).',
    },
    AuthMailGivenUp: {
      series: { 'auth_email_given_up_total{P}': '0x20 200x40' },
      notYetAt: '19m',
      at: '22m',
      says: '200 mails of the last hour will not be sent any more: more than a tenth of those that were.',
    },
    AuthRedisAway: {
      series: { 'auth_redis_up{P}': '1x10 0x50' },
      notYetAt: '15m',
      at: '17m',
      says: 'No pod reaches Redis; nothing is lost, everything asks PostgreSQL.',
    },
    AuthUpstreamAway: {
      series: { 'auth_upstream_up{P}': '1x10 0x50' },
      notYetAt: '12m',
      at: '14m',
      says: 'No pod gets a good answer from the auth service of AUTH_UPSTREAM_URL.',
    },
    AuthUpstreamRefusesService: {
      series: { 'auth_upstream_requests_total{P,category="service-refused"}': '0x10 0+4x50' },
      notYetAt: '11m',
      at: '20m',
      says: '20 requests of the last five minutes were refused for the credentials of this service, not of a user.',
    },
  },
  'latchkey-operator': {
    RolloutOperatorAway: {
      series: { 'latchkey_leader{P}': '1x10 0x50' },
      notYetAt: '12m',
      at: '14m',
      says: 'No replica of the operator has led for 2 minutes; weights stay where they are.',
    },
    RolloutZeroNotProven: {
      series: {
        'latchkey_rollout_zero_not_proven_total{P,exported_namespace="auth",name="auth-api",stage="selector"}':
          '_x20 1x40',
      },
      notYetAt: '19m',
      at: '22m',
      says: 'auth/auth-api: weight 0 was written, and its canary went on answering.',
      labels: { namespace: 'latchkey-system', exported_namespace: 'auth', name: 'auth-api' },
    },
    RolloutTakenBack: {
      series: { 'latchkey_rollout_info{P,exported_namespace="auth",name="auth-api",phase="RolledBack"}': '_x20 1x40' },
      notYetAt: '19m',
      at: '22m',
      says: 'auth/auth-api is RolledBack.',
      labels: { namespace: 'latchkey-system', exported_namespace: 'auth', name: 'auth-api', phase: 'RolledBack' },
    },
    RolloutWatchDeaf: {
      series: { 'latchkey_watch_last_event_age_seconds{P,resource="httproutes"}': '0+60x60' },
      notYetAt: '5m',
      at: '9m',
      says: 'The watch of httproutes has been silent for 9m 0s; a living one speaks each minute.',
      labels: { resource: 'httproutes' },
    },
    RolloutSentinelSlow: {
      series: {
        'latchkey_sentinel_round_seconds_bucket{P,le="0.5"}': '0x60',
        'latchkey_sentinel_round_seconds_bucket{P,le="2"}': '0+60x60',
      },
      notYetAt: '5m',
      at: '12m',
      says: 'A round over the canaries takes 1.985s; it wants to begin each second.',
    },
    RolloutNotificationsStuck: {
      // One message: after a quarter of an hour it is given up, and waits no more.
      series: { 'latchkey_notifications_oldest_seconds{P}': '0+60x14 0x45' },
      notYetAt: '10m',
      at: '12m',
      says: 'The oldest message has waited for 12m 0s.',
    },
    RolloutNotificationsLost: {
      series: { 'latchkey_notifications_total{P,channel="slack",outcome="expired"}': '0x20 1x40' },
      notYetAt: '19m',
      at: '22m',
      says: '1 messages of the last hour did not reach slack and will not be sent again.',
      labels: { channel: 'slack' },
    },
  },
};

const PODS: Readonly<Record<Chart, readonly [first: string, second: string]>> = {
  latchkey: ['namespace="auth",pod="auth-api-stable-7d9-x2x"', 'namespace="auth",pod="auth-api-5c4-k8k"'],
  'latchkey-operator': [
    'namespace="latchkey-system",pod="latchkey-operator-6f-abc"',
    'namespace="latchkey-system",pod="latchkey-operator-6f-def"',
  ],
};

const inputOf = (chart: Chart, series: Series): readonly object[] => {
  const [first, second] = PODS[chart];
  return Object.entries(series).map(([name, values]) => ({
    series: name.replace('{P', `{${first}`).replace('{Q', `{${second}`),
    values,
  }));
};

for (const chart of ['latchkey', 'latchkey-operator'] as const) {
  describe(`the alerts of the chart ${chart}`, () => {
    let folder: string;
    let promtool: string;
    let rules: readonly ChartRule[];

    before(async () => {
      ({ promtool } = await partsFor(['promtool']));
      folder = await mkdtemp(join(tmpdir(), 'latchkey-rules-'));
      const groups = await ruleGroups(chart);
      rules = groups.flatMap((group) => group.rules);
      await writeFile(join(folder, 'rules.yaml'), stringify({ groups }));
    });
    after(() => rm(folder, { recursive: true }));

    const test = async (input: Series, expected: readonly object[]): Promise<void> => {
      const file = join(folder, 'test.yaml');
      const one = { interval: '1m', input_series: inputOf(chart, input), alert_rule_test: expected };
      await writeFile(file, stringify({ rule_files: ['rules.yaml'], evaluation_interval: '30s', tests: [one] }));
      await promisify(execFile)(promtool, ['test', 'rules', file]).catch(
        (error: { stdout?: string; stderr?: string }) => expect.fail(`${error.stderr ?? ''}${error.stdout ?? ''}`),
      );
    };

    it('are all tested here', () => {
      expect(rules.map(({ alert }) => alert)).to.have.members(Object.keys(CAUSES[chart]));
    });

    it('are silent in a healthy installation', async () => {
      const silent = rules.map(({ alert }) => ({ alertname: alert, eval_time: '50m', exp_alerts: [] }));
      await test(HEALTHY[chart], silent);
    });

    it('lead to a page of the runbook each', () => {
      for (const { annotations } of rules)
        expect(
          existsSync(new URL(`../../../${annotations.runbook_url}`, import.meta.url)),
          annotations.runbook_url,
        ).to.equal(true);
    });

    for (const [alert, { series, at, notYetAt, says, labels = {} }] of Object.entries(CAUSES[chart]))
      it(`${alert} fires when its cause is there, and not before it has lasted`, async () => {
        const rule = rules.find((one) => one.alert === alert);
        const firing = {
          exp_labels: { ...rule?.labels, ...labels },
          exp_annotations: { ...rule?.annotations, description: says },
        };
        await test({ ...HEALTHY[chart], ...series }, [
          { alertname: alert, eval_time: notYetAt, exp_alerts: [] },
          { alertname: alert, eval_time: at, exp_alerts: [firing] },
        ]);
      });
  });
}
