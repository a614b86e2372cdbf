/**
 * The cluster's own certificates and kubeconfigs. cluster.ts calls `createPki` once per start; the components read the
 * files. Certificates live 30 days: the cluster is thrown away long before.
 */
import { generateKeyPairSync } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bridge, nodeName, paths, ports, serviceNetwork } from './layout.ts';
import { run } from './run.ts';

interface Subject {
  readonly file: string;
  readonly commonName: string;
  readonly organization?: string;
  readonly altNames?: readonly string[];
}

const clients: readonly Subject[] = [
  { file: 'admin', commonName: 'latchkey-admin', organization: 'system:masters' },
  { file: 'kube-controller-manager', commonName: 'system:kube-controller-manager' },
  { file: 'kube-scheduler', commonName: 'system:kube-scheduler' },
  { file: 'kube-proxy', commonName: 'system:kube-proxy' },
  { file: 'kubelet', commonName: `system:node:${nodeName}`, organization: 'system:nodes' },
];

const apiserver: Subject = {
  file: 'apiserver',
  commonName: 'kube-apiserver',
  altNames: [
    'DNS:localhost',
    'DNS:kubernetes',
    'DNS:kubernetes.default',
    'DNS:kubernetes.default.svc',
    'IP:127.0.0.1',
    `IP:${bridge.address}`,
    `IP:${serviceNetwork.apiserver}`, // what pods use: without it every in-cluster client refuses the certificate
  ],
};

const validDays = '30';

/** The path of a file of the PKI: `admin.kubeconfig`, `ca.crt`, `apiserver.key`, … */
export function pkiFile(name: string): string {
  return join(paths.pki, name);
}

/** Makes the CA, every certificate, the service-account key pair and one kubeconfig a client. */
export async function createPki(): Promise<void> {
  if (existsSync(pkiFile('complete'))) return;
  mkdirSync(paths.pki, { recursive: true, mode: 0o700 });
  writeKey('ca');
  const ca = ['-x509', '-new', '-key', pkiFile('ca.key'), '-subj', '/CN=latchkey-local', '-days', validDays];
  await run('openssl', ['req', ...ca, '-out', pkiFile('ca.crt')]);
  for (const subject of [apiserver, ...clients]) await sign(subject);
  for (const client of clients) writeKubeconfig(client.file);
  writeServiceAccountKeys();
  writeFileSync(pkiFile('complete'), '');
}

function writeKey(name: string): void {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  writeFileSync(pkiFile(`${name}.key`), privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
}

async function sign(subject: Subject): Promise<void> {
  const { file } = subject;
  writeKey(file);
  const organization = subject.organization === undefined ? '' : `/O=${subject.organization}`;
  const name = `${organization}/CN=${subject.commonName}`;
  await run('openssl', ['req', '-new', '-key', pkiFile(`${file}.key`), '-subj', name, '-out', pkiFile(`${file}.csr`)]);
  const altNames = subject.altNames === undefined ? '' : `subjectAltName=${subject.altNames.join(',')}\n`;
  writeFileSync(pkiFile(`${file}.ext`), `extendedKeyUsage=clientAuth,serverAuth\n${altNames}`);
  const ca = ['-CA', pkiFile('ca.crt'), '-CAkey', pkiFile('ca.key'), '-CAcreateserial', '-days', validDays];
  const files = ['-in', pkiFile(`${file}.csr`), '-extfile', pkiFile(`${file}.ext`), '-out', pkiFile(`${file}.crt`)];
  await run('openssl', ['x509', '-req', ...ca, ...files]);
}

function writeServiceAccountKeys(): void {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  writeFileSync(pkiFile('sa.key'), privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
  writeFileSync(pkiFile('sa.pub'), publicKey.export({ type: 'spki', format: 'pem' }));
}

function writeKubeconfig(client: string): void {
  const data = (name: string) => readFileSync(pkiFile(name)).toString('base64');
  const kubeconfig = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': nodeName,
    contexts: [{ name: nodeName, context: { cluster: nodeName, user: client } }],
    clusters: [
      {
        name: nodeName,
        cluster: {
          server: `https://${bridge.address}:${ports.apiserver}`,
          'certificate-authority-data': data('ca.crt'),
        },
      },
    ],
    users: [
      {
        name: client,
        user: { 'client-certificate-data': data(`${client}.crt`), 'client-key-data': data(`${client}.key`) },
      },
    ],
  };
  writeFileSync(pkiFile(`${client}.kubeconfig`), JSON.stringify(kubeconfig, null, 2), { mode: 0o600 });
}
