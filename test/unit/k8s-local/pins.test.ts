import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { type PartName, type Pin, pins } from '../../../k8s/local/parts/pins.ts';

const read = (file: string) => readFileSync(new URL(`../../../k8s/local/parts/${file}`, import.meta.url), 'utf8');
const all = Object.entries(pins) as [PartName, Pin][];

describe('the pins of the parts', () => {
  for (const [name, { version, source }] of all) {
    if (source.from === 'go') {
      it(`build ${name} from a tool line and the same version of go.mod`, () => {
        const goMod = read(`${source.module}/go.mod`);
        expect(goMod).to.match(new RegExp(`^(tool )?\\s*${source.package}$`, 'm'));
        expect(goMod).to.include(` v${version}`);
        expect(read(`${source.module}/go.sum`)).to.include(` v${version} h1:`);
      });
    }
    if (source.from === 'go-files') {
      it(`take ${name} from a module version that go.sum fixes`, () => {
        expect(read(`${source.module}/go.sum`)).to.include(`${source.files.path} v${version} h1:`);
      });
    }
    if (source.from === 'wheel') {
      it(`take ${name} from a wheel with a hash`, () => {
        const line = `^${source.requirement}==${version} --hash=sha256:[0-9a-f]{64}$`;
        expect(read('requirements.txt')).to.match(new RegExp(line, 'm'));
      });
    }
    if ('download' in source && source.download !== undefined) {
      const { url, sha256, sumsUrl } = source.download;
      it(`download ${name} over https, in the pinned version, with a sum to compare`, () => {
        for (const address of [url, sumsUrl])
          expect(address)
            .to.match(/^https:/)
            .and.include(version);
        if (sha256 !== undefined) expect(sha256).to.match(/^[0-9a-f]{64}$/);
      });
    }
  }
});

describe('a program on the PATH', () => {
  const said: readonly (readonly [PartName, string, boolean])[] = [
    ['kubectl', 'Client Version: v1.36.3\nKustomize Version: v5.8.1\n', true],
    ['kubectl', 'Client Version: v1.32.4-dispatcher\nKustomize Version: v5.5.0\n', false],
    ['kube-apiserver', 'Kubernetes v1.36.1\n', true],
    ['kube-apiserver', 'Kubernetes v1.33.0\n', false],
    ['etcd', 'etcd Version: 3.6.8\nGit SHA: x\n', true],
    ['etcd', 'etcd Version: 3.4.23\nGit SHA: x\n', false],
    ['helm', 'v4.2.4\n', true],
    ['helm', 'v3.16.1+g5a5449d\n', false],
    ['prometheus', 'prometheus, version 2.42.0+ds (branch: debian/sid)', true],
    ['prometheus', 'prometheus, version 2.31.2+ds1 (branch: debian/sid)', false],
    ['containerd', 'containerd github.com/containerd/containerd 1.6.20~ds1 1.6.20~ds1-1+b1', true],
    ['containerd', 'containerd containerd.io v2.1.4 75cb2b71', true],
    ['containerd', 'containerd github.com/containerd/containerd 1.4.13~ds1', false],
    ['buildah', 'buildah version 1.28.2 (image-spec 1.1.0-rc2, runtime-spec 1.0.2-dev)', true],
    ['nginx', 'nginx version: nginx/1.22.1\n', true],
    ['nginx', 'nginx version: nginx/1.18.0\n', false],
    ['redis-server', 'Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0', true],
  ];
  for (const [name, output, isTaken] of said) {
    it(`is ${isTaken ? 'taken' : 'passed over'} when ${name} says ${JSON.stringify(output.split('\n')[0])}`, () => {
      expect(pins[name].onPath?.fits.test(output)).to.equal(isTaken);
    });
  }
});
