/**
 * Makes the npm package `@latchkey/client`: one bundled file without dependencies, with its types. `npm run client:pack [-- FOLDER]` writes
 * latchkey-client-VERSION.tgz (default folder: dist). docs/client.md says how to use it, docs/adr/0029-client-across-tabs.md how it works.
 */
import { execFile } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import repository from '../../package.json' with { type: 'json' };

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const PACK_LIMIT_MS = 60_000;

const MANIFEST = {
  name: '@latchkey/client',
  version: repository.version,
  description: 'The client of the Latchkey authentication API for browsers and Node',
  keywords: ['authentication', 'latchkey', 'session', 'refresh-token'],
  license: repository.license,
  type: 'module',
  exports: { '.': { types: './types/client.d.ts', default: './latchkey-client.js' } },
  types: './types/client.d.ts',
  sideEffects: false,
  engines: { node: '>=20.3' },
};

const run = promisify(execFile);

/** @returns the client as one module, for browsers since March 2022 (Chrome 98, Firefox 97, Safari 15.4) and for Node 20.3 */
export async function bundleClient(): Promise<string> {
  const { outputFiles } = await build({
    absWorkingDir: ROOT,
    entryPoints: ['api/client/src/client.ts'],
    bundle: true,
    write: false,
    platform: 'neutral',
    format: 'esm',
    target: ['es2022', 'node20.3'],
    logLevel: 'error',
  });
  return outputFiles[0]?.text ?? '';
}

/** @returns the tarball's path. @throws when npm is not there or refuses, or a type is wrong */
export async function packClient(folder: string): Promise<string> {
  const staging = await mkdtemp(join(tmpdir(), 'latchkey-client-'));
  try {
    const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
    const types = ['-p', join(ROOT, 'api/client'), '--outDir', join(staging, 'types')];
    await Promise.all([
      run(process.execPath, [tsc, ...types], { timeout: PACK_LIMIT_MS }).then(() =>
        nameAsPublished(join(staging, 'types')),
      ),
      writeFile(join(staging, 'package.json'), `${JSON.stringify(MANIFEST, null, 2)}\n`),
      bundleClient().then((text) => writeFile(join(staging, 'latchkey-client.js'), text)),
      copyFile(join(ROOT, 'LICENSE'), join(staging, 'LICENSE')),
      copyFile(fileURLToPath(new URL('README.md', import.meta.url)), join(staging, 'README.md')),
    ]);
    await mkdir(folder, { recursive: true });
    const args = ['pack', staging, '--pack-destination', resolve(folder), '--ignore-scripts', '--offline', '--silent'];
    await run('npm', args, { timeout: PACK_LIMIT_MS });
    return join(resolve(folder), `latchkey-client-${MANIFEST.version}.tgz`);
  } finally {
    await rm(staging, { recursive: true });
  }
}

/** The compiler leaves the sources' `.ts` in the declarations' imports, where no consumer looks for it. */
async function nameAsPublished(folder: string): Promise<void> {
  const files = (await readdir(folder)).map((name) => join(folder, name));
  const rename = async (file: string): Promise<void> => {
    const text = await readFile(file, 'utf8');
    await writeFile(file, text.replaceAll(/(from '\.\/[a-z-]+)\.ts'/g, "$1.js'"));
  };
  await Promise.all(files.map(rename));
}

if (import.meta.main) console.log(await packClient(process.argv[2] ?? join(ROOT, 'dist')));
