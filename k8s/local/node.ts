/**
 * The node: containerd, the kubelet and kube-proxy as host processes. cluster.ts calls `startNode` after the control
 * plane; gateway.ts comes next.
 */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bridge, cniNetwork, nodeName, paths, pauseImage, ports } from './layout.ts';
import { writePauseImage } from './pause-image.ts';
import { pkiFile } from './pki.ts';
import { startProcess, waitUntilUp } from './processes.ts';
import { run, tryRun } from './run.ts';
import { waitFor } from './wait.ts';

type Binaries = Readonly<
  Record<'containerd' | 'cni-plugins' | 'ctr' | 'kube-proxy' | 'kubectl' | 'kubelet' | 'runc', string>
>;

const startTimeoutMs = 60_000;

/** Starts the node's components and resolves when the API server has the node as Ready. */
export async function startNode(binaries: Binaries): Promise<void> {
  mkdirSync(paths.config, { recursive: true });
  await startContainerd(binaries);
  await startKubelet(binaries);
  await startKubeProxy(binaries);
  const kubectl = ['--kubeconfig', pkiFile('admin.kubeconfig'), 'get', 'node', nodeName, '-o'];
  const ready = 'jsonpath={.status.conditions[?(@.type=="Ready")].status}';
  await waitFor('the node turning Ready', { timeoutMs: startTimeoutMs }, async () => {
    return (await run(binaries.kubectl, [...kubectl, ready], { timeoutMs: 10_000 })) === 'True';
  });
}

/** Runs `ctr` against our containerd, in the namespace where the kubelet looks for images. */
export async function ctr(binary: string, args: readonly string[]): Promise<string> {
  return await run(binary, ['--address', paths.containerdSocket, '--namespace', 'k8s.io', ...args]);
}

async function startContainerd(binaries: Binaries): Promise<void> {
  const config = join(paths.config, 'containerd.toml');
  writeFileSync(config, containerdConfig(binaries));
  mkdirSync(paths.cniConfig, { recursive: true });
  writeFileSync(join(paths.cniConfig, '10-latchkey.conflist'), JSON.stringify(cniConfig(), null, 2));
  await startProcess({ name: 'containerd', command: binaries.containerd, args: ['--config', config] });
  await waitUntilUp('containerd', startTimeoutMs, async () => {
    if (!existsSync(paths.containerdSocket)) return false;
    return (await tryRun(binaries.ctr, ['--address', paths.containerdSocket, 'version'])) !== undefined;
  });
  const archive = await writePauseImage(join(paths.images, 'pause'));
  await ctr(binaries.ctr, ['images', 'import', '--base-name', pauseImage.slice(0, -2), archive]);
}

function containerdConfig(binaries: Binaries): string {
  const cri = 'plugins."io.containerd.grpc.v1.cri"';
  return `version = 2
root = ${JSON.stringify(paths.containerd)}
state = ${JSON.stringify(paths.containerdRun)}
[grpc]
  address = ${JSON.stringify(paths.containerdSocket)}
[debug]
  level = "warn"
[${cri}]
  sandbox_image = ${JSON.stringify(pauseImage)}
  restrict_oom_score_adj = true # without CAP_SYS_RESOURCE sandboxes die when the score is lowered
  netns_mounts_under_state_dir = true # so that down can tell our network namespaces from others
  stats_collect_period = 60
[${cri}.containerd]
  default_runtime_name = "runc"
[${cri}.containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
[${cri}.containerd.runtimes.runc.options]
  BinaryName = ${JSON.stringify(binaries.runc)}
  Root = ${JSON.stringify(join(paths.containerdRun, 'runc'))}
  SystemdCgroup = false
[${cri}.cni]
  bin_dir = ${JSON.stringify(binaries['cni-plugins'])}
  conf_dir = ${JSON.stringify(paths.cniConfig)}
`;
}

function cniConfig(): object {
  const ipam = {
    type: 'host-local',
    dataDir: paths.cniData,
    ranges: [[{ subnet: bridge.podCidr, gateway: bridge.address }]],
    routes: [{ dst: '0.0.0.0/0' }],
  };
  return {
    cniVersion: '0.4.0',
    name: cniNetwork,
    plugins: [
      { type: 'bridge', bridge: bridge.name, isGateway: true, hairpinMode: true, ipam },
      { type: 'portmap', capabilities: { portMappings: true } },
    ],
  };
}

async function startKubelet(binaries: Binaries): Promise<void> {
  const config = join(paths.config, 'kubelet.json');
  writeFileSync(config, JSON.stringify(kubeletConfig(), null, 2));
  await startProcess({
    name: 'kubelet',
    command: binaries.kubelet,
    args: [
      `--config=${config}`,
      `--kubeconfig=${pkiFile('kubelet.kubeconfig')}`,
      `--root-dir=${paths.kubelet}`,
      `--cert-dir=${join(paths.kubelet, 'pki')}`,
      `--hostname-override=${nodeName}`,
      `--node-ip=${bridge.address}`,
    ],
  });
}

function kubeletConfig(): object {
  return {
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    address: bridge.address,
    port: ports.kubelet,
    healthzPort: 0,
    containerRuntimeEndpoint: `unix://${paths.containerdSocket}`,
    authentication: {
      anonymous: { enabled: false },
      webhook: { enabled: true },
      x509: { clientCAFile: pkiFile('ca.crt') },
    },
    authorization: { mode: 'Webhook' },
    cgroupDriver: 'cgroupfs',
    failSwapOn: false,
    failCgroupV1: false,
    enforceNodeAllocatable: [],
    localStorageCapacityIsolation: false,
    evictionHard: { 'memory.available': '100Mi' }, // a full disk of the host must not evict a demo's pods
    imageGCHighThresholdPercent: 100, // images come from here, not from a registry: a collected one is lost
    imageGCLowThresholdPercent: 99,
    podLogsDir: join(paths.logs, 'pods'),
    containerLogMaxSize: '8Mi',
    containerLogMaxFiles: 2,
    volumePluginDir: join(paths.kubelet, 'volume-plugins'),
    nodeStatusUpdateFrequency: '1m',
    nodeStatusReportFrequency: '5m',
    registryPullQPS: 0,
    registerWithTaints: [],
    kubeAPIQPS: 100,
    kubeAPIBurst: 200,
    resolvConf: '/etc/resolv.conf',
  };
}

async function startKubeProxy(binaries: Binaries): Promise<void> {
  await startProcess({
    name: 'kube-proxy',
    command: binaries['kube-proxy'],
    args: [
      `--kubeconfig=${pkiFile('kube-proxy.kubeconfig')}`,
      `--hostname-override=${nodeName}`,
      `--cluster-cidr=${bridge.podCidr}`,
      '--proxy-mode=iptables',
      '--iptables-localhost-nodeports=false',
      '--iptables-min-sync-period=100ms',
      '--conntrack-max-per-core=0', // the four leave the host's connection tracking as it is
      '--conntrack-min=0',
      '--conntrack-tcp-timeout-established=0',
      '--conntrack-tcp-timeout-close-wait=0',
      `--healthz-bind-address=127.0.0.1:${ports.kubeProxyHealth}`,
      `--metrics-bind-address=127.0.0.1:${ports.kubeProxyMetrics}`,
    ],
  });
}
