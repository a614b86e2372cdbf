/**
 * The throwaway one-node Kubernetes: up, down, and what runs now. cli.ts, the demo and the end-to-end tests call it;
 * the steps of a start are, in order, the files that `startEverything` names.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { z } from 'zod';
import { apiserverGet, startControlPlane } from './control-plane.ts';
import { startDataStores } from './data-stores.ts';
import { tearDown } from './down.ts';
import { startGateway } from './gateway.ts';
import { bridge, gateway, locks, paths, ports, runDir, stateDir } from './layout.ts';
import { withLock } from './lock.ts';
import { refuseForeignNetwork, setUpNetwork } from './network.ts';
import { startNode } from './node.ts';
import { type PartName, partsFor } from './parts.ts';
import { createPki, pkiFile } from './pki.ts';
import { checkMachine, refuseTakenPorts } from './preflight.ts';
import { runningPids } from './processes.ts';
import { type Progress, silentProgress } from './progress.ts';
import { startPrometheus } from './prometheus.ts';

const clusterSchema = z.strictObject({
  kubeconfig: z.string(),
  kubectl: z.string(),
  helm: z.string(),
  k6: z.string(),
  promtool: z.string(),
  /** Where clients reach the gateway, on this host. */
  gatewayUrl: z.url(),
  /** These three work from the host and from pods: they are on the bridge's address. */
  prometheusUrl: z.url(),
  postgresUrl: z.url(),
  redisUrl: z.url(),
  gateway: z.strictObject({ name: z.string(), namespace: z.string() }),
  pids: z.record(z.string(), z.int().positive()),
});

export type Cluster = Readonly<z.infer<typeof clusterSchema>>;

export interface ClusterOptions {
  readonly progress?: Progress;
  readonly signal?: AbortSignal;
}

export const clusterParts = [
  'etcd',
  'kube-apiserver',
  'kube-controller-manager',
  'kube-scheduler',
  'kubelet',
  'kube-proxy',
  'kubectl',
  'helm',
  'contour',
  'envoy',
  'k6',
  'prometheus',
  'promtool',
  'containerd',
  'ctr',
  'runc',
  'cni-plugins',
  'redis-server',
  'postgres',
  'buildah',
  'openssl',
  'ip',
  'iptables',
  'conntrack',
  'gateway-api-crds',
  'contour-crds',
] as const satisfies readonly PartName[];

/** A cold start builds for a quarter of an hour; a second caller waits for it. */
const lockTimeoutMs = 45 * 60_000;

/** The components that must run; the first that does not makes a cluster unhealthy. */
const components = [
  'etcd',
  'kube-apiserver',
  'kube-controller-manager',
  'kube-scheduler',
  'containerd',
  'kubelet',
  'kube-proxy',
  'contour',
  'envoy',
  'prometheus',
  'scrape-targets',
  'postgres',
  'redis',
] as const;

/**
 * Brings the cluster up, or returns the one that runs and is healthy. What a dead run left is removed first.
 * @throws LocalClusterError NOT_LINUX, NOT_ROOT, PART_MISSING, PORT_TAKEN, OTHER_KUBERNETES, CLUSTER_UNHEALTHY
 */
export async function clusterUp(options: ClusterOptions = {}): Promise<Cluster> {
  const progress = options.progress ?? silentProgress;
  const signal = options.signal === undefined ? {} : { signal: options.signal };
  checkMachine();
  return await withLock(locks.cluster, { timeoutMs: lockTimeoutMs, ...signal }, async () => {
    const running = readCluster();
    if (running !== undefined && (await isHealthy())) return running;
    const parts = await partsFor(clusterParts, { progress, ...signal });
    if (existsSync(stateDir) || existsSync(runDir)) {
      await progress.stage('removing what an earlier run left', async () => await tearDown());
    }
    try {
      return await startEverything(parts, progress);
    } catch (error) {
      // Logs stay for a look; processes, mounts and links go, so that the next start finds a clean machine.
      await tearDown({ keepLogs: true });
      throw error;
    }
  });
}

/** Removes every process, mount, link, packet rule, control group and file of the cluster. Fine when there is none. */
export async function clusterDown(options: ClusterOptions = {}): Promise<void> {
  const progress = options.progress ?? silentProgress;
  checkMachine();
  await withLock(locks.cluster, { timeoutMs: lockTimeoutMs }, async () => {
    await progress.stage('taking the cluster down', async () => await tearDown());
  });
}

/** The cluster that runs, undefined when there is none or when one of its components has ended. */
export function readCluster(): Cluster | undefined {
  let stored: Cluster;
  try {
    stored = clusterSchema.parse(JSON.parse(readFileSync(paths.cluster, 'utf8')));
  } catch {
    return undefined;
  }
  const pids = runningPids();
  return components.every((name) => pids[name] !== undefined) ? { ...stored, pids } : undefined;
}

async function isHealthy(): Promise<boolean> {
  try {
    return (await apiserverGet('/readyz')) === 200;
  } catch {
    return false;
  }
}

type ClusterParts = Readonly<Record<(typeof clusterParts)[number], string>>;

async function startEverything(parts: ClusterParts, progress: Progress): Promise<Cluster> {
  await refuseForeignNetwork();
  await refuseTakenPorts();
  mkdirSync(stateDir, { recursive: true });
  mkdirSync(runDir, { recursive: true });
  await progress.stage('network and certificates', async () => {
    await setUpNetwork();
    await createPki();
  });
  // PostgreSQL and Redis need nothing of Kubernetes: they start beside it.
  const [stores] = await Promise.all([
    progress.stage('PostgreSQL and Redis', async () => await startDataStores(parts)),
    startKubernetes(parts, progress),
  ]);
  const cluster = {
    kubeconfig: pkiFile('admin.kubeconfig'),
    kubectl: parts.kubectl,
    helm: parts.helm,
    k6: parts.k6,
    promtool: parts.promtool,
    gatewayUrl: `http://127.0.0.1:${ports.gateway}`,
    prometheusUrl: `http://${bridge.address}:${ports.prometheus}`,
    postgresUrl: stores.postgresUrl,
    redisUrl: stores.redisUrl,
    gateway,
    pids: runningPids(),
  };
  writeFileSync(paths.cluster, JSON.stringify(cluster, null, 2), { mode: 0o600 });
  return cluster;
}

async function startKubernetes(parts: ClusterParts, progress: Progress): Promise<void> {
  await progress.stage('control plane', async () => await startControlPlane(parts));
  await progress.stage('node', async () => await startNode(parts));
  await progress.stage('gateway', async () => await startGateway(parts));
  await progress.stage('Prometheus', async () => await startPrometheus(parts));
}
