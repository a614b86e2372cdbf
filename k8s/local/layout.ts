/**
 * Where everything of the local cluster lives, and the addresses and ports it uses: one place to look, one to change.
 * Every other file here reads it; `down.ts` removes exactly these folders.
 */
import { join } from 'node:path';

/** Data that may be large: etcd, containerd, PostgreSQL, Prometheus, logs, certificates, the state file. */
export const stateDir = '/var/lib/latchkey-local';
/** Sockets, pid files and mounts; gone after a reboot. */
export const runDir = '/run/latchkey-local';

/** Held while the cluster is started or stopped, and while an image is built; outside the folders that `down` removes. */
export const locks = { cluster: '/run/latchkey-local.lock', images: '/run/latchkey-local-images.lock' } as const;

export const paths = {
  cluster: join(stateDir, 'cluster.json'),
  settings: join(stateDir, 'settings-before.json'),
  pki: join(stateDir, 'pki'),
  logs: join(stateDir, 'logs'),
  config: join(stateDir, 'config'),
  etcd: join(stateDir, 'etcd'),
  kubelet: join(stateDir, 'kubelet'),
  containerd: join(stateDir, 'containerd'),
  containerdRun: join(runDir, 'containerd'),
  containerdSocket: join(runDir, 'containerd.sock'),
  cniConfig: join(stateDir, 'cni'),
  cniData: join(stateDir, 'cni-data'),
  postgres: join(stateDir, 'postgres'),
  prometheus: join(stateDir, 'prometheus'),
  scrapeTargets: join(stateDir, 'prometheus', 'targets.json'),
  images: join(stateDir, 'images'),
  imagesRun: join(runDir, 'images'),
  pids: join(runDir, 'pids'),
} as const;

/** The bridge that pods hang on; its address is where pods reach what runs on the host. */
export const bridge = { name: 'latchkey0', address: '10.244.0.1', prefix: 24, podCidr: '10.244.0.0/24' } as const;

export const serviceNetwork = { cidr: '10.96.0.0/16', apiserver: '10.96.0.1' } as const;

/** Apart from the gateway's, none is a port that another program usually has. */
export const ports = {
  gateway: 8080,
  apiserver: 16443,
  etcdClient: 12379,
  etcdPeer: 12380,
  kubelet: 10250,
  kubeProxyHealth: 20256,
  kubeProxyMetrics: 20249,
  contourXds: 18001,
  contourHealth: 18000,
  envoyStats: 18002,
  envoyAdmin: 18003,
  prometheus: 19090,
  postgres: 15432,
  redis: 16379,
} as const;

export const nodeName = 'latchkey-local';
export const cniNetwork = 'latchkey-local';
export const pauseImage = 'localhost/latchkey/pause:1';
export const gateway = { name: 'latchkey', namespace: 'gateway-system' } as const;
