import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { boundLog, type PodList, targetsOf } from '../../../k8s/local/scrape-targets.ts';

type Pod = PodList['items'][number];

function podNamed(name: string, changes: Partial<Pod['metadata']> = {}, status: Pod['status'] = running('10.244.0.9')) {
  const annotations = { 'prometheus.io/scrape': 'true', 'prometheus.io/port': '3000', 'prometheus.io/path': '/m' };
  return { metadata: { name, namespace: 'auth', annotations, ...changes }, status };
}

function running(podIP: string): Pod['status'] {
  return { phase: 'Running', podIP };
}

describe('the scrape targets of a pod list', () => {
  it('carry address, path, namespace, pod, and the name label as job', () => {
    const pod = podNamed('auth-api-1', { labels: { 'app.kubernetes.io/name': 'auth-api' } });
    expect(targetsOf({ items: [pod] })).to.deep.equal([
      {
        targets: ['10.244.0.9:3000'],
        labels: { __metrics_path__: '/m', job: 'auth-api', namespace: 'auth', pod: 'auth-api-1' },
      },
    ]);
  });

  it('leave out pods without the annotation, without an address, and pods that ended', () => {
    const items = [
      podNamed('silent', { annotations: {} }),
      podNamed('pending', {}, { phase: 'Pending' }),
      podNamed('ended', {}, { phase: 'Succeeded', podIP: '10.244.0.8' }),
    ];
    expect(targetsOf({ items })).to.deep.equal([]);
  });

  it('do not depend on the order of the list', () => {
    const items = [podNamed('b'), podNamed('a'), podNamed('c')];
    expect(targetsOf({ items })).to.deep.equal(targetsOf({ items: items.toReversed() }));
  });
});

describe('a log file', () => {
  const folder = mkdtempSync(join(tmpdir(), 'latchkey-log-'));
  const log = join(folder, 'a.log');
  after(() => rmSync(folder, { recursive: true }));

  it('is left alone below its limit', () => {
    writeFileSync(log, 'short');
    expect(boundLog(log, 100)).to.equal(false);
    expect(readFileSync(log, 'utf8')).to.equal('short');
  });

  it('is emptied above its limit, with its end kept beside it', () => {
    writeFileSync(log, `${'x'.repeat(2000)}the last words`);
    expect(boundLog(log, 100)).to.equal(true);
    expect(statSync(log).size).to.equal(0);
    expect(readFileSync(`${log}.1`, 'utf8')).to.match(/the last words$/);
  });
});
