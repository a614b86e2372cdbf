/** The plugin as its user gets it: packed, installed by npm without a network, found by the real kubectl, on the real apiserver. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { z } from 'zod';
import { partsFor } from '../../../k8s/local/parts.ts';
import { packPlugin } from '../../../operator/plugin-package/pack.ts';
import { HELP } from '../../../operator/src/plugin/options.ts';
import repository from '../../../package.json' with { type: 'json' };
import { Scene } from '../../support/rollout-scene.ts';

const run = promisify(execFile);
const packageShape = z.looseObject({ version: z.string(), engines: z.object({ node: z.string() }) });
const rolloutShape = z.looseObject({ kind: z.string(), metadata: z.looseObject({ name: z.string() }) });

describe('the npm package of kubectl authrollout', function () {
  this.timeout(120_000);
  let folder: string;
  let installed: string;
  let kubectl: string;
  let scene: Scene;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'latchkey-package-'));
    ({ kubectl } = await partsFor(['kubectl']));
    const tarball = await packPlugin(folder);
    // An empty cache: what the package lacked would have to come from the network.
    const place = ['--prefix', folder, '--cache', join(folder, 'cache')];
    await run('npm', ['install', ...place, '--offline', '--no-audit', '--no-fund', tarball]);
    installed = join(folder, 'node_modules');
  });

  after(() => rm(folder, { recursive: true }));

  beforeEach(async () => {
    scene = await Scene.create();
  });

  /** With nothing of the repository on the PATH but one node. */
  const env = (node = process.execPath): NodeJS.ProcessEnv => ({
    HOME: folder,
    PATH: [join(installed, '.bin'), dirname(node), '/usr/bin', '/bin'].join(delimiter),
  });
  const authrollout = (...args: readonly string[]) => run(kubectl, ['authrollout', ...args], { env: env() });
  const place = (): readonly string[] => ['--namespace', scene.namespace, '--kubeconfig', scene.server.kubeconfig()];

  it('needs no other package, and says version, licences and the node that it needs', async () => {
    expect((await readdir(installed)).filter((name) => !name.startsWith('.'))).to.deep.equal(['kubectl-authrollout']);
    const files = join(installed, 'kubectl-authrollout');
    const manifest = packageShape.parse(JSON.parse(await readFile(join(files, 'package.json'), 'utf8')));
    expect(manifest.version).to.equal(repository.version);
    expect(manifest.engines.node).to.match(/^>=20/);
    expect(manifest).to.not.have.property('dependencies');
    expect(await readFile(join(files, 'LICENSE'), 'utf8')).to.include('Apache License');
    expect(await readFile(join(files, 'THIRD-PARTY-LICENSES.txt'), 'utf8'))
      .to.include('zod')
      .and.to.include('MIT');
    expect(await readFile(join(files, 'README.md'), 'utf8')).to.include(
      `kubectl-authrollout-${repository.version}.tgz`,
    );
  });

  it('is found by kubectl, and asks the API server', async () => {
    expect((await authrollout('--help')).stdout).to.equal(`${HELP}\n`);
    const { stdout } = await authrollout('status', 'auth-api', '-o', 'json', ...place());
    expect(rolloutShape.parse(JSON.parse(stdout))).to.deep.include({ kind: 'AuthRollout' });
    const missing: unknown = await authrollout('status', 'nobody', ...place()).catch((error: unknown) => error);
    expect(missing).to.include({ code: 1 }).and.to.have.property('stderr').that.includes('no AuthRollout nobody there');
  });

  it('completes commands and names for kubectl', async () => {
    const complete = (...words: readonly string[]) =>
      run(kubectl, ['__complete', 'authrollout', ...words], { env: env() });
    expect((await complete('set-')).stdout).to.match(/^set-weight\n:0\n/);
    expect((await complete('status', ...place(), 'au')).stdout).to.match(/^auth-api\n:0\n/);
  });

  it('runs under every node on this machine that it says it needs', async () => {
    const nodes = (process.env['PATH'] ?? '').split(delimiter).map((path) => join(path, 'node'));
    const versions: string[] = [];
    for (const node of new Set([process.execPath, ...nodes.filter((path) => existsSync(path))])) {
      const { stdout: version } = await run(node, ['--version']);
      if (Number(/^v(\d+)/.exec(version)?.[1]) < 20) continue;
      const main = join(installed, 'kubectl-authrollout', 'kubectl-authrollout.mjs');
      const { stdout } = await run(node, [main, 'list', '-o', 'json', ...place()]);
      expect(JSON.parse(stdout), version).to.have.length(1);
      versions.push(version);
    }
    expect(versions).to.include(`${process.version}\n`);
  });
});
