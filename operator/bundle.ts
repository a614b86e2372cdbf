/**
 * Makes one file of a program of the operator and of what it imports. For the operator's image run by operator/Dockerfile and, where no
 * registry is at hand, by k8s/demo/images.ts: `node operator/bundle.ts FILE`. For the kubectl plugin called by plugin-package/pack.ts.
 *
 * `@kubernetes/client-node` has 25 MB of generated text, of which we use the kubeconfig and its credentials; it does not say that its modules
 * may be left out, so it is said here. Measured: 84 MB resident instead of 133, started in 0.3 s instead of 1 (docs/adr/0022-one-file.md).
 */
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type BuildOptions, build, type Plugin } from 'esbuild';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const CLIENT = '/@kubernetes/client-node/';

/** CommonJS packages in the bundle ask for node's modules in their own way. */
const REQUIRE =
  "import { createRequire as createRequireHere } from 'node:module'; const require = createRequireHere(import.meta.url);";

/** The client's own imports name their files, so nothing has to be looked for: 4 s instead of 30, for the same bytes. */
const leaveOutUnusedClient: Plugin = {
  name: 'leave-out-unused-client',
  setup(run) {
    run.onResolve({ filter: /^@kubernetes[/]client-node$/ }, async ({ path, pluginData, ...from }) => {
      if (pluginData === leaveOutUnusedClient) return undefined;
      const found = await run.resolve(path, { ...from, pluginData: leaveOutUnusedClient });
      return { path: found.path, sideEffects: false };
    });
    run.onResolve({ filter: /^[.][.]?[/]/ }, ({ path, importer }) =>
      importer.includes(CLIENT) ? { path: join(dirname(importer), path), sideEffects: false } : undefined,
    );
  },
};

export interface Bundle {
  readonly text: string;
  /** Paths from the repository's root of every file that something was taken from. */
  readonly inputs: readonly string[];
}

/**
 * @param entry path from the repository's root
 * @param target the oldest node that shall read it, as esbuild names it
 * @param more what this program needs beside it; its plugins are asked first
 */
export async function bundle(entry: string, target: string, more: BuildOptions = {}): Promise<Bundle> {
  const { outputFiles, metafile } = await build({
    ...more,
    absWorkingDir: ROOT,
    entryPoints: [entry],
    bundle: true,
    write: false,
    metafile: true,
    platform: 'node',
    format: 'esm',
    target,
    banner: { js: `${more.banner?.['js'] ?? ''}${REQUIRE}` },
    plugins: [...(more.plugins ?? []), leaveOutUnusedClient],
    logLevel: 'error',
  });
  const used = Object.values(metafile.outputs).flatMap(({ inputs }) => Object.entries(inputs));
  const inputs = used.flatMap(([path, { bytesInOutput }]) => (bytesInOutput > 0 ? [path] : []));
  return { text: inOneByte(outputFiles[0]?.text ?? ''), inputs };
}

/**
 * One character beyond ASCII makes node keep the whole text with two bytes each for as long as the program runs: 3.7 MB for a paragraph sign.
 * They are in comments only, since esbuild writes those of strings and expressions as escapes.
 */
const inOneByte = (text: string): string => text.replaceAll(/[^\0-\x7f]/g, '?');

/** @param file where the bundle goes; beside it nothing else is written */
export async function bundleOperator(file: string): Promise<void> {
  writeFileSync(file, (await bundle('operator/src/main.ts', 'node24')).text);
}

if (import.meta.main) {
  const [file] = process.argv.slice(2);
  if (file === undefined) throw new Error('usage: node operator/bundle.ts FILE');
  await bundleOperator(file);
}
