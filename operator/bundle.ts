/**
 * Makes one file of the operator and of what it imports, for its image. Run by operator/Dockerfile and, where no registry is at hand, by
 * k8s/demo/images.ts: `node operator/bundle.ts FILE`.
 *
 * `@kubernetes/client-node` has 25 MB of generated text, of which we use the kubeconfig and its credentials; it does not say that its modules
 * may be left out, so it is said here. Measured: 84 MB resident instead of 133, started in 0.3 s instead of 1 (docs/adr/0022-one-file.md).
 */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build, type Plugin } from 'esbuild';

const ENTRY = fileURLToPath(new URL('src/main.ts', import.meta.url));
const CLIENT = '/@kubernetes/client-node/';

/** CommonJS packages in the bundle ask for node's modules in their own way. */
const REQUIRE =
  "import { createRequire as createRequireHere } from 'node:module'; const require = createRequireHere(import.meta.url);";

const leaveOutUnusedClient: Plugin = {
  name: 'leave-out-unused-client',
  setup(run) {
    run.onResolve({ filter: /.*/ }, async ({ path, pluginData, ...from }) => {
      if (pluginData === leaveOutUnusedClient || from.kind === 'entry-point') return undefined;
      const found = await run.resolve(path, { ...from, pluginData: leaveOutUnusedClient });
      return found.path.includes(CLIENT) ? { path: found.path, sideEffects: false } : undefined;
    });
  },
};

/** @param file where the bundle goes; beside it nothing else is written */
export async function bundleOperator(file: string): Promise<void> {
  const { outputFiles } = await build({
    entryPoints: [ENTRY],
    bundle: true,
    write: false,
    platform: 'node',
    format: 'esm',
    target: 'node24',
    banner: { js: REQUIRE },
    plugins: [leaveOutUnusedClient],
    logLevel: 'error',
  });
  writeFileSync(file, outputFiles[0]?.contents ?? '');
}

if (import.meta.main) {
  const [file] = process.argv.slice(2);
  if (file === undefined) throw new Error('usage: node operator/bundle.ts FILE');
  await bundleOperator(file);
}
