/**
 * What the product's Dockerfiles need and a machine without a registry lacks: a local `node:24-bookworm-slim`, made of the
 * node that runs this and the libraries it links to, and the production dependencies. images.ts hands both to buildah.
 */

import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readFileSync, realpathSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { LocalClusterError } from './failure.ts';
import { paths } from './layout.ts';
import { run, tryRun } from './run.ts';

/** The name in the `FROM` lines of api/Dockerfile and operator/Dockerfile. */
export const baseImage = 'docker.io/library/node:24-bookworm-slim';

const lockSchema = z.object({
  packages: z.record(z.string(), z.object({ dev: z.boolean().optional(), link: z.boolean().optional() })),
});

/** buildah with a store of its own, so that the user's images are neither used nor filled. */
export async function buildah(args: readonly string[], timeoutMs = 300_000): Promise<string> {
  const store = ['--root', join(paths.images, 'store'), '--runroot', paths.imagesRun];
  return await run('buildah', [...store, ...args], { timeoutMs });
}

/** Makes the base image once per store. */
export async function ensureBaseImage(): Promise<void> {
  if ((await buildah(['images', '--quiet', '--filter', `reference=${baseImage}`])).trim() !== '') return;
  const context = join(paths.images, 'base');
  rmSync(context, { recursive: true, force: true });
  const root = join(context, 'root');
  addFile(root, process.execPath, '/usr/local/bin/node');
  if (existsSync('/bin/sh')) addFile(root, '/bin/sh', '/bin/sh'); // for RUN lines and `kubectl exec`
  for (const library of await librariesOf([process.execPath, '/bin/sh'])) addFile(root, library, library);
  const certificates = '/etc/ssl/certs/ca-certificates.crt';
  if (existsSync(certificates)) addFile(root, certificates, certificates);
  mkdirSync(join(root, 'tmp'), { recursive: true, mode: 0o777 });
  writeFileSync(join(root, 'etc', 'passwd'), 'root:x:0:0:root:/root:/bin/sh\nnode:x:65532:65532::/tmp:/bin/sh\n');
  const lines = ['FROM scratch', 'COPY root /', 'ENV PATH=/usr/local/bin:/usr/bin:/bin', 'CMD ["node"]'];
  writeFileSync(join(context, 'Dockerfile'), lines.join('\n'));
  await buildah(['bud', '--isolation', 'chroot', '--tag', baseImage, context]);
  rmSync(context, { recursive: true });
}

/**
 * A folder that stands for the Dockerfiles' `deps` stage: `app/node_modules` with the packages that `npm ci --omit=dev`
 * would install, taken from the installed tree, since a build has neither registry nor settings.
 * @throws LocalClusterError IMAGE_BUILD_FAILED when the project's dependencies are not installed
 */
export async function productionDependencies(project: string): Promise<string> {
  const lock = readFileSync(join(project, 'package-lock.json'), 'utf8');
  const folder = join(paths.images, `deps-${createHash('sha256').update(lock).digest('hex').slice(0, 12)}`);
  if (existsSync(folder)) return folder;
  const places = Object.entries(lockSchema.parse(JSON.parse(lock)).packages)
    .filter(([place, about]) => isTopLevel(place) && about.dev !== true && existsSync(join(project, place)))
    .map(([place]) => place);
  if (places.length === 0) {
    throw new LocalClusterError(
      'IMAGE_BUILD_FAILED',
      `${project} has no installed dependencies: run npm ci there first`,
    );
  }
  const unfinished = `${folder}.new`;
  rmSync(unfinished, { recursive: true, force: true });
  mkdirSync(join(unfinished, 'app'), { recursive: true });
  const copy = ['-a', '--parents', ...places, join(unfinished, 'app')];
  // Hard links where the file system allows them: thousands of files in a fraction of a second.
  if ((await tryRun('cp', ['-l', ...copy], { cwd: project })) === undefined) await run('cp', copy, { cwd: project });
  const unread = ['*.ts', '*.cts', '*.mts', '*.map', '*.md'].flatMap((pattern) => ['-o', '-name', pattern]).slice(1);
  // Node reads none of these below node_modules; they are half of the files that each build would hash.
  await run('find', [unfinished, '-type', 'f', '(', ...unread, ')', '-delete']);
  renameSync(unfinished, folder);
  return folder;
}

/** A package below another package's node_modules comes along with that package. */
function isTopLevel(place: string): boolean {
  return place.startsWith('node_modules/') && place.lastIndexOf('node_modules/') === 0;
}

function addFile(root: string, source: string, place: string): void {
  const target = join(root, place);
  mkdirSync(dirname(target), { recursive: true });
  cpSync(realpathSync(source), target, { dereference: true });
}

/** Every shared library of these programs, by `ldd`, and the name-service ones that glibc opens by itself. */
async function librariesOf(programs: readonly string[]): Promise<readonly string[]> {
  const listings = await Promise.all(programs.map(async (program) => (await tryRun('ldd', [program])) ?? ''));
  const linked = listings.flatMap((text) => [...text.matchAll(/(?:=> )?(\/\S+) \(0x/g)].map((match) => match[1] ?? ''));
  const libc = linked.find((path) => path.includes('libc.so')) ?? '/lib/libc.so.6';
  const nameService = ['libnss_dns.so.2', 'libnss_files.so.2', 'libresolv.so.2'].map((name) =>
    join(dirname(libc), name),
  );
  return [...new Set([...linked, ...nameService.filter((path) => existsSync(path))])];
}
