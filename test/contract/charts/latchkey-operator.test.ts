/** What charts/latchkey-operator renders: rights that equal the operator's calls, and the restricted Pod Security level. */
import { expect } from 'chai';
import { z } from 'zod';
import { rolePermissions } from '../../../operator/src/clients/kubernetes.ts';
import { parseConfig } from '../../../operator/src/config.ts';
import { approvalVerb } from '../../../operator/src/core/approval-schema.ts';
import { type KubernetesObject, only, podSpecs, render, workload } from './helm.ts';

const roleShape = z.looseObject({
  rules: z.array(
    z.strictObject({
      apiGroups: z.array(z.string()),
      resources: z.array(z.string()),
      resourceNames: z.array(z.string()).optional(),
      verbs: z.array(z.string()),
    }),
  ),
});

/** One line a right, "group/resource verb", sorted. */
const rightsOf = (object: KubernetesObject): readonly string[] =>
  roleShape
    .parse(object)
    .rules.flatMap(({ apiGroups, resources, verbs }) =>
      apiGroups.flatMap((group) =>
        resources.flatMap((resource) => verbs.map((verb) => `${group}/${resource} ${verb}`)),
      ),
    )
    .toSorted();

const callsIn = (scope: 'watched' | 'own'): readonly string[] => [
  ...new Set(
    rolePermissions
      .filter((permission) => permission.scope === scope)
      .map(({ apiGroup, resource, verb }) => `${apiGroup}/${resource} ${verb}`)
      .toSorted(),
  ),
];

describe('chart latchkey-operator', () => {
  let objects: readonly KubernetesObject[];
  before(async () => {
    objects = await render('latchkey-operator');
  });

  it('grants exactly the calls of the operator, in all namespaces', () => {
    expect(rightsOf(only(objects, 'ClusterRole', 'latchkey-operator'))).to.deep.equal(callsIn('watched'));
  });

  it('grants the Lease only in its own namespace, and updates only of the one Lease', () => {
    const role = only(objects, 'Role', 'latchkey-operator-leader');
    expect(role.metadata.namespace).to.equal('latchkey-system');
    expect(rightsOf(role)).to.deep.equal(callsIn('own'));
    const named = roleShape.parse(role).rules.filter(({ verbs }) => !verbs.includes('create'));
    expect(named.map(({ resourceNames }) => resourceNames)).to.deep.equal([['latchkey-operator']]);
  });

  it('grants the same rights in one namespace only when it watches one', async () => {
    const narrow = await render('latchkey-operator', { watchNamespace: 'auth' });
    const role = only(narrow, 'Role', 'latchkey-operator');
    expect(role.metadata.namespace).to.equal('auth');
    expect(rightsOf(role)).to.deep.equal(callsIn('watched'));
    const clusterWide = narrow.filter((object) => object.kind === 'ClusterRoleBinding');
    expect(clusterWide).to.be.empty;
  });

  it('grants nobody Secrets or ConfigMaps, deletes or wildcards', () => {
    const rights = objects.filter(({ kind }) => kind.endsWith('Role')).flatMap((role) => rightsOf(role));
    const ofOperator = rights.filter((right) => !right.startsWith('latchkey.dev/'));
    expect(rights.filter((right) => /secrets|configmaps|\*/.test(right))).to.deep.equal([]);
    expect(ofOperator.filter((right) => right.endsWith(' delete'))).to.deep.equal([]);
  });

  it('binds the roles to the account that its pods run as', () => {
    const account = only(objects, 'ServiceAccount').metadata.name;
    const bindings = objects.filter(({ kind }) => kind.endsWith('RoleBinding'));
    expect(bindings).to.have.length(2);
    for (const binding of bindings) {
      expect(binding['subjects']).to.deep.equal([
        { kind: 'ServiceAccount', name: account, namespace: 'latchkey-system' },
      ]);
    }
    expect(workload(only(objects, 'Deployment')).template.spec).to.include({ serviceAccountName: account });
  });

  it('lets nobody approve who is not bound to one of the two roles, neither by edit nor by admin', () => {
    const approving = objects.filter(
      (object) => object.kind.endsWith('Role') && rightsOf(object).some((right) => right.includes(' approve-')),
    );
    const granted = approving.map((role) => [
      role.metadata.name,
      rightsOf(role).filter((right) => !/ (get|list|watch)$/.test(right)),
    ]);
    expect(granted).to.deep.equal(
      (['on-call', 'team-lead'] as const).map((role) => [
        `latchkey-operator-approve-${role}`,
        [`latchkey.dev/authrollouts ${approvalVerb(role)}`, 'latchkey.dev/rolloutapprovals create'],
      ]),
    );
    for (const { metadata } of approving) expect(Object.keys(metadata.labels).join()).to.not.include('aggregate-to');
    const others = objects.filter((object) => object.kind.endsWith('Role') && !approving.includes(object));
    const creating = others.filter((object) => rightsOf(object).includes('latchkey.dev/rolloutapprovals create'));
    expect(creating.map(({ metadata }) => metadata.name)).to.deep.equal(['latchkey-operator']);
  });

  it('brings the policy that guards approvals, kept on uninstall, unless the cluster forbids it', async () => {
    const kinds = ['ValidatingAdmissionPolicy', 'ValidatingAdmissionPolicyBinding'];
    const policy = objects.filter(({ kind }) => kinds.includes(kind));
    expect(policy.map(({ kind }) => kind).toSorted()).to.deep.equal([...kinds, ...kinds].toSorted()); // of approvals and of complaints
    for (const { metadata } of policy) expect(metadata.annotations).to.include({ 'helm.sh/resource-policy': 'keep' });
    const without = await render('latchkey-operator', {
      approvals: { policy: false, roles: false, acceptUnguarded: true },
    });
    expect(without.filter(({ kind }) => kinds.includes(kind))).to.be.empty;
    const environment = JSON.stringify(workload(only(without, 'Deployment')).template.spec.containers[0]?.env);
    expect(environment).to.include('{"name":"ACCEPT_UNGUARDED_APPROVALS","value":"true"}');
  });

  it('runs a leader and a standby', () => {
    expect(workload(only(objects, 'Deployment')).replicas).to.equal(2);
  });

  it('every container meets the restricted Pod Security level, with a read-only root', () => {
    const [pod] = podSpecs(objects);
    expect(pod?.spec.securityContext).to.deep.include({
      runAsNonRoot: true,
      runAsUser: 65_532,
      seccompProfile: { type: 'RuntimeDefault' },
    });
    expect(pod?.spec.containers.map(({ securityContext }) => securityContext)).to.deep.equal([
      { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } },
    ]);
  });

  it('mounts the Secret of the notifications where the operator looks for it, and starts without it', async () => {
    const mounted = await render('latchkey-operator', { notifications: { existingSecret: 'channels', key: 'file' } });
    const { spec } = workload(only(mounted, 'Deployment')).template;
    const [volume] = z.looseObject({ volumes: z.array(z.looseObject({})) }).parse(spec).volumes;
    expect(volume).to.deep.equal({
      name: 'notifications',
      secret: {
        secretName: 'channels',
        optional: true,
        defaultMode: 0o440,
        items: [{ key: 'file', path: 'notifications.json' }],
      },
    });
    const [container] = spec.containers;
    const file = container?.env.find(({ name }) => name === 'NOTIFICATIONS_FILE')?.value;
    const [mount] = z
      .looseObject({ volumeMounts: z.array(z.looseObject({ mountPath: z.string() })) })
      .parse(container).volumeMounts;
    expect(file).to.equal(`${mount?.mountPath ?? ''}/notifications.json`);
    const rights = mounted.filter(({ kind }) => kind.endsWith('Role')).flatMap((role) => rightsOf(role));
    expect(rights.filter((right) => right.includes('secrets'))).to.deep.equal([]);
  });

  it('mounts the token of Alertmanager where the operator looks for it, beside the channels and alone', async () => {
    for (const notifications of [{}, { existingSecret: 'channels' }]) {
      const mounted = await render('latchkey-operator', {
        notifications,
        alerts: { existingSecret: 'hook', key: 'bearer' },
      });
      const { spec } = workload(only(mounted, 'Deployment')).template;
      const named = z.looseObject({ name: z.string() });
      const { volumes } = z.looseObject({ volumes: z.array(named) }).parse(spec);
      expect(volumes.find(({ name }) => name === 'alerts')).to.deep.include({
        secret: { secretName: 'hook', optional: true, defaultMode: 0o440, items: [{ key: 'bearer', path: 'token' }] },
      });
      const [container] = spec.containers;
      const mounts = z.looseObject({ volumeMounts: z.array(named) }).parse(container).volumeMounts;
      expect(mounts.map(({ name }) => name)).to.deep.equal(volumes.map(({ name }) => name));
      expect(container?.env.find(({ name }) => name === 'ALERTS_TOKEN_FILE')?.value).to.equal(
        '/etc/latchkey/alerts/token',
      );
    }
  });

  it("gives an environment that the operator's configuration accepts", async () => {
    const narrow = await render('latchkey-operator', { watchNamespace: 'auth', logLevel: 'debug' });
    const [container] = workload(only(narrow, 'Deployment')).template.spec.containers;
    const fromPod = { POD_NAME: 'latchkey-operator-0', POD_NAMESPACE: 'latchkey-system' };
    const written = container?.env.flatMap(({ name, value }) => (value === undefined ? [] : [[name, value]])) ?? [];
    const parsed = parseConfig([], { ...Object.fromEntries(written), ...fromPod });
    if (parsed.kind !== 'run') throw new Error(JSON.stringify(parsed));
    expect(parsed.config).to.include({
      watchNamespace: 'auth',
      leaseName: 'latchkey-operator',
      port: 8080,
      logLevel: 'debug',
      podName: fromPod.POD_NAME,
      podNamespace: fromPod.POD_NAMESPACE,
    });
    expect(parsed.config.notificationsFile).to.equal(undefined);
    const named = container?.env.map(({ name }) => name);
    expect(named).to.include.members(['POD_NAME', 'POD_NAMESPACE', 'WATCH_NAMESPACE', 'LEASE_NAME']);
  });
});
