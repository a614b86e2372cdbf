/**
 * RolloutApprovals on a test apiserver: the policy that guards them, the people who make them. Used by rollout-scene.ts and
 * test/integration/operator.
 */
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { type KubernetesObject, readObjects, render } from '../contract/charts/helm.ts';
import type { TestApiserver } from './apiserver.ts';
import { eventually } from './eventually.ts';

const ADMISSION = '/apis/admissionregistration.k8s.io/v1';
const RBAC = '/apis/rbac.authorization.k8s.io/v1';
const BINDING = `${ADMISSION}/validatingadmissionpolicybindings`;
const POLICY_FILE = new URL('../../k8s/approval-policy.yaml', import.meta.url);
/** The apiserver takes a new policy up by a watch of its own. */
const IN_FORCE_WITHIN_MS = 20_000;

export const approvalsIn = (namespace: string): string =>
  `/apis/latchkey.dev/v1alpha1/namespaces/${namespace}/rolloutapprovals`;

export interface ApprovalFields {
  readonly by: string;
  readonly revision?: string | undefined;
  readonly stepIndex?: number;
  readonly role?: string;
  readonly validForMs?: number;
  readonly checkpoint?: string;
  readonly answer?: 'yes' | 'no';
}

/** What `kubectl create -f -` would send. */
export function approvalManifest(fields: ApprovalFields): object {
  const { by, revision = '0123456789', stepIndex = 0, role = 'on-call', validForMs = 600_000, ...answer } = fields;
  const expiresAt = new Date(Date.now() + validForMs).toISOString();
  const question = { rolloutName: 'auth-api', revision, stepIndex, role, ...answer };
  const spec = { ...question, by, reason: 'looked at it', expiresAt };
  return { apiVersion: 'latchkey.dev/v1alpha1', kind: 'RolloutApproval', metadata: { generateName: 'test-' }, spec };
}

const policyObjects = (): readonly KubernetesObject[] => readObjects(readFileSync(POLICY_FILE, 'utf8'));

/** Returns when a forged approval is refused. */
export async function guardApprovals(server: TestApiserver): Promise<void> {
  for (const object of policyObjects()) {
    const plural = object.kind.endsWith('Binding') ? BINDING : `${ADMISSION}/validatingadmissionpolicies`;
    await server.request('POST', plural, object).catch(unlessThere);
  }
  await eventually('forged approvals are refused', IN_FORCE_WITHIN_MS, () => isForgeryRefused(server));
}

/** Takes the binding away and returns when a forged approval is taken; guardApprovals brings it back. */
export async function unguardApprovals(server: TestApiserver): Promise<void> {
  for (const { kind, metadata } of policyObjects())
    if (kind.endsWith('Binding')) await server.request('DELETE', `${BINDING}/${metadata.name}`);
  await eventually('forged approvals are taken', IN_FORCE_WITHIN_MS, async () => !(await isForgeryRefused(server)));
}

async function isForgeryRefused(server: TestApiserver): Promise<boolean> {
  const path = `${approvalsIn('default')}?dryRun=All`;
  return await server.request('POST', path, approvalManifest({ by: 'nobody' })).then(
    () => false,
    (error: unknown) => String(error).includes('spec.by'),
  );
}

const issuedToken = z.object({ status: z.object({ token: z.string() }) });

/** A ServiceAccount as a person: its name as the apiserver knows it, and credentials. */
export async function person(
  server: TestApiserver,
  namespace: string,
  name: string,
): Promise<{ readonly username: string; readonly token: string }> {
  const accounts = `/api/v1/namespaces/${namespace}/serviceaccounts`;
  await server.request('POST', accounts, { metadata: { name } });
  const issued = await server.request('POST', `${accounts}/${name}/token`, { spec: { expirationSeconds: 3600 } });
  return { username: `system:serviceaccount:${namespace}:${name}`, token: issuedToken.parse(issued).status.token };
}

/** What `kubectl create rolebinding --clusterrole latchkey-operator-approve-… --user …` does, after the chart has brought its roles. */
export async function mayApprove(
  server: TestApiserver,
  namespace: string,
  { username, role }: { readonly username: string; readonly role: 'on-call' | 'team-lead' },
): Promise<void> {
  await bindChartRole(server, namespace, { username, name: `latchkey-operator-approve-${role}` });
  await mayDo(server, username, { namespace, verb: `approve-${role}`, resource: 'authrollouts' });
}

/** A ClusterRole of the operator's chart, bound to a user in a namespace. `mayDo` waits until RBAC knows. */
export async function bindChartRole(
  server: TestApiserver,
  namespace: string,
  { username, name }: { readonly username: string; readonly name: string },
): Promise<void> {
  const chartRole = (await render('latchkey-operator')).find(
    ({ kind, metadata }) => kind === 'ClusterRole' && metadata.name === name,
  );
  await server.request('POST', `${RBAC}/clusterroles`, chartRole).catch(unlessThere);
  const apiGroup = 'rbac.authorization.k8s.io';
  await server.request('POST', `${RBAC}/namespaces/${namespace}/rolebindings`, {
    metadata: { generateName: `${name}-` },
    roleRef: { apiGroup, kind: 'ClusterRole', name },
    subjects: [{ apiGroup, kind: 'User', name: username }],
  });
}

const review = z.looseObject({ status: z.looseObject({ allowed: z.boolean() }) });

/** Returns when RBAC knows the binding: it takes it up by a watch of its own. */
export async function mayDo(
  server: TestApiserver,
  user: string,
  what: { readonly namespace: string; readonly verb: string; readonly resource: string },
): Promise<void> {
  const resourceAttributes = { ...what, group: 'latchkey.dev', name: 'auth-api' };
  const body = {
    apiVersion: 'authorization.k8s.io/v1',
    kind: 'SubjectAccessReview',
    spec: { user, resourceAttributes },
  };
  await eventually(`${user} may ${what.verb}`, IN_FORCE_WITHIN_MS, async () => {
    const answer = await server.request('POST', '/apis/authorization.k8s.io/v1/subjectaccessreviews', body);
    return review.parse(answer).status.allowed;
  });
}

/** Another test of the same process may have made it already. */
function unlessThere(error: unknown): void {
  if (!String(error).includes('AlreadyExists')) throw error;
}
