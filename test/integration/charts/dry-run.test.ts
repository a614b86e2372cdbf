/** A real apiserver reads every manifest that we ship, strictly: unknown fields, wrong types and CEL rules are refused. */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { parse } from 'yaml';
import { z } from 'zod';
import { exampleValues, type KubernetesObject, readObjects, render, type Values } from '../../contract/charts/helm.ts';
import { built, builtFor, ENVIRONMENTS, NAMESPACES } from '../../contract/charts/kustomize.ts';
import { type TestApiserver, testApiserver } from '../../support/apiserver.ts';
import { serveDefinitions } from '../../support/definitions.ts';
import { blocksOf } from '../../support/page-commands.ts';

const EXAMPLES = fileURLToPath(new URL('../../../k8s/examples/', import.meta.url));
/** What the apiserver's paths call them. */
const PLURALS: Readonly<Record<string, string>> = {
  AuthRollout: 'authrollouts',
  ConfigMap: 'configmaps',
  CronJob: 'cronjobs',
  ClusterRole: 'clusterroles',
  ClusterRoleBinding: 'clusterrolebindings',
  CustomResourceDefinition: 'customresourcedefinitions',
  Deployment: 'deployments',
  HorizontalPodAutoscaler: 'horizontalpodautoscalers',
  HTTPRoute: 'httproutes',
  Job: 'jobs',
  NetworkPolicy: 'networkpolicies',
  PersistentVolumeClaim: 'persistentvolumeclaims',
  Pod: 'pods',
  PodDisruptionBudget: 'poddisruptionbudgets',
  Role: 'roles',
  RoleBinding: 'rolebindings',
  Service: 'services',
  ServiceAccount: 'serviceaccounts',
  ValidatingAdmissionPolicy: 'validatingadmissionpolicies',
  ValidatingAdmissionPolicyBinding: 'validatingadmissionpolicybindings',
};

const valuesShape = z.record(z.string(), z.unknown());
/** Kinds of the Prometheus operator, which this apiserver does not know. */
const MONITORING: readonly string[] = ['PodMonitor', 'PrometheusRule'];
const withoutMonitoring = (values: Values): Values => ({
  ...values,
  podMonitor: { enabled: false },
  prometheusRule: { enabled: false },
});

describe('a real apiserver accepts, strictly read,', function () {
  this.timeout(90_000);
  let server: TestApiserver;

  before(async () => {
    server = await testApiserver();
    await serveDefinitions(server);
    for (const name of [...Object.values(NAMESPACES), 'latchkey-system', 'elsewhere']) {
      const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name } };
      await server.request('POST', '/api/v1/namespaces', namespace).catch((error: unknown) => {
        if (!String(error).includes('AlreadyExists')) throw error;
      });
    }
  });

  /** What the apiserver says against this object; undefined when it would take it. */
  async function objection(object: KubernetesObject): Promise<string | undefined> {
    const plural = PLURALS[object.kind];
    if (plural === undefined) return `no plural known of ${object.kind}`;
    const group = object.apiVersion.includes('/') ? `/apis/${object.apiVersion}` : `/api/${object.apiVersion}`;
    const within = object.metadata.namespace === undefined ? '' : `/namespaces/${object.metadata.namespace}`;
    const query = 'dryRun=All&fieldManager=dry-run&force=true&fieldValidation=Strict';
    const path = `${group}${within}/${plural}/${object.metadata.name}?${query}`;
    return await server.request('PATCH', path, object, 'application/apply-patch+yaml').then(
      () => undefined,
      (error: unknown) => `${object.kind} ${object.metadata.name}: ${String(error)}`,
    );
  }

  async function objections(objects: readonly KubernetesObject[]): Promise<readonly string[]> {
    const all = await Promise.all(objects.map((object) => objection(object)));
    return all.filter((said) => said !== undefined);
  }

  const settings: readonly (readonly ['latchkey' | 'latchkey-operator', string, Values])[] = [
    ['latchkey', 'as it is', {}],
    ['latchkey', 'without a rollout', { rollout: { enabled: false } }],
    [
      'latchkey',
      'with everything set',
      {
        image: { tag: 'v2', digest: `sha256:${'a'.repeat(64)}` },
        imagePullSecrets: [{ name: 'registry' }],
        config: { trustProxy: ['10.0.0.0/8', 'loopback'], rateLimitPerMinute: 100 },
        extraEnv: [{ name: 'DEFAULT_ORGANIZATION', value: 'acme' }],
        podLabels: { team: 'identity' },
        podAnnotations: { 'example.com/owner': 'identity' },
        nodeSelector: { 'kubernetes.io/os': 'linux' },
        tolerations: [{ key: 'dedicated', operator: 'Exists' }],
        affinity: { podAntiAffinity: {} },
        podDisruptionBudget: { maxUnavailable: '25%' },
        serviceAccount: { annotations: { 'example.com/role': 'auth' } },
        route: {
          parentRefs: [{ name: 'public', namespace: 'gateways', sectionName: 'https' }],
          hostnames: ['auth.example.com'],
          timeouts: { request: '15s', backendRequest: '10s' },
          annotations: { 'example.com/owner': 'identity' },
        },
        rollout: { paused: true, matrix: { errorRate: { p0: 0.1 } }, blindLimit: '2m', proveWithin: '5s' },
        test: { url: 'https://auth.example.com/' },
      },
    ],
    [
      'latchkey',
      'with everything switched on that is off',
      {
        replicas: null,
        autoscaling: { enabled: true },
        migrate: { asJob: true },
        backup: { enabled: true, publicKey: `lkpub_${'a'.repeat(43)}` },
      },
    ],
    ['latchkey', 'in development', exampleValues('development')],
    ['latchkey', 'in staging', exampleValues('staging')],
    ['latchkey', 'in production', withoutMonitoring(exampleValues('production'))],
    ['latchkey-operator', 'as it is', {}],
    ['latchkey-operator', 'for one namespace', { watchNamespace: 'elsewhere', priorityClassName: 'high' }],
  ];
  for (const [chart, how, values] of settings) {
    it(`the chart ${chart} ${how}`, async () => {
      expect(await objections(await render(chart, values))).to.deep.equal([]);
    });
  }

  for (const environment of ENVIRONMENTS) {
    it(`k8s/overlays/${environment} and its route`, async () => {
      const known = (await builtFor(environment)).filter(({ kind }) => !MONITORING.includes(kind));
      expect(await objections(known)).to.deep.equal([]);
    });
  }

  it('k8s/base/latchkey-operator', async () => {
    expect(await objections(await built('base/latchkey-operator'))).to.deep.equal([]);
  });

  it('the values that docs/security-configuration.md shows', async () => {
    const shown = blocksOf('docs/security-configuration.md', 'yaml').map((block) => valuesShape.parse(parse(block)));
    expect(shown.map((values) => Object.keys(values)[0])).to.deep.equal(['existingSecret', 'networkPolicy']);
    for (const values of shown) expect(await objections(await render('latchkey', values))).to.deep.equal([]);
  });

  for (const file of readdirSync(EXAMPLES).filter((name) => name.endsWith('.yaml'))) {
    it(`k8s/examples/${file}`, async () => {
      const objects = readObjects(readFileSync(`${EXAMPLES}${file}`, 'utf8'));
      expect(objects).not.to.be.empty;
      expect(await objections(objects)).to.deep.equal([]);
    });
  }

  it('nothing with an unknown field', async () => {
    const text = readFileSync(`${EXAMPLES}authrollout.yaml`, 'utf8').replace('spec:', 'spec:\n  scheduel: []');
    expect((await objections(readObjects(text))).join()).to.include('.spec.scheduel');
  });
});
