/** What Alertmanager posts, version 4, with the fields that it always sends. Used by the tests of the alert hook. */

export interface AlertOptions {
  readonly severity?: string;
  readonly name?: string;
  readonly status?: 'firing' | 'resolved';
  readonly rollout?: string;
  readonly namespace: string;
}

export function alertOf({
  severity = 'P0',
  name = 'AuthAlert',
  status = 'firing',
  rollout,
  namespace,
}: AlertOptions): object {
  return {
    status,
    labels: { alertname: name, severity, namespace, latchkey_rollout: rollout ?? 'auth-api' },
    annotations: { summary: 'something is wrong' },
    startsAt: '2030-01-01T02:00:00.123456789Z',
    endsAt: '0001-01-01T00:00:00Z',
    generatorURL: 'http://prometheus.example.com/graph',
    fingerprint: `${name}-${namespace}`,
  };
}

export function alertmanagerMessage(...alerts: readonly object[]): object {
  return {
    version: '4',
    groupKey: '{}:{alertname="AuthAlert"}',
    truncatedAlerts: 0,
    status: 'firing',
    receiver: 'latchkey',
    groupLabels: {},
    commonLabels: {},
    commonAnnotations: {},
    externalURL: 'http://alertmanager.example.com',
    alerts,
  };
}
