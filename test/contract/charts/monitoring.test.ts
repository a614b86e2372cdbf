/** What the charts render for the Prometheus operator and against strangers: off unless asked for, and about our pods alone. */
import { expect } from 'chai';
import { z } from 'zod';
import { only, refusal, render, workload } from './helm.ts';

const labels = z.record(z.string(), z.string());
const selecting = z.looseObject({ selector: z.strictObject({ matchLabels: labels }) });
const policyShape = z.looseObject({
  podSelector: z.strictObject({ matchLabels: labels }),
  policyTypes: z.array(z.string()),
  ingress: z.array(z.looseObject({ from: z.array(z.unknown()), ports: z.array(z.unknown()) })),
  egress: z.array(z.looseObject({})).default([]),
});
const alertingShape = z.object({
  groups: z.array(z.object({ rules: z.array(z.object({ labels: z.object({ namespace: z.string() }) })) })),
});
const GATEWAY = { namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'gateway-system' } } };

describe('monitors and policies of the charts', () => {
  it('are not there unless somebody asks for them', async () => {
    const kinds = [...(await render('latchkey')), ...(await render('latchkey-operator'))].map(({ kind }) => kind);
    for (const kind of ['PodMonitor', 'ServiceMonitor', 'PrometheusRule', 'NetworkPolicy'])
      expect(kinds).not.to.include(kind);
  });

  it('scrape the pods of the API where they say themselves that their metrics are', async () => {
    const objects = await render('latchkey', { podMonitor: { enabled: true, labels: { release: 'stack' } } });
    const monitor = only(objects, 'PodMonitor', 'auth-api');
    const { template } = workload(only(objects, 'Deployment', 'auth-api'));
    expect(monitor.metadata.labels).to.include({ release: 'stack' });
    expect(template.metadata.labels).to.include(selecting.parse(monitor.spec).selector.matchLabels);
    expect(monitor.spec).to.deep.include({
      podMetricsEndpoints: [{ port: 'http', path: '/api/metrics', interval: '5s' }],
    });
  });

  it('scrape the operator through its Service', async () => {
    const objects = await render('latchkey-operator', { metricsService: { monitor: { enabled: true } } });
    const { selector } = selecting.parse(only(objects, 'ServiceMonitor', 'latchkey-operator').spec);
    expect(only(objects, 'Service', 'latchkey-operator-metrics').metadata.labels).to.include(selector.matchLabels);
  });

  it('name the installation in every alert: two of them under one Prometheus are not one alert', async () => {
    for (const chart of ['latchkey', 'latchkey-operator'] as const) {
      const objects = await render(chart, { prometheusRule: { enabled: true } }, 'elsewhere');
      const { groups } = alertingShape.parse(only(objects, 'PrometheusRule').spec);
      const named = groups.flatMap(({ rules }) => rules.map((rule) => rule.labels.namespace));
      expect(new Set(named), chart).to.deep.equal(new Set(['elsewhere']));
    }
  });

  it('let the named peers reach the port, and everything out unless something is named', async () => {
    const objects = await render('latchkey', { networkPolicy: { enabled: true, from: [GATEWAY] } });
    const policy = policyShape.parse(only(objects, 'NetworkPolicy', 'auth-api').spec);
    const { template } = workload(only(objects, 'Deployment', 'auth-api'));
    expect(template.metadata.labels).to.include(policy.podSelector.matchLabels);
    expect(policy).to.deep.include({
      policyTypes: ['Ingress'],
      ingress: [{ from: [GATEWAY], ports: [{ port: 'http', protocol: 'TCP' }] }],
      egress: [],
    });
  });

  it('let names be resolved where something is named', async () => {
    const database = { to: [GATEWAY], ports: [{ port: 5432, protocol: 'TCP' }] };
    const values = { networkPolicy: { enabled: true, from: [GATEWAY], to: [database] } };
    const policy = policyShape.parse(only(await render('latchkey', values), 'NetworkPolicy', 'auth-api').spec);
    expect(policy.policyTypes).to.deep.equal(['Ingress', 'Egress']);
    expect(policy.egress).to.deep.equal([
      database,
      {
        ports: [
          { port: 53, protocol: 'UDP' },
          { port: 53, protocol: 'TCP' },
        ],
      },
    ]);
  });

  it('refuse a policy that would shut everybody out', async () => {
    expect(await refusal('latchkey', { networkPolicy: { enabled: true } })).to.match(
      /networkPolicy.*from|from.*minItems/s,
    );
  });
});
