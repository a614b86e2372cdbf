// Finds and signals the processes of a pod on this machine, which is the cluster's only node: the tests kill the operator
// as the kernel would, and freeze stable's pods. Only processes inside a pod's own control group are ever touched.
import { readdirSync, readFileSync } from 'node:fs';
import { z } from 'zod';
import type { Kubectl } from '../../k8s/demo/kubectl.ts';

const podList = z.object({
  items: z.array(
    z.object({
      metadata: z.object({ name: z.string(), uid: z.string(), deletionTimestamp: z.string().optional() }),
      status: z.object({
        podIP: z.string().optional(),
        containerStatuses: z.array(z.object({ ready: z.boolean(), restartCount: z.number() })).default([]),
      }),
    }),
  ),
});

export interface Pod {
  readonly name: string;
  readonly uid: string;
  readonly ip: string | undefined;
  readonly isReady: boolean;
  readonly restarts: number;
}

export async function podsOf(kubectl: Kubectl, namespace: string, selector: string): Promise<Pod[]> {
  const path = `/api/v1/namespaces/${namespace}/pods?labelSelector=${encodeURIComponent(selector)}`;
  const { items } = podList.parse(await kubectl.read(path));
  return items
    .filter(({ metadata }) => metadata.deletionTimestamp === undefined)
    .map(({ metadata, status }) => ({
      name: metadata.name,
      uid: metadata.uid,
      ip: status.podIP,
      isReady: status.containerStatuses.length > 0 && status.containerStatuses.every(({ ready }) => ready),
      restarts: status.containerStatuses.reduce((sum, { restartCount }) => sum + restartCount, 0),
    }));
}

/** Whether every pod that there is means to stay. */
export async function areSettled(kubectl: Kubectl, namespace: string): Promise<boolean> {
  const { items } = podList.parse(await kubectl.read(`/api/v1/namespaces/${namespace}/pods`));
  return items.every(({ metadata }) => metadata.deletionTimestamp === undefined);
}

/** Process ids of a pod whose command line holds `words`; empty when the pod has none (any more). */
export function processesOf(pod: Pod, words: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => read(`/proc/${pid}/cgroup`).includes(pod.uid))
    .filter((pid) => read(`/proc/${pid}/cmdline`).replaceAll('\0', ' ').includes(words))
    .map(Number);
}

export function signalPod(pod: Pod, words: string, signal: NodeJS.Signals): number {
  const pids = processesOf(pod, words);
  for (const pid of pids) process.kill(pid, signal);
  return pids.length;
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return ''; // The process has ended meanwhile.
  }
}
