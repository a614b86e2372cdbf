// Where the demo runs: the throwaway cluster of k8s/local, or the user's own by --context. Called by demo.ts first; what
// it returns is all that install.ts and rollout.ts know of the cluster. The end-to-end tests use `placeOf` too.
import { type Cluster, clusterUp } from '../local/cluster.ts';
import { LocalClusterError } from '../local/failure.ts';
import { partsFor } from '../local/parts.ts';
import type { Progress } from '../local/progress.ts';
import { type RunOptions, run } from '../local/run.ts';
import { type Kubectl, openKubectl } from './kubectl.ts';
import type { ContextOptions } from './options.ts';

export interface Place {
  readonly kubectl: Kubectl;
  helm(args: readonly string[], options?: RunOptions): Promise<string>;
  readonly k6: string;
  readonly gatewayUrl: string;
  readonly gateway: { readonly name: string; readonly namespace: string };
  readonly prometheusUrl: string;
  readonly postgresUrl: string;
  readonly redisUrl: string | undefined;
  /** How images get in: built and imported here, through Docker into the user's cluster, or not at all. */
  readonly images: 'local' | 'present' | { readonly docker: true; readonly context: string };
}

/** The place in the local cluster, which is brought up when it does not run. */
export async function localPlace(progress: Progress, signal: AbortSignal): Promise<Place> {
  return placeOf(await clusterUp({ progress, signal }));
}

export function placeOf(cluster: Cluster): Place {
  const { kubeconfig, k6, gatewayUrl, gateway, prometheusUrl, postgresUrl, redisUrl } = cluster;
  return {
    kubectl: openKubectl(cluster.kubectl, { kubeconfig }),
    helm: (args, options) => run(cluster.helm, [...args, '--kubeconfig', kubeconfig], options),
    k6,
    gatewayUrl,
    gateway,
    prometheusUrl,
    postgresUrl,
    redisUrl,
    images: 'local',
  };
}

/**
 * The place in a cluster of the user, checked for what it must have.
 *
 * @throws LocalClusterError CONTEXT_INCOMPLETE with everything that is missing in one sentence each
 */
export async function contextPlace(options: ContextOptions, progress: Progress): Promise<Place> {
  const said = saidByUser(options);
  const parts = await partsFor(['kubectl', 'helm', 'k6'], { progress });
  const kubectl = openKubectl(parts.kubectl, { context: options.name });
  const missing = await missingIn(kubectl, said.gateway);
  if (missing.length > 0) throw new LocalClusterError('CONTEXT_INCOMPLETE', missing.join('\n'));
  return {
    kubectl,
    helm: (args, runOptions) => run(parts.helm, [...args, '--kube-context', options.name], runOptions),
    k6: parts.k6,
    ...said,
    redisUrl: options.redis,
    images: options.build ? { docker: true, context: options.name } : 'present',
  };
}

function saidByUser(options: ContextOptions): Pick<Place, 'gateway' | 'gatewayUrl' | 'prometheusUrl' | 'postgresUrl'> {
  const { gateway = '', gatewayUrl, prometheus: prometheusUrl, postgres: postgresUrl } = options;
  const [namespace, name] = gateway.split('/');
  if (name === undefined || namespace === undefined || !gatewayUrl || !prometheusUrl || !postgresUrl) {
    throw new LocalClusterError(
      'CONTEXT_INCOMPLETE',
      '--context also needs --gateway NAMESPACE/NAME, --gateway-url, --prometheus and --postgres.',
    );
  }
  return { gateway: { name, namespace }, gatewayUrl, prometheusUrl, postgresUrl };
}

async function missingIn(kubectl: Kubectl, gateway: Place['gateway']): Promise<string[]> {
  const missing: string[] = [];
  const ask = async (sentence: string, args: readonly string[]): Promise<void> => {
    await kubectl.run(args, { timeoutMs: 15_000 }).catch((error: unknown) => {
      missing.push(`${sentence} (${error instanceof Error ? error.message : String(error)})`);
    });
  };
  await ask('The cluster does not answer.', ['get', '--raw', '/readyz']);
  if (missing.length > 0) return missing;
  const noApi = 'The Gateway API is not installed: apply its CRDs and a controller such as Contour.';
  await ask(noApi, ['get', '--raw', '/apis/gateway.networking.k8s.io/v1']);
  const noGateway = `There is no Gateway ${gateway.namespace}/${gateway.name}: --gateway names another one, or make it.`;
  await ask(noGateway, ['get', 'gateway', gateway.name, '--namespace', gateway.namespace]);
  return missing;
}
