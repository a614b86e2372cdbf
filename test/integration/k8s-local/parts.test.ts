import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { reasonOf } from '../../../k8s/local/failure.ts';
import { partsFor } from '../../../k8s/local/parts.ts';
import { run } from '../../../k8s/local/run.ts';

const module = fileURLToPath(new URL('../../../k8s/local/parts.ts', import.meta.url));

describe('the parts of the local cluster', () => {
  let folder: string;
  const environment = { ...process.env };
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'latchkey-parts-'));
  });
  afterEach(() => {
    for (const name of ['PATH', 'KUBEBUILDER_ASSETS', 'XDG_CACHE_HOME']) {
      if (environment[name] === undefined) delete process.env[name];
      else process.env[name] = environment[name];
    }
    rmSync(folder, { recursive: true });
  });

  const addProgram = (place: string, name: string, says: string) => {
    mkdirSync(join(folder, place), { recursive: true });
    writeFileSync(join(folder, place, name), `#!/bin/sh\necho '${says}'\n`, { mode: 0o755 });
    return join(folder, place, name);
  };

  it('are the ones that the user points at, before all others and whatever their version', async () => {
    const etcd = addProgram('assets', 'etcd', 'etcd Version: 3.5.0');
    process.env.KUBEBUILDER_ASSETS = join(folder, 'assets');
    expect((await partsFor(['etcd'])).etcd).to.equal(etcd);
  });

  it('come from the PATH when their version fits, and a wrong version earlier on it is passed over', async () => {
    addProgram('old', 'kubectl', 'Client Version: v1.30.0');
    const fitting = addProgram('new', 'kubectl', 'Client Version: v1.36.2');
    process.env.PATH = [join(folder, 'old'), join(folder, 'new'), environment.PATH].join(':');
    delete process.env.KUBEBUILDER_ASSETS;
    expect((await partsFor(['kubectl'])).kubectl).to.equal(fitting);
  });

  it('come from the cache when the PATH has none, but only in the pinned version', async () => {
    process.env.PATH = join(folder, 'empty');
    process.env.XDG_CACHE_HOME = folder;
    delete process.env.KUBEBUILDER_ASSETS;
    addProgram('latchkey/helm-3.0.0', 'helm', 'old');
    const cached = addProgram('latchkey/helm-4.2.4', 'helm', 'new');
    expect((await partsFor(['helm'])).helm).to.equal(cached);
  });

  it('that cannot be had without a network end within seconds in a sentence with the way out', async () => {
    // A network namespace of its own: neither downloads nor the module proxy nor the package index can be reached.
    const script = `import(${JSON.stringify(module)}).then((parts) => parts.partsFor(process.argv.slice(1)))
      .catch((error) => { console.log(error.code + ': ' + error.message); })`;
    const env = { XDG_CACHE_HOME: folder, GOMODCACHE: join(folder, 'mod'), GOCACHE: join(folder, 'go'), GOFLAGS: '' };
    const withoutNetwork = async (...names: readonly string[]) => {
      const node = [process.execPath, '--input-type=module', '--eval', script, '--', ...names];
      const path = '/usr/local/go/bin:/usr/local/bin:/usr/bin:/bin'; // no program of the developer's own
      return await run('unshare', ['--net', '--map-root-user', ...node], {
        env: { ...env, PATH: path },
        timeoutMs: 60_000,
      });
    };
    const startedAt = performance.now();
    expect(await withoutNetwork('kube-apiserver')).to.match(
      /^PART_MISSING: kube-apiserver: not on the PATH, the official download did not do \(https:\/\/dl\.k8s\.io is not reachable\), .+ KUBEBUILDER_ASSETS/,
    );
    expect(await withoutNetwork('envoy')).to.match(/^PART_MISSING: .*envoy.* put the program on the PATH/s);
    expect(performance.now() - startedAt).to.be.below(45_000);
  }).timeout(60_000);

  it('that need a distribution package and find no apt-get say what to install', async () => {
    const { installPackages } = await import('../../../k8s/local/parts/apt.ts');
    const { candidates } = await import('../../../k8s/local/parts/on-path.ts');
    process.env.PATH = folder;
    expect(candidates('apt-get')).to.deep.equal([]);
    const reason = await installPackages(['containerd', 'runc'], new AbortController().signal).catch(reasonOf);
    expect(reason).to.equal(
      "missing on this machine: containerd runc (Debian's names): install them with your package manager and try again",
    );
  });
});
