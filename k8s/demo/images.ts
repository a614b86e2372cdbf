// Builds what the demo installs: the product's two images from their real Dockerfiles, and the faulty one from test/.
// Called by demo.ts and by the end-to-end tests; install.ts gets the names.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleOperator } from '../../operator/bundle.ts';
import { LocalClusterError } from '../local/failure.ts';
import { buildImage } from '../local/images.ts';
import { paths } from '../local/layout.ts';
import { run } from '../local/run.ts';
import type { ImageName } from './install.ts';
import type { Place } from './place.ts';

/** The API's versions of the demo: stable, the healthy candidate, the sick candidate. */
export const versions = { first: '1.0.0', healthy: '1.1.0', sick: '1.2.0' } as const;

export const images = {
  operator: { repository: 'latchkey/operator', tag: versions.first },
  first: { repository: 'latchkey/api', tag: versions.first },
  healthy: { repository: 'latchkey/api', tag: versions.healthy },
  sick: { repository: 'latchkey/api-faulty', tag: versions.sick },
} as const satisfies Readonly<Record<string, ImageName>>;

const root = fileURLToPath(new URL('../..', import.meta.url));
const buildDeadlineMs = 600_000;

interface Recipe {
  readonly image: ImageName;
  readonly dockerfile: string;
  readonly context: string;
  readonly buildArgs: Readonly<Record<string, string>>;
  /** What stands for stages that would need a registry. */
  readonly stages?: () => Promise<Readonly<Record<string, string>>>;
}

const recipes: readonly Recipe[] = [
  { image: images.operator, dockerfile: 'operator/Dockerfile', context: '.', buildArgs: {}, stages: bundledHere },
  { image: images.first, dockerfile: 'api/Dockerfile', context: '.', buildArgs: { APP_VERSION: versions.first } },
  { image: images.healthy, dockerfile: 'api/Dockerfile', context: '.', buildArgs: { APP_VERSION: versions.healthy } },
  {
    image: images.sick,
    dockerfile: 'test/faults/Dockerfile',
    context: 'test/faults',
    buildArgs: { API_IMAGE: nameOf(images.first) },
  },
];

/** Builds the images one after the other and brings them to where the cluster's node finds them. */
export async function buildImages(place: Place, note: (text: string) => void): Promise<void> {
  if (place.images === 'present') return;
  for (const recipe of recipes) {
    note(nameOf(recipe.image));
    if (place.images === 'local') await buildLocally(recipe);
    else await buildWithDocker(recipe, place.images.context);
  }
}

async function buildLocally({ image, dockerfile, context, buildArgs, stages }: Recipe): Promise<void> {
  await buildImage({
    dockerfile: join(root, dockerfile),
    context: join(root, context),
    tag: nameOf(image),
    buildArgs,
    ...(stages === undefined ? {} : { stages: await stages() }),
  });
}

/** The `build` stage of operator/Dockerfile, by the same program. */
async function bundledHere(): Promise<Readonly<Record<string, string>>> {
  const folder = join(paths.images, 'operator-build');
  mkdirSync(join(folder, 'app'), { recursive: true });
  await bundleOperator(join(folder, 'app', 'operator.mjs'));
  return { build: folder };
}

async function buildWithDocker({ image, dockerfile, context, buildArgs }: Recipe, cluster: string): Promise<void> {
  const args = Object.entries(buildArgs).flatMap(([name, value]) => ['--build-arg', `${name}=${value}`]);
  const load = loadCommand(cluster, nameOf(image));
  const options = { cwd: root, timeoutMs: buildDeadlineMs };
  await run('docker', ['build', '--file', dockerfile, '--tag', nameOf(image), ...args, context], options);
  await run(load.file, load.args, options);
}

/** How an image of the local Docker gets into a development cluster, told by the usual name of its context. */
function loadCommand(context: string, image: string): { readonly file: string; readonly args: readonly string[] } {
  const [tool, ...rest] = context.split('-');
  const name = rest.join('-');
  if (tool === 'kind') return { file: 'kind', args: ['load', 'docker-image', image, '--name', name] };
  if (tool === 'k3d') return { file: 'k3d', args: ['image', 'import', image, '--cluster', name] };
  if (context === 'minikube') return { file: 'minikube', args: ['image', 'load', image] };
  throw new LocalClusterError(
    'CONTEXT_INCOMPLETE',
    `The demo does not know how images get into the cluster of the context ${context}: build them from api/Dockerfile, operator/Dockerfile and test/faults/Dockerfile, bring them there and add --no-build.`,
  );
}

function nameOf(image: ImageName): string {
  return `${image.repository}:${image.tag}`;
}
