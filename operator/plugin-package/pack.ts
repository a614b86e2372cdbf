/**
 * Makes the npm package of the kubectl plugin: one bundled file without dependencies, and the command that kubectl asks for completions.
 * `npm run plugin:pack [-- FOLDER]` writes kubectl-authrollout-VERSION.tgz (default folder: dist). docs/kubectl.md says how to install it,
 * docs/adr/0025-plugin-package.md why it is built so.
 */
import { execFile } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Plugin } from 'esbuild';
import { z } from 'zod';
import repository from '../../package.json' with { type: 'json' };
import { bundle } from '../bundle.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const NAME = 'kubectl-authrollout';
const COMPLETE = 'kubectl_complete-authrollout';
const PACK_LIMIT_MS = 60_000;

const MANIFEST = {
  name: NAME,
  version: repository.version,
  description: 'kubectl authrollout: follow, plan, approve, abort and verify the rollouts of Latchkey',
  keywords: ['kubectl', 'kubectl-plugin', 'kubernetes'],
  license: repository.license,
  type: 'module',
  bin: { [NAME]: `${NAME}.mjs`, [COMPLETE]: `${COMPLETE}.mjs` },
  // AbortSignal.any came with 20.3, where it was tried.
  engines: { node: '>=20.3' },
};

/** kubectl wants one candidate a line, then cobra's directive (0: files where there are none). The same as operator/bin. */
const COMPLETE_PROGRAM = `#!/usr/bin/env node
process.argv.splice(2, 0, '__complete');
await import('./${NAME}.mjs');
console.log(':0');
`;

/**
 * The client's own requests go through undici, which is a third of the bundle and loads on no Node below 22. Ours go through
 * clients/transport.ts, so nothing of it is ever called.
 */
const withoutUndici: Plugin = {
  name: 'without-undici',
  setup(run) {
    run.onResolve({ filter: /^undici$/ }, ({ path }) => ({ path, namespace: 'absent' }));
    run.onLoad({ filter: /.*/, namespace: 'absent' }, () => ({
      contents: `function absent() { throw new Error('undici is not part of ${NAME}'); }
        export { absent as fetch, absent as Agent, absent as ProxyAgent };`,
    }));
  },
};

/** @returns the tarball's path. @throws when npm is not there or refuses */
export async function packPlugin(folder: string): Promise<string> {
  const staging = await mkdtemp(join(tmpdir(), 'latchkey-plugin-'));
  try {
    await fill(staging);
    await mkdir(folder, { recursive: true });
    const args = ['pack', staging, '--pack-destination', resolve(folder), '--ignore-scripts', '--offline', '--silent'];
    await promisify(execFile)('npm', args, { timeout: PACK_LIMIT_MS });
    return join(resolve(folder), `${NAME}-${MANIFEST.version}.tgz`);
  } finally {
    await rm(staging, { recursive: true });
  }
}

async function fill(staging: string): Promise<void> {
  const { text, inputs } = await bundle('operator/src/plugin/main.ts', 'node20.3', {
    banner: { js: '#!/usr/bin/env node\n' },
    // Node 24 says so of the file that was started; older ones do not know the word.
    define: { 'import.meta.main': 'true' },
    plugins: [withoutUndici],
  });
  await Promise.all([
    writeFile(join(staging, 'package.json'), `${JSON.stringify(MANIFEST, null, 2)}\n`),
    writeFile(join(staging, `${NAME}.mjs`), text, { mode: 0o755 }),
    writeFile(join(staging, `${COMPLETE}.mjs`), COMPLETE_PROGRAM, { mode: 0o755 }),
    writeFile(join(staging, 'THIRD-PARTY-LICENSES.txt'), await licensesOf(inputs)),
    copyFile(join(ROOT, 'LICENSE'), join(staging, 'LICENSE')),
    copyFile(fileURLToPath(new URL('README.md', import.meta.url)), join(staging, 'README.md')),
  ]);
}

const packageShape = z.looseObject({ name: z.string(), version: z.string(), license: z.string() });

/** Every licence asks to go along with its code. @throws when a package has none that could */
async function licensesOf(inputs: readonly string[]): Promise<string> {
  const folders = new Set(inputs.flatMap((path) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0] ?? []));
  const texts = [...folders].toSorted().map(async (folder) => {
    const files = await readdir(join(ROOT, folder));
    const file = files.find((name) => /^licen[cs]e/i.test(name));
    if (file === undefined) throw new Error(`${folder} has no licence file: it cannot be part of ${NAME}`);
    const { name, version, license } = packageShape.parse(
      JSON.parse(await readFile(join(ROOT, folder, 'package.json'), 'utf8')),
    );
    const text = await readFile(join(ROOT, folder, file), 'utf8');
    return `${name} ${version} (${license})\n\n${text.trim()}\n`;
  });
  return (await Promise.all(texts)).join(`\n${'-'.repeat(80)}\n\n`);
}

if (import.meta.main) console.log(await packPlugin(process.argv[2] ?? join(ROOT, 'dist')));
