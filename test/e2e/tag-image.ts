// Gives an image of the node a second name, so that a test has a new version without a build. Called by installation.ts.
import type { ImageName } from '../../k8s/demo/install.ts';
import type { Cluster } from '../../k8s/local/cluster.ts';
import { qualifiedName } from '../../k8s/local/images.ts';
import { ctr } from '../../k8s/local/node.ts';

export async function tagImage(_cluster: Cluster, from: ImageName, to: ImageName): Promise<void> {
  const nameOf = ({ repository, tag }: ImageName): string => qualifiedName(`${repository}:${tag}`);
  await ctr('ctr', ['images', 'tag', nameOf(from), nameOf(to)]);
}
