// Which operator pod leads, and how to end it. Called by chaos.test.ts and refused.test.ts.
import { z } from 'zod';
import { names } from '../../k8s/demo/install.ts';
import type { Kubectl } from '../../k8s/demo/kubectl.ts';
import { type Pod, podsOf, signalPod } from './pod-process.ts';
import { untilTrue } from './until.ts';

const { operatorNamespace, operatorRelease } = names;
const operatorSelector = `app.kubernetes.io/instance=${operatorRelease}`;
const operatorProcess = 'operator.mjs';
const leasePath = `/apis/coordination.k8s.io/v1/namespaces/${operatorNamespace}/leases/${operatorRelease}`;
const lease = z.object({ spec: z.object({ holderIdentity: z.string().optional() }) });

export async function operatorPods(kubectl: Kubectl): Promise<Pod[]> {
  return podsOf(kubectl, operatorNamespace, operatorSelector);
}

/** The pod that holds the Lease. @throws Error when none does */
export async function leader(kubectl: Kubectl): Promise<Pod> {
  const { holderIdentity = '' } = lease.parse(await kubectl.read(leasePath)).spec;
  const pod = (await operatorPods(kubectl)).find(({ name }) => holderIdentity.includes(name));
  if (pod === undefined) throw new Error(`No operator pod holds the Lease (its holder is "${holderIdentity}").`);
  return pod;
}

export async function untilLeader(kubectl: Kubectl, isWanted: (pod: Pod) => boolean): Promise<void> {
  await untilTrue('another leader', 60_000, async () => isWanted(await leader(kubectl)));
}

/**
 * Ends the leader's process with SIGKILL. Its pod goes too, since the kubelet would make a container that dies often wait
 * for minutes; the ReplicaSet brings the next one at once.
 */
export async function killLeader(kubectl: Kubectl): Promise<string> {
  const pod = await leader(kubectl);
  if (signalPod(pod, operatorProcess, 'SIGKILL') === 0) throw new Error(`${pod.name} has no operator process to kill.`);
  await kubectl.run([
    'delete',
    'pod',
    pod.name,
    '-n',
    operatorNamespace,
    '--force',
    '--grace-period=0',
    '--wait=false',
  ]);
  return pod.name;
}

/** Ends the leader in order: SIGTERM, which gives the Lease back. */
export async function stopLeader(kubectl: Kubectl): Promise<string> {
  const { name } = await leader(kubectl);
  await kubectl.run(['delete', 'pod', name, '-n', operatorNamespace, '--wait=false']);
  return name;
}
