/**
 * A real etcd and a real kube-apiserver on free loopback ports, for the integration tests: ready in seconds, thrown away after.
 * Nothing else of Kubernetes runs: no kubelet, no controllers, no garbage collector (workloads.ts plays the two we need).
 * Used by test/integration/{operator,crd}; one instance serves a whole mocha process, tests keep apart by namespace.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { createWriteStream, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort } from '../../api/src/embedded/free-port.ts';
import { partsFor } from '../../k8s/local/parts.ts';

export interface TestApiserver {
  readonly url: string;
  /** PEM of what signed the serving certificate. */
  readonly ca: string;
  readonly adminToken: string;
  /** Writes a kubeconfig for this bearer token; `server` lets a proxy stand in between. */
  kubeconfig(token?: string, server?: string): string;
  /** As the administrator; a status of 400 and more throws, with the body in its message. */
  request(method: string, path: string, body?: unknown, contentType?: string): Promise<unknown>;
  /** The same with another's token. */
  as(token: string): TestApiserver['request'];
  readonly auditLog: string;
}

let running: Promise<{ server: TestApiserver; stop: () => Promise<void> }> | undefined;

/** The apiserver of this mocha process, started at the first call. */
export async function testApiserver(): Promise<TestApiserver> {
  running ??= start();
  return (await running).server;
}

after(async function stopApiserver() {
  this.timeout(20_000);
  await (await running)?.stop();
});

async function start(): Promise<{ server: TestApiserver; stop: () => Promise<void> }> {
  const parts = await partsFor(['etcd', 'kube-apiserver']);
  const folder = mkdtempSync(join(tmpdir(), 'latchkey-apiserver-'));
  const processes: ChildProcess[] = [];
  const launch = (name: string, command: string, args: readonly string[]): ChildProcess => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    const log = createWriteStream(join(folder, `${name}.log`));
    child.stdout?.pipe(log, { end: false });
    child.stderr?.pipe(log, { end: false });
    processes.push(child);
    return child;
  };
  const stop = async (): Promise<void> => {
    for (const child of processes.toReversed()) await stopChild(child);
    rmSync(folder, { recursive: true, force: true });
  };
  // A test run that is killed must not leave a control plane behind.
  process.once('exit', () => {
    for (const child of processes) child.kill('SIGKILL');
  });
  process.once('SIGTERM', () => process.exit(143));
  try {
    const [etcdPort, peerPort, port] = await freePorts(3);
    const etcd = launch('etcd', parts.etcd, etcdArguments(folder, etcdPort ?? 0, peerPort ?? 0));
    await until(
      'etcd is healthy',
      20_000,
      etcd,
      async () => (await httpStatus(`http://127.0.0.1:${etcdPort}/health`)) === 200,
    );
    const adminToken = randomBytes(24).toString('hex');
    writeInputs(folder, adminToken);
    const apiserver = launch(
      'kube-apiserver',
      parts['kube-apiserver'],
      apiserverArguments(folder, etcdPort ?? 0, port ?? 0),
    );
    const server = serverAt(folder, port ?? 0, adminToken);
    await until('kube-apiserver is ready', 60_000, apiserver, async () => {
      if (!existsSync(join(folder, 'certs', 'apiserver.crt'))) return false;
      return await server.request('GET', '/readyz').then(
        () => true,
        () => false,
      );
    });
    return { server, stop };
  } catch (error) {
    const tail = (name: string): string =>
      existsSync(join(folder, `${name}.log`)) ? readFileSync(join(folder, `${name}.log`), 'utf8').slice(-1500) : '';
    const logs = tail('etcd') + tail('kube-apiserver');
    await stop();
    throw new Error(`the test apiserver did not start:\n${logs}`, { cause: error });
  }
}

function etcdArguments(folder: string, client: number, peer: number): string[] {
  const clientUrl = `http://127.0.0.1:${client}`;
  const peerUrl = `http://127.0.0.1:${peer}`;
  return [
    `--data-dir=${join(folder, 'etcd')}`,
    `--listen-client-urls=${clientUrl}`,
    `--advertise-client-urls=${clientUrl}`,
    `--listen-peer-urls=${peerUrl}`,
    `--initial-advertise-peer-urls=${peerUrl}`,
    `--initial-cluster=default=${peerUrl}`,
    '--unsafe-no-fsync',
    '--log-level=warn',
  ];
}

function writeInputs(folder: string, adminToken: string): void {
  writeFileSync(join(folder, 'tokens.csv'), `${adminToken},test-admin,test-admin,"system:masters"\n`, { mode: 0o600 });
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  writeFileSync(join(folder, 'sa.key'), privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
  writeFileSync(join(folder, 'sa.pub'), publicKey.export({ type: 'spki', format: 'pem' }));
  const rules = [{ level: 'Metadata', omitStages: ['RequestReceived'] }];
  writeFileSync(join(folder, 'audit.json'), JSON.stringify({ apiVersion: 'audit.k8s.io/v1', kind: 'Policy', rules }));
}

function apiserverArguments(folder: string, etcd: number, port: number): string[] {
  return [
    `--etcd-servers=http://127.0.0.1:${etcd}`,
    '--bind-address=127.0.0.1',
    '--advertise-address=127.0.0.1',
    `--secure-port=${port}`,
    // It signs its own serving certificate there, so the tests need no openssl.
    `--cert-dir=${join(folder, 'certs')}`,
    `--token-auth-file=${join(folder, 'tokens.csv')}`,
    `--audit-policy-file=${join(folder, 'audit.json')}`,
    `--audit-log-path=${join(folder, 'audit.log')}`,
    '--audit-log-mode=blocking',
    '--authorization-mode=RBAC',
    '--service-cluster-ip-range=10.96.0.0/16',
    '--service-account-issuer=https://kubernetes.default.svc',
    `--service-account-key-file=${join(folder, 'sa.pub')}`,
    `--service-account-signing-key-file=${join(folder, 'sa.key')}`,
    // Nobody makes the default accounts that this plugin asks every pod for.
    '--disable-admission-plugins=ServiceAccount',
    '--endpoint-reconciler-type=none',
    '--profiling=false',
  ];
}

function serverAt(folder: string, port: number, adminToken: string): TestApiserver {
  const url = `https://127.0.0.1:${port}`;
  const certificate = (): string => readFileSync(join(folder, 'certs', 'apiserver.crt'), 'utf8');
  let files = 0;
  return {
    url,
    get ca() {
      return certificate();
    },
    adminToken,
    auditLog: join(folder, 'audit.log'),
    kubeconfig(token = adminToken, server = url) {
      const plain = server.startsWith('http:');
      const trust = plain
        ? { 'insecure-skip-tls-verify': true }
        : { 'certificate-authority-data': Buffer.from(certificate()).toString('base64') };
      const file = join(folder, `kubeconfig-${++files}`);
      const config = {
        apiVersion: 'v1',
        kind: 'Config',
        'current-context': 'test',
        contexts: [{ name: 'test', context: { cluster: 'test', user: 'test' } }],
        clusters: [{ name: 'test', cluster: { server, ...trust } }],
        users: [{ name: 'test', user: { token } }],
      };
      writeFileSync(file, JSON.stringify(config), { mode: 0o600 });
      return file;
    },
    request: (method, path, body, contentType) =>
      send({ url, ca: certificate(), token: adminToken }, { method, path, body, contentType }),
    as: (token) => (method, path, body, contentType) =>
      send({ url, ca: certificate(), token }, { method, path, body, contentType }),
  };
}

interface Asked {
  readonly method: string;
  readonly path: string;
  readonly body?: unknown;
  readonly contentType?: string | undefined;
}

const agent = new https.Agent({ keepAlive: true });

function send(server: { url: string; ca: string; token: string }, asked: Asked): Promise<unknown> {
  const text = asked.body === undefined ? undefined : JSON.stringify(asked.body);
  const headers = {
    authorization: `Bearer ${server.token}`,
    ...(text === undefined
      ? {}
      : { 'content-type': asked.contentType ?? 'application/json', 'content-length': Buffer.byteLength(text) }),
  };
  return new Promise((resolve, reject) => {
    const options = { method: asked.method, headers, ca: server.ca, agent, timeout: 10_000 };
    const request = https.request(`${server.url}${asked.path}`, options, (response) => {
      let answer = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => (answer += chunk));
      response.on('end', () => {
        const status = response.statusCode ?? 0;
        if (status >= 400) reject(new Error(`${asked.method} ${asked.path}: ${status} ${answer}`));
        else resolve(answer.startsWith('{') ? JSON.parse(answer) : answer);
      });
    });
    request.on('timeout', () => request.destroy(new Error('no answer in 10 s')));
    request.on('error', reject);
    request.end(text);
  });
}

/** Awaits a condition; the child's early end is the more useful message. */
async function until(
  what: string,
  withinMs: number,
  child: ChildProcess,
  isTrue: () => Promise<boolean>,
): Promise<void> {
  const giveUpAt = performance.now() + withinMs;
  while (!(await isTrue())) {
    if (child.exitCode !== null) throw new Error(`${what}: the process ended with code ${child.exitCode}`);
    if (performance.now() > giveUpAt) throw new Error(`${what}: not within ${withinMs} ms`);
    await delay(50);
  }
}

function httpStatus(url: string): Promise<number> {
  return new Promise((resolve) => {
    const request = http.get(url, { timeout: 1_000 }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    request.on('timeout', () => request.destroy());
    request.on('error', () => resolve(0));
  });
}

/** Different ones, outside the range in which clients get theirs: a server that is killed comes back to its port. */
async function freePorts(count: number): Promise<readonly number[]> {
  const ports = new Set<number>();
  while (ports.size < count) ports.add(await freePort());
  return [...ports];
}

async function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  const hard = setTimeout(() => child.kill('SIGKILL'), 5_000);
  await ended;
  clearTimeout(hard);
}
