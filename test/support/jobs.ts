/** Jobs on a test apiserver, where no controller runs them: the test writes their status as the controller would. Used by test/integration/operator. */
import type { TestApiserver } from './apiserver.ts';

export const jobsIn = (namespace: string): string => `/apis/batch/v1/namespaces/${namespace}/jobs`;

/** What `kubectl create -f` would send. */
export async function makeJob(server: TestApiserver, namespace: string, name: string): Promise<void> {
  const containers = [{ name: 'verify', image: 'latchkey/verify:1' }];
  const spec = { template: { spec: { restartPolicy: 'Never', containers } } };
  await server.request('POST', jobsIn(namespace), { apiVersion: 'batch/v1', kind: 'Job', metadata: { name }, spec });
}

/** The conditions that the controller writes, each end with the one that goes before it. */
const CONDITIONS = { Complete: ['SuccessCriteriaMet', 'Complete'], Failed: ['FailureTarget', 'Failed'] } as const;

export async function endJob(
  server: TestApiserver,
  namespace: string,
  end: { readonly name: string; readonly how: keyof typeof CONDITIONS },
): Promise<void> {
  const now = new Date().toISOString().replace(/\.\d+Z$/, 'Z');
  const conditions = CONDITIONS[end.how].map((type) => ({
    type,
    status: 'True',
    reason: 'Test',
    lastProbeTime: now,
    lastTransitionTime: now,
  }));
  const isComplete = end.how === 'Complete';
  const status = {
    startTime: now,
    conditions,
    ...(isComplete ? { completionTime: now, succeeded: 1 } : { failed: 1 }),
  };
  const path = `${jobsIn(namespace)}/${end.name}/status`;
  await server.request('PATCH', path, { status }, 'application/merge-patch+json');
}

/** Marks it as being deleted, and lets it stand there: the garbage collector that would end it does not run here. */
export async function beginDeletion(server: TestApiserver, namespace: string, name: string): Promise<void> {
  await server.request('DELETE', `${jobsIn(namespace)}/${name}?propagationPolicy=Orphan`);
}

export async function endDeletion(server: TestApiserver, namespace: string, name: string): Promise<void> {
  const patch = { metadata: { finalizers: [] } };
  await server.request('PATCH', `${jobsIn(namespace)}/${name}`, patch, 'application/merge-patch+json');
}

/** At once. */
export async function deleteJob(server: TestApiserver, namespace: string, name: string): Promise<void> {
  await server.request('DELETE', `${jobsIn(namespace)}/${name}?propagationPolicy=Background`);
}
