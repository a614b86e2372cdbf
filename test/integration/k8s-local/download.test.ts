import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { downloadPart } from '../../../k8s/local/parts/download.ts';
import { run } from '../../../k8s/local/run.ts';

const program = Buffer.from('#!/bin/sh\necho from the archive\n');
const sumOf = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
const never = new AbortController().signal;

describe('an official download', () => {
  let server: Server;
  let origin: string;
  let folder: string;
  let archive: Buffer;
  const cacheBefore = process.env.XDG_CACHE_HOME;

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'latchkey-download-'));
    process.env.XDG_CACHE_HOME = join(folder, 'cache');
    mkdirSync(join(folder, 'etcd-v1'));
    writeFileSync(join(folder, 'etcd-v1', 'etcd'), program);
    await run('tar', ['-C', folder, '-czf', join(folder, 'etcd.tar.gz'), 'etcd-v1/etcd']);
    archive = readFileSync(join(folder, 'etcd.tar.gz'));
    const bodies = new Map<string, string | Buffer>([
      ['/kubectl', program],
      ['/kubectl.sha256', sumOf(program)],
      ['/etcd.tar.gz', archive],
      ['/SHA256SUMS', `${'0'.repeat(64)}  other.tar.gz\n${sumOf(archive)}  etcd.tar.gz\n`],
      ['/nosums', 'nothing here'],
    ]);
    server = createServer((request, response) => {
      const body = bodies.get(request.url ?? '');
      if (request.url === '/cutoff') {
        response.writeHead(200, { 'content-length': '100000' });
        response.write('only the beginning', () => response.destroy());
      } else if (body === undefined) response.writeHead(404).end();
      else response.end(body);
    });
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });

  after(() => {
    server.close();
    if (cacheBefore === undefined) delete process.env.XDG_CACHE_HOME;
    else process.env.XDG_CACHE_HOME = cacheBefore;
    rmSync(folder, { recursive: true });
  });

  const nothingIsCached = (name: string) => {
    const cached = existsSync(join(folder, 'cache', 'latchkey')) ? readdirSync(join(folder, 'cache', 'latchkey')) : [];
    expect(cached.filter((entry) => entry.startsWith(name) || entry.startsWith('.scratch'))).to.deep.equal([]);
  };

  it('is taken, executable, when its pinned sum is right', async () => {
    const download = { url: `${origin}/kubectl`, sha256: sumOf(program), sumsUrl: `${origin}/missing` };
    const result = await downloadPart('kubectl', download, never);
    if (result.kind !== 'done') throw new Error(result.why);
    expect(readFileSync(result.path)).to.deep.equal(program);
    expect(statSync(result.path).mode & 0o111).to.equal(0o111);
  });

  it("is taken out of its archive when the publisher's list has its sum", async () => {
    const download = { url: `${origin}/etcd.tar.gz`, sumsUrl: `${origin}/SHA256SUMS`, member: 'etcd-v1/etcd' };
    const result = await downloadPart('etcd', download, never);
    if (result.kind !== 'done') throw new Error(result.why);
    expect(await run(result.path, [])).to.equal('from the archive\n');
  });

  const refused = [
    [
      'whose sum is wrong',
      { path: '/kubectl', sums: '/x', sha256: 'a'.repeat(64) },
      /SHA-256 is [0-9a-f]{64}, expected a{64}/,
    ],
    ['that is not there', { path: '/gone', sums: '/x', sha256: 'a'.repeat(64) }, /answered 404/],
    ['that is cut off', { path: '/cutoff', sums: '/x', sha256: 'a'.repeat(64) }, /terminated|aborted|closed/],
    ['whose list of sums is not there', { path: '/kubectl', sums: '/gone' }, /gone answered 404/],
    ['whose list has no sum for it', { path: '/kubectl', sums: '/nosums' }, /has no SHA-256 for kubectl/],
  ] as const;
  for (const [what, { path, sums, ...pinned }, why] of refused) {
    it(`${what} is refused with the reason, and nothing of it stays`, async () => {
      const download = { url: `${origin}${path}`, sumsUrl: `${origin}${sums}`, ...pinned };
      const result = await downloadPart('kube-proxy', download, never);
      expect(result.kind).to.equal('unavailable');
      if (result.kind === 'unavailable') expect(result.why).to.match(why);
      nothingIsCached('kube-proxy');
    });
  }

  it('of a host that cannot be reached is given up within seconds, once for all its files', async () => {
    const closed = 'http://127.0.0.1:9';
    const startedAt = performance.now();
    for (const name of ['kubelet', 'kube-proxy'] as const) {
      const download = { url: `${closed}/${name}`, sumsUrl: `${closed}/${name}.sha256` };
      const result = await downloadPart(name, download, never);
      expect(result).to.deep.equal({ kind: 'unavailable', why: `${closed} is not reachable` });
    }
    expect(performance.now() - startedAt).to.be.below(5000);
  });
});
