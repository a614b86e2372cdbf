import { expect } from 'chai';
import { parseAllDocuments } from 'yaml';
import { z } from 'zod';
import { CALLS, type Permission, rolePermissions } from '../../../operator/src/clients/kubernetes.ts';
import { helm } from '../../contract/charts/helm.ts';
import { FaultProxy, type Passed } from '../../support/fault-proxy.ts';
import { endJob, makeJob } from '../../support/jobs.ts';
import { Scene } from '../../support/rollout-scene.ts';

const RBAC = '/apis/rbac.authorization.k8s.io/v1';
const KINDS: Readonly<Record<string, string>> = {
  ClusterRole: 'clusterroles',
  ClusterRoleBinding: 'clusterrolebindings',
  Role: 'roles',
  RoleBinding: 'rolebindings',
};
const objectShape = z.looseObject({
  kind: z.string(),
  metadata: z.looseObject({ name: z.string(), namespace: z.string().optional() }),
});
const roleShape = z.looseObject({
  rules: z.array(z.looseObject({ resources: z.array(z.string()), verbs: z.array(z.string()) })),
});

const SCHEDULE = [
  { weight: 50, hold: '2s', checkEvery: '1s' },
  { weight: 100, hold: '2s', checkEvery: '1s' },
];
/** The last step waits for a Job. */
const GUARDED = SCHEDULE.map((step) =>
  step.weight === 100 ? { ...step, checkpoints: [{ name: 'schema', job: { name: 'verify' } }] } : step,
);

describe('the chart’s role on a real apiserver', function () {
  this.timeout(180_000);

  /** Installs the rendered RBAC with its ServiceAccount, and gives a token for it. */
  async function install(scene: Scene): Promise<string> {
    const { namespace, server } = scene;
    const release = `operator-${namespace}`;
    const answer = await helm([
      'template',
      release,
      'charts/latchkey-operator',
      '--namespace',
      namespace,
      '--set',
      'leaderElection.leaseName=latchkey-operator',
    ]);
    if (answer.code !== 0) throw new Error(answer.stderr);
    for (const document of parseAllDocuments(answer.stdout)) {
      const object = objectShape.safeParse(document.toJS()).data;
      if (object === undefined) continue;
      const plural = KINDS[object.kind];
      if (plural !== undefined) {
        const place = object.kind.startsWith('Cluster') ? '' : `/namespaces/${object.metadata.namespace ?? namespace}`;
        // The user roles that the chart also carries have fixed names; they are there already from the first scene.
        await server.request('POST', `${RBAC}${place}/${plural}`, object).catch((error: unknown) => {
          if (!String(error).includes('409')) throw error;
        });
      }
      if (object.kind === 'ServiceAccount')
        await server.request('POST', `/api/v1/namespaces/${namespace}/serviceaccounts`, object);
    }
    const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${release}/token`;
    const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { expirationSeconds: 3600 } };
    const issued = z
      .object({ status: z.object({ token: z.string() }) })
      .parse(await server.request('POST', path, body));
    return issued.status.token;
  }

  it('allows a whole life of a rollout without one 403, and every right in it is used', async () => {
    const scene = await Scene.create({ spec: { schedule: GUARDED, zero: { proveWithin: '3s' } } });
    const proxy = await FaultProxy.start(scene.server);
    try {
      const kubeconfig = scene.server.kubeconfig(await install(scene), proxy.url);
      await scene.server.request('DELETE', `/api/v1/namespaces/${scene.namespace}/services/auth-api-canary`);
      const operator = scene.operator({ kubeconfig, watchNamespace: '' });
      await scene.adopted();
      await scene.release('v2');
      await scene.until('a Job is asked for', 30_000, ({ status }) => status['checkpoints'] !== undefined);
      await makeJob(scene.server, scene.namespace, 'verify');
      await endJob(scene.server, scene.namespace, { name: 'verify', how: 'Complete' });
      await scene.until(
        'v2 is promoted',
        60_000,
        ({ status }) => status.phase === 'Succeeded' && status.stepIndex === 1,
      );
      await scene.release('v3');
      await scene.until('v3 has 50 %', 30_000, async () => (await scene.weight()) === 50);
      scene.workloads.behaviours.set('v3', { slowShare: 0.3 });
      await scene.until('v3 needs an approval', 30_000, ({ status }) => status['approvalNeeded'] !== undefined);
      scene.workloads.behaviours.set('v3', {});
      await scene.approve();
      await scene.until('v3 has 50 % again', 30_000, async () => (await scene.weight()) === 50);
      scene.workloads.stuckCanaryShare = 0.5;
      scene.workloads.behaviours.set('v3', { errorShare: 0.5 });
      await scene.until('its Service was turned away', 30_000, ({ status }) =>
        JSON.stringify(status['zero'] ?? {}).includes('provenAt'),
      );
      await scene.deleteRollout();
      await scene.untilGone(`/apis/latchkey.dev/v1alpha1/namespaces/${scene.namespace}/authrollouts`, 'auth-api');
      expect(await operator.kill('SIGTERM')).to.equal(0);
      // The forged approval of the probe is refused by the policy; were it RBAC, v3 would not have come back.
      const denied = proxy.passed.filter(
        ({ status, path }) => [401, 403].includes(status) && !path.includes('dryRun=All'),
      );
      expect(denied).to.deep.equal([]);
      const used = new Set(proxy.passed.map((passed) => nameOf(permissionOf(passed))));
      expect([...used].toSorted()).to.deep.equal([...new Set(rolePermissions.map(nameOf))].toSorted());
    } finally {
      await proxy.close();
    }
  });

  it('is enforced: without the right to patch routes the operator says so and moves nothing', async () => {
    const scene = await Scene.create({ schedule: SCHEDULE });
    const token = await install(scene);
    const path = `${RBAC}/clusterroles/operator-${scene.namespace}`;
    const role = roleShape.parse(await scene.server.request('GET', path));
    const rules = role.rules.map((rule) =>
      rule.resources.includes('httproutes') ? { ...rule, verbs: rule.verbs.filter((verb) => verb !== 'patch') } : rule,
    );
    await scene.server.request('PATCH', path, { rules }, 'application/merge-patch+json');
    const operator = scene.operator({ kubeconfig: scene.server.kubeconfig(token) });
    await operator.logged((line) => line['code'] === 'ERR_API_FORBIDDEN', 20_000);
    expect(await scene.weight()).to.equal(100);
    expect(operator.isRunning).to.equal(true);
  });
});

function nameOf({ apiGroup, resource, verb }: Permission): string {
  return `${verb} ${apiGroup}/${resource}`;
}

const VERBS: Readonly<Record<string, Permission['verb']>> = { POST: 'create', PUT: 'update', PATCH: 'patch' };

/** What RBAC makes of a request. */
function permissionOf({ method, path }: Passed): Permission {
  const [route = '', query = ''] = path.split('?');
  const parts = route.split('/').slice(1);
  const apiGroup = parts[0] === 'api' ? '' : (parts[1] ?? '');
  const rest = parts.slice(parts[0] === 'api' ? 2 : 3);
  const [plural = '', name, subresource] = rest[0] === 'namespaces' ? rest.slice(2) : rest;
  const read = query.includes('watch=true') ? 'watch' : name === undefined ? 'list' : 'get';
  const resource = subresource === undefined ? plural : `${plural}/${subresource}`;
  const scope = Object.values(CALLS).find((call) => call.resource === resource)?.scope ?? 'watched';
  return { apiGroup, resource, verb: VERBS[method] ?? read, scope };
}
