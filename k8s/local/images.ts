/**
 * Builds an image from its ordinary Dockerfile and puts it where the local cluster's kubelet finds it. The demo and the
 * end-to-end tests call `buildImage`.
 */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { buildah, ensureBaseImage, productionDependencies } from './base-image.ts';
import { LocalClusterError, reasonOf } from './failure.ts';
import { locks, paths } from './layout.ts';
import { withLock } from './lock.ts';
import { ctr } from './node.ts';
import { run, tryRun } from './run.ts';

export interface ImageOptions {
  /** Absolute, or relative to the working directory. */
  readonly dockerfile: string;
  readonly context: string;
  /** `latchkey/api:1.2.3`: in the cluster it is `docker.io/latchkey/api:1.2.3`. */
  readonly tag: string;
  readonly buildArgs?: Readonly<Record<string, string>>;
  readonly labels?: Readonly<Record<string, string>>;
  /** Folders that stand for stages of the Dockerfile, by their names, where there is no registry for what these stages install. */
  readonly stages?: Readonly<Record<string, string>>;
}

const project = fileURLToPath(new URL('../..', import.meta.url));
const buildTimeoutMs = 600_000;
const refName = 'org.opencontainers.image.ref.name';

const descriptorSchema = z.looseObject({ digest: z.string() });
const manifestSchema = z.object({ config: descriptorSchema, layers: z.array(descriptorSchema) });
const indexSchema = z.looseObject({
  manifests: z.array(descriptorSchema.extend({ annotations: z.record(z.string(), z.string()).optional() })),
});

/**
 * Builds the image and imports it into the local cluster's containerd. With a Docker engine and its registry at hand it is
 * `docker build`; otherwise buildah, with the base image and the dependencies of this machine. `FROM` may name an image
 * that was built here before.
 * @returns the fully qualified name
 * @throws LocalClusterError IMAGE_BUILD_FAILED; CLUSTER_UNHEALTHY when no cluster runs
 */
export async function buildImage(options: ImageOptions): Promise<string> {
  if (!existsSync(paths.containerdSocket)) {
    throw new LocalClusterError(
      'CLUSTER_UNHEALTHY',
      'no cluster runs here that could take an image: bring it up first',
    );
  }
  const name = qualifiedName(options.tag);
  mkdirSync(paths.images, { recursive: true });
  try {
    await withLock(locks.images, { timeoutMs: buildTimeoutMs }, async () => {
      const isBuilt = (await hasDocker()) && (await isBuiltWithDocker(options, name));
      if (!isBuilt) await buildWithBuildah(options, name);
    });
  } catch (cause) {
    const message = `${options.tag} could not be built from ${options.dockerfile}: ${reasonOf(cause)}`;
    throw new LocalClusterError('IMAGE_BUILD_FAILED', message, { cause });
  }
  return name;
}

/** `latchkey/api:1` as the container runtime spells it: `docker.io/latchkey/api:1`. */
export function qualifiedName(tag: string): string {
  const [first = '', ...rest] = tag.split('/');
  if (rest.length > 0 && /[.:]|^localhost$/.test(first)) return tag;
  return rest.length === 0 ? `docker.io/library/${tag}` : `docker.io/${tag}`;
}

async function hasDocker(): Promise<boolean> {
  return (await tryRun('docker', ['version', '--format', '{{.Server.Version}}'], { timeoutMs: 5000 })) !== undefined;
}

/** False when `docker build` fails, as it does where the engine reaches no registry: buildah needs none. */
async function isBuiltWithDocker(options: ImageOptions, name: string): Promise<boolean> {
  const args = ['build', '--file', options.dockerfile, '--tag', name, ...settingsOf(options), options.context];
  if ((await tryRun('docker', args, { timeoutMs: buildTimeoutMs })) === undefined) return false;
  const archive = join(paths.images, 'docker.tar');
  await run('docker', ['save', '--output', archive, name], { timeoutMs: buildTimeoutMs });
  await ctr('ctr', ['images', 'import', archive]);
  rmSync(archive);
  return true;
}

async function buildWithBuildah(options: ImageOptions, name: string): Promise<void> {
  await ensureBaseImage();
  const isolated = ['--isolation', 'chroot', '--pull-never', '--layers'];
  // Replaces the Dockerfile's `deps` stage, whose `npm ci` would need a registry, and whatever else the caller has at hand.
  const stages = { deps: await productionDependencies(project), ...options.stages };
  const contexts = Object.entries(stages).flatMap(([stage, folder]) => ['--build-context', `${stage}=${folder}`]);
  const what = ['--file', options.dockerfile, '--tag', name, ...settingsOf(options), options.context];
  await buildah(['bud', ...isolated, ...contexts, ...what], buildTimeoutMs);
  // Pushed again and again to one folder, an image costs only the layers that are new.
  const layout = join(paths.images, 'layout');
  await buildah(['push', '--disable-compression', name, `oci:${layout}:${name}`], buildTimeoutMs);
  await importFromLayout(layout, name);
}

/** Imports one image of an OCI layout, leaving out the blobs that containerd has. */
async function importFromLayout(layout: string, name: string): Promise<void> {
  const index = indexSchema.parse(JSON.parse(readFileSync(join(layout, 'index.json'), 'utf8')));
  const manifest = index.manifests.find((entry) => entry.annotations?.[refName] === name);
  if (manifest === undefined) throw new LocalClusterError('IMAGE_BUILD_FAILED', `${name} is not in ${layout}`);
  const blobOf = (digest: string) => join('blobs', ...digest.split(':'));
  const { config, layers } = manifestSchema.parse(
    JSON.parse(readFileSync(join(layout, blobOf(manifest.digest)), 'utf8')),
  );
  const present = new Set((await ctr('ctr', ['content', 'list', '--quiet'])).split('\n'));
  const digests = [manifest, config, ...layers].map(({ digest }) => digest);
  const missing = digests.filter((digest) => digest === manifest.digest || !present.has(digest));
  const staging = join(paths.images, 'import');
  mkdirSync(staging, { recursive: true });
  const named = { ...manifest, annotations: { 'io.containerd.image.name': name } };
  writeFileSync(join(staging, 'index.json'), JSON.stringify({ ...index, manifests: [named] }));
  const archive = join(paths.images, 'import.tar');
  const files = ['-C', staging, 'index.json', '-C', layout, 'oci-layout', ...missing.map(blobOf)];
  await run('tar', ['-cf', archive, ...files]);
  await ctr('ctr', ['images', 'import', archive]);
  rmSync(archive);
}

function settingsOf(options: ImageOptions): readonly string[] {
  const pairs = (flag: string, values: Readonly<Record<string, string>> = {}) =>
    Object.entries(values).flatMap(([key, value]) => [flag, `${key}=${value}`]);
  return [...pairs('--build-arg', options.buildArgs), ...pairs('--label', options.labels)];
}
