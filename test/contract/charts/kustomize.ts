/** Runs kubectl's kustomize on the folders of k8s and reads what it builds. Used by the chart tests of this folder and of test/integration/charts. */
import { fileURLToPath } from 'node:url';
import { partsFor } from '../../../k8s/local/parts.ts';
import { run } from '../../../k8s/local/run.ts';
import { type KubernetesObject, readObjects } from './helm.ts';

export const ENVIRONMENTS = ['development', 'staging', 'production'] as const;
export type Environment = (typeof ENVIRONMENTS)[number];

/** Where each overlay puts its objects. */
export const NAMESPACES: Readonly<Record<Environment, string>> = {
  development: 'auth-dev',
  staging: 'auth-staging',
  production: 'auth',
};

export const kustomization = (folder: string): string =>
  fileURLToPath(new URL(`../../../k8s/${folder}`, import.meta.url));

/** The objects that `kubectl kustomize` makes of a folder below k8s/. */
export const built = (folder: string): Promise<readonly KubernetesObject[]> => builtIn(kustomization(folder));

/** The same of any folder. */
export async function builtIn(folder: string): Promise<readonly KubernetesObject[]> {
  const { kubectl } = await partsFor(['kubectl']);
  return readObjects(await run(kubectl, ['kustomize', folder]));
}

/** Everything of an environment: the overlay that is applied, and the route that is made once. */
export const builtFor = async (environment: Environment): Promise<readonly KubernetesObject[]> =>
  (await Promise.all([built(`overlays/${environment}`), built(`overlays/${environment}/route`)])).flat();
