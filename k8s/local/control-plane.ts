/**
 * etcd, kube-apiserver, kube-controller-manager and kube-scheduler as host processes. cluster.ts calls
 * `startControlPlane`; node.ts comes next.
 */

import { readFileSync } from 'node:fs';
import { request } from 'node:https';
import { connect } from 'node:net';
import { bridge, paths, ports, serviceNetwork } from './layout.ts';
import { pkiFile } from './pki.ts';
import { startProcess, waitUntilUp } from './processes.ts';

type Binaries = Readonly<Record<'etcd' | 'kube-apiserver' | 'kube-controller-manager' | 'kube-scheduler', string>>;

const startTimeoutMs = 90_000;

/** Starts the four components and resolves when the API server says that it is ready. */
export async function startControlPlane(binaries: Binaries): Promise<void> {
  await startProcess({ name: 'etcd', command: binaries.etcd, args: etcdArgs() });
  await waitUntilUp('etcd', startTimeoutMs, async () => await canConnect('127.0.0.1', ports.etcdClient));
  await startProcess({ name: 'kube-apiserver', command: binaries['kube-apiserver'], args: apiserverArgs() });
  await waitUntilUp('kube-apiserver', startTimeoutMs, async () => (await apiserverGet('/readyz')) === 200);
  await startProcess({
    name: 'kube-controller-manager',
    command: binaries['kube-controller-manager'],
    args: controllerManagerArgs(),
  });
  await startProcess({ name: 'kube-scheduler', command: binaries['kube-scheduler'], args: schedulerArgs() });
}

/** GETs a path of the API server as the administrator; resolves to the status code. */
export async function apiserverGet(path: string): Promise<number> {
  const credentials = { ca: pem('ca.crt'), cert: pem('admin.crt'), key: pem('admin.key') };
  return await new Promise((resolve, reject) => {
    const options = { host: bridge.address, port: ports.apiserver, path, timeout: 3000, ...credentials };
    const asked = request(options, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    asked.on('timeout', () => asked.destroy(new Error('no answer within 3 s')));
    asked.on('error', reject);
    asked.end();
  });
}

/** Whether something accepts connections at this address. */
export async function canConnect(host: string, port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = connect({ host, port, timeout: 1000 });
    const answer = (isOpen: boolean) => {
      socket.destroy();
      resolve(isOpen);
    };
    socket.on('connect', () => answer(true));
    socket.on('error', () => answer(false));
    socket.on('timeout', () => answer(false));
  });
}

function pem(name: string): string {
  return readFileSync(pkiFile(name), 'utf8');
}

function etcdArgs(): string[] {
  const client = `http://127.0.0.1:${ports.etcdClient}`;
  const peer = `http://127.0.0.1:${ports.etcdPeer}`;
  return [
    '--name=default',
    `--data-dir=${paths.etcd}`,
    `--listen-client-urls=${client}`,
    `--advertise-client-urls=${client}`,
    `--listen-peer-urls=${peer}`,
    `--initial-advertise-peer-urls=${peer}`,
    `--initial-cluster=default=${peer}`,
    '--unsafe-no-fsync', // the data is thrown away with the cluster
    '--log-level=warn',
  ];
}

function apiserverArgs(): string[] {
  return [
    `--advertise-address=${bridge.address}`,
    `--bind-address=${bridge.address}`,
    `--secure-port=${ports.apiserver}`,
    `--etcd-servers=http://127.0.0.1:${ports.etcdClient}`,
    `--service-cluster-ip-range=${serviceNetwork.cidr}`,
    `--service-account-issuer=https://kubernetes.default.svc`,
    `--service-account-key-file=${pkiFile('sa.pub')}`,
    `--service-account-signing-key-file=${pkiFile('sa.key')}`,
    `--client-ca-file=${pkiFile('ca.crt')}`,
    `--tls-cert-file=${pkiFile('apiserver.crt')}`,
    `--tls-private-key-file=${pkiFile('apiserver.key')}`,
    `--kubelet-client-certificate=${pkiFile('admin.crt')}`,
    `--kubelet-client-key=${pkiFile('admin.key')}`,
    '--kubelet-preferred-address-types=InternalIP',
    '--authorization-mode=Node,RBAC',
    '--enable-admission-plugins=NodeRestriction',
    '--allow-privileged=true',
    '--anonymous-auth=false',
    '--profiling=false',
    '--enable-priority-and-fairness=false', // one user; saves its borrowing loop at idle
  ];
}

function controllerManagerArgs(): string[] {
  return [
    `--kubeconfig=${pkiFile('kube-controller-manager.kubeconfig')}`,
    `--service-account-private-key-file=${pkiFile('sa.key')}`,
    `--root-ca-file=${pkiFile('ca.crt')}`,
    '--use-service-account-credentials=true',
    '--leader-elect=false',
    '--secure-port=0', // nobody asks it; one port less that could be taken
    '--profiling=false',
  ];
}

function schedulerArgs(): string[] {
  const kubeconfig = pkiFile('kube-scheduler.kubeconfig');
  return [`--kubeconfig=${kubeconfig}`, '--leader-elect=false', '--secure-port=0', '--profiling=false'];
}
