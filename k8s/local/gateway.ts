/**
 * The Gateway API on Contour and Envoy, both as host processes. cluster.ts calls `startGateway` once the node is ready;
 * HTTPRoutes then attach to the Gateway `latchkey`.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { canConnect } from './control-plane.ts';
import { bridge, gateway, paths, ports, runDir } from './layout.ts';
import { pkiFile } from './pki.ts';
import { startProcess, waitUntilUp } from './processes.ts';
import { run } from './run.ts';
import { waitFor } from './wait.ts';

type Binaries = Readonly<Record<'contour' | 'contour-crds' | 'envoy' | 'gateway-api-crds' | 'kubectl', string>>;

const startTimeoutMs = 60_000;
const loopback = '127.0.0.1';

/** Installs the CRDs, starts Contour and Envoy, and resolves when the Gateway is programmed. */
export async function startGateway(binaries: Binaries): Promise<void> {
  const kubectl = async (args: readonly string[], input?: string) =>
    await run(binaries.kubectl, ['--kubeconfig', pkiFile('admin.kubeconfig'), ...args], {
      ...(input === undefined ? {} : { input }),
      timeoutMs: startTimeoutMs,
    });
  // Server-side: the CRDs are too large for the annotation that client-side apply writes.
  const crds = ['-f', binaries['gateway-api-crds'], '-f', binaries['contour-crds']];
  await kubectl(['apply', '--server-side', ...crds]);
  await kubectl(['wait', '--for=condition=Established', 'crd', '--all', '--timeout=30s']);
  await kubectl(['apply', '--server-side', '-f', '-'], JSON.stringify(gatewayObjects()));
  await startContour(binaries.contour);
  await startEnvoy(binaries);
  const programmed = 'jsonpath={.status.conditions[?(@.type=="Programmed")].status}';
  const get = ['get', 'gateway', gateway.name, '--namespace', gateway.namespace, '-o', programmed];
  // Envoy opens the gateway's port with the first route, so "programmed" is all that can be awaited here.
  await waitFor('the Gateway being programmed', { timeoutMs: startTimeoutMs }, async () => {
    return (await kubectl(get)) === 'True';
  });
}

function gatewayObjects(): object {
  const apiVersion = 'gateway.networking.k8s.io/v1';
  // Contour has Envoy listen 8000 above the listener's port, so that Envoy needs no privilege.
  const port = ports.gateway - 8000;
  const listener = { name: 'http', protocol: 'HTTP', port, allowedRoutes: { namespaces: { from: 'All' } } };
  return {
    apiVersion: 'v1',
    kind: 'List',
    items: [
      { apiVersion: 'v1', kind: 'Namespace', metadata: { name: gateway.namespace } },
      {
        apiVersion,
        kind: 'GatewayClass',
        metadata: { name: gateway.name },
        spec: { controllerName: 'projectcontour.io/gateway-controller' },
      },
      {
        apiVersion,
        kind: 'Gateway',
        metadata: { name: gateway.name, namespace: gateway.namespace },
        spec: { gatewayClassName: gateway.name, listeners: [listener] },
      },
    ],
  };
}

async function startContour(contour: string): Promise<void> {
  const config = join(paths.config, 'contour.yaml'); // JSON is YAML too
  const settings = {
    gateway: { gatewayRef: gateway },
    'accesslog-level': 'disabled',
    network: { 'admin-port': ports.envoyAdmin },
  };
  writeFileSync(config, JSON.stringify(settings, null, 2));
  await startProcess({
    name: 'contour',
    command: contour,
    args: [
      'serve',
      `--config-path=${config}`,
      `--kubeconfig=${pkiFile('admin.kubeconfig')}`,
      '--insecure', // xDS without TLS: it stays on loopback
      `--xds-address=${loopback}`,
      `--xds-port=${ports.contourXds}`,
      `--http-address=${loopback}`,
      `--http-port=${ports.contourHealth}`,
      `--health-address=${loopback}`,
      `--health-port=${ports.contourHealth}`,
      // Envoy binds its own listener here: on a port of Contour's it would be refused and sent again without end.
      `--stats-address=${loopback}`,
      `--stats-port=${ports.envoyStats}`,
      `--ingress-status-address=${bridge.address}`,
      '--disable-leader-election',
      '--kubernetes-client-qps=100',
      '--kubernetes-client-burst=200',
    ],
  });
  await waitUntilUp('contour', startTimeoutMs, async () => await canConnect(loopback, ports.contourXds));
}

async function startEnvoy(binaries: Binaries): Promise<void> {
  const config = join(paths.config, 'envoy.json');
  const adminSocket = join(runDir, 'envoy-admin.sock');
  mkdirSync(runDir, { recursive: true });
  const xds = ['--xds-address', loopback, '--xds-port', String(ports.contourXds)];
  const identity = ['--service-cluster', 'latchkey', '--service-node', 'latchkey'];
  await run(binaries.contour, ['bootstrap', config, ...xds, '--admin-address', adminSocket]);
  await startProcess({
    name: 'envoy',
    command: binaries.envoy,
    // With hot restart on, Envoy ends when the process that started it ends.
    args: ['-c', config, ...identity, '--log-level', 'warn', '--disable-hot-restart'],
  });
  await waitUntilUp('envoy', startTimeoutMs, async () => await canConnect(loopback, ports.envoyStats));
}
