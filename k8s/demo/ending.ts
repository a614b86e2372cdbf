// How the demo ends: what it made is taken away, or explained when it stays; a failure says why and the way out. Called by
// demo.ts last.
import { clusterDown } from '../local/cluster.ts';
import { LocalClusterError } from '../local/failure.ts';
import { madeHere, names } from './install.ts';
import type { DemoOptions } from './options.ts';
import type { Place } from './place.ts';
import { innerProgress, type Screen } from './stage.ts';

/** Takes the local cluster down, or in the user's cluster removes the two releases and their namespaces. A cluster that never came up left nothing. */
export async function cleanUp(options: DemoOptions, place: Place | undefined, screen: Screen): Promise<void> {
  if (place === undefined) return;
  if (options.context === undefined) {
    await screen.stage('Taking the cluster down', (note) => clusterDown({ progress: innerProgress(screen, note) }));
    return;
  }
  await screen.stage('Removing both releases and their namespaces', async () => {
    const { kubectl } = place;
    // The rollout first: its finalizer needs the operator, and its pods outlive it until the namespace goes.
    await kubectl.run(['delete', 'authrollout', '--all', '-n', names.namespace, '--ignore-not-found']);
    await place.helm(['uninstall', names.operatorRelease, '-n', names.operatorNamespace, '--ignore-not-found']);
    await kubectl.run(['delete', 'namespace', '-l', madeHere, '--ignore-not-found'], { timeoutMs: 120_000 });
  });
}

/** Lines that a person can paste to look around in what --keep left running. */
export function exploreLines(options: DemoOptions, place: Place): string[] {
  const { rollout, namespace } = { rollout: names.release, namespace: names.namespace };
  return [
    '',
    'Everything still runs. Look around:',
    ...place.kubectl.setUpLines.map((line) => `  ${line}`),
    `  kubectl get aroll --namespace ${namespace} --watch`,
    `  kubectl describe aroll ${rollout} --namespace ${namespace}`,
    `  kubectl get httproutes,deployments,pods --namespace ${namespace}`,
    `  kubectl get events --namespace ${namespace} --sort-by=.metadata.creationTimestamp`,
    `  kubectl logs deployment/${names.operatorRelease} --namespace ${names.operatorNamespace}`,
    `  curl ${place.gatewayUrl}/api/health`,
    ...(options.context === undefined ? ['Remove it: npm run demo:down'] : []),
  ];
}

const waysOut: Readonly<Record<string, string>> = {
  NOT_LINUX: 'Run it on a Linux machine, or use your own cluster: npm run demo -- --context NAME.',
  NOT_ROOT: 'Run it with sudo or as root, or use your own cluster: npm run demo -- --context NAME.',
  CONTEXT_INCOMPLETE: 'npm run demo -- --help says what a cluster must have.',
  CLUSTER_UNHEALTHY: 'npm run demo:down cleans up what is left; then run it again.',
};

/** Why the demo failed and what to do about it. */
export function whyAndWayOut(error: unknown): string[] {
  const code = error instanceof LocalClusterError ? error.code : '';
  const wayOut = waysOut[code] ?? 'Run it again with --keep to look at what it left, then npm run demo:down.';
  const why = error instanceof Error ? error.message : String(error);
  return ['', `The demo failed: ${why}`, wayOut];
}
