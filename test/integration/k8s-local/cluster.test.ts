// The throwaway cluster on this machine: what runs in it, what a crash leaves, what `down` leaves. It needs root, and takes
// the cluster down at its end; the end-to-end tests bring it up again.
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { type Cluster, clusterDown, clusterUp, readCluster } from '../../../k8s/local/cluster.ts';
import { buildImage } from '../../../k8s/local/images.ts';
import { bridge, runDir, stateDir } from '../../../k8s/local/layout.ts';
import { progressTo } from '../../../k8s/local/progress.ts';
import { run } from '../../../k8s/local/run.ts';
import { waitFor } from '../../../k8s/local/wait.ts';

const coldBuildMs = 30 * 60_000;
const progress = progressTo((line) => console.error(line));
const namespace = 'node-test';

describe('the local cluster', function () {
  this.timeout(coldBuildMs);
  let folder: string;
  let cluster: Cluster;
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'latchkey-cluster-'));
    cluster = await clusterUp({ progress });
  });
  after(async () => {
    rmSync(folder, { recursive: true });
    await clusterDown();
  });

  const kubectl = async (args: readonly string[], input?: string) =>
    await run(cluster.kubectl, ['--kubeconfig', cluster.kubeconfig, ...args], input === undefined ? {} : { input });

  it('is returned as it is by a second start, at once', async () => {
    const startedAt = performance.now();
    expect(await clusterUp()).to.deep.equal(readCluster());
    expect(performance.now() - startedAt).to.be.below(3000);
  });

  it('runs an image that was built here, unprivileged, behind a weighted route, and reaches its databases', async () => {
    await buildImage({ dockerfile: writeProgram(folder), context: folder, tag: 'latchkey/node-test:1' });
    await kubectl(['create', 'namespace', namespace]);
    await kubectl(['apply', '-f', '-'], JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects(cluster) }));
    const available = ['--for=condition=Available', 'deployment', '--all', '--timeout=60s'];
    await kubectl(['wait', '--namespace', namespace, ...available]);
    const ask = async () => {
      const response = await fetch(`${cluster.gatewayUrl}/node-test`, { signal: soon() });
      return response.ok ? await response.text() : undefined;
    };
    expect(await waitFor('the route', { timeoutMs: 30_000 }, ask)).to.match(/^(stable|canary)$/);
    const answers = await Promise.all(Array.from({ length: 400 }, ask));
    const canary = answers.filter((answer) => answer === 'canary').length;
    expect(canary).to.be.within(4, 45); // 5 % of 400: outside of this once in millions
    expect(answers.filter((answer) => answer === 'stable').length).to.equal(400 - canary);

    const patch = [{ op: 'replace', path: '/spec/rules/0/backendRefs/1/weight', value: 0 }];
    await kubectl(['patch', 'httproute', 'node-test', '-n', namespace, '--type=json', '-p', JSON.stringify(patch)]);
    await waitFor('zero canary answers', { timeoutMs: 10_000 }, async () => {
      return (await Promise.all(Array.from({ length: 60 }, ask))).every((answer) => answer === 'stable');
    });

    const up = new URL('/api/v1/query?query=up', cluster.prometheusUrl);
    await waitFor('the scrape of both pods', { timeoutMs: 30_000 }, async () => {
      const text = await (await fetch(up, { signal: soon() })).text();
      return (text.match(/"namespace":"node-test"/g) ?? []).length === 2;
    });
    await kubectl(['delete', 'namespace', namespace]);
  });

  it('comes back after kill -9 of every one of its processes', async () => {
    const before = cluster.pids;
    for (const pid of [...Object.values(before), ...shims()]) process.kill(pid, 'SIGKILL');
    await waitFor('the end', { timeoutMs: 10_000 }, async () => readCluster() === undefined);
    cluster = await clusterUp({ progress });
    expect(Object.keys(cluster.pids)).to.deep.equal(Object.keys(before));
    expect(await kubectl(['get', 'nodes', '-o', 'name'])).to.equal('node/latchkey-local\n');
  });

  it('leaves no process, mount, link, packet rule, control group or file when it is taken down', async () => {
    await clusterDown({ progress });
    expect(readCluster()).to.equal(undefined);
    expect([...shims(), ...programsBelow(stateDir)]).to.deep.equal([]);
    expect(readFileSync('/proc/self/mountinfo', 'utf8')).to.not.include('latchkey-local');
    expect(await run('ip', ['link'])).to.not.include(bridge.name);
    for (const save of ['iptables-save', 'ip6tables-save'])
      expect(await run(save, [])).to.not.match(/KUBE-|CNI-|latchkey0/);
    expect(await run('find', ['/sys/fs/cgroup', '-maxdepth', '2', '-name', 'kubepods'])).to.equal('');
    const places = [stateDir, runDir, '/run/latchkey-local.lock', '/var/lib/kubelet', '/var/lib/cni'];
    expect(places.filter((place) => existsSync(place))).to.deep.equal([]);
    await clusterDown(); // and once more, with nothing there
    cluster = await clusterUp({ progress });
  });
});

const soon = () => AbortSignal.timeout(5000);

function shims(): number[] {
  return pids().filter(
    (pid) => commandOf(pid).startsWith('/usr/bin/containerd-shim') && commandOf(pid).includes(runDir),
  );
}

function programsBelow(place: string): number[] {
  return pids().filter((pid) => {
    try {
      return readlinkSync(`/proc/${pid}/exe`).startsWith(place);
    } catch {
      return false;
    }
  });
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
}

function pids(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

/** A server that answers with its name once it has reached PostgreSQL and Redis; returns its Dockerfile. */
function writeProgram(folder: string): string {
  mkdirSync(join(folder, 'src'), { recursive: true });
  const server = `import { connect } from 'node:net';
    import { createServer } from 'node:http';
    const reach = (url) => new Promise((resolve, reject) => {
      const { hostname, port } = new URL(url);
      connect(Number(port), hostname).on('connect', resolve).on('error', reject);
    });
    await Promise.all([process.env.POSTGRES_URL, process.env.REDIS_URL].map(reach));
    createServer((_request, response) => response.end(process.env.NAME)).listen(3000);`;
  writeFileSync(join(folder, 'src', 'server.mjs'), server);
  const dockerfile = ['FROM node:24-bookworm-slim AS deps', 'RUN npm ci', 'FROM node:24-bookworm-slim'];
  const copies = ['COPY --from=deps /app/node_modules ./node_modules', 'COPY src ./src', 'USER 65532:65532'];
  const start = ['ENTRYPOINT ["node"]', 'CMD ["src/server.mjs"]'];
  const file = join(folder, 'Dockerfile');
  writeFileSync(file, [...dockerfile, ...copies, ...start].join('\n'));
  return file;
}

function objects(cluster: Cluster): readonly object[] {
  const deployments = ['stable', 'canary'].map((name) => deployment(name, cluster));
  const services = ['stable', 'canary'].map((name) => ({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace },
    spec: { selector: { app: name }, ports: [{ port: 80, targetPort: 3000 }] },
  }));
  const backendRefs = [
    { name: 'stable', port: 80, weight: 95 },
    { name: 'canary', port: 80, weight: 5 },
  ];
  const matches = [{ path: { type: 'PathPrefix', value: '/node-test' } }];
  const route = {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'HTTPRoute',
    metadata: { name: 'node-test', namespace },
    spec: { parentRefs: [cluster.gateway], rules: [{ name: 'api', matches, backendRefs }] },
  };
  return [...deployments, ...services, route];
}

function deployment(name: string, cluster: Cluster): object {
  const container = {
    name,
    image: 'latchkey/node-test:1',
    env: [
      { name: 'NAME', value: name },
      { name: 'POSTGRES_URL', value: cluster.postgresUrl },
      { name: 'REDIS_URL', value: cluster.redisUrl },
    ],
    readinessProbe: { httpGet: { path: '/', port: 3000 }, periodSeconds: 1 },
    resources: { limits: { memory: '128Mi' } },
    securityContext: { readOnlyRootFilesystem: true, allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
  };
  const securityContext = { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } };
  const annotations = { 'prometheus.io/scrape': 'true', 'prometheus.io/port': '3000' };
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace },
    spec: {
      selector: { matchLabels: { app: name } },
      template: {
        metadata: { labels: { app: name }, annotations },
        spec: { securityContext, containers: [container] },
      },
    },
  };
}
