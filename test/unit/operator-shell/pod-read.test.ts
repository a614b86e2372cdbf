import { expect } from 'chai';
import { readPod } from '../../../operator/src/objects.ts';

const pod = (metadata: object, status: object): object => ({
  metadata: { name: 'auth-api-1-a', creationTimestamp: '2026-01-01T00:00:00Z', ...metadata },
  spec: { containers: [{ ports: [{ name: 'http', containerPort: 3000 }] }] },
  status: { phase: 'Running', podIP: '10.0.0.7', ...status },
});
const url = (object: object): string | undefined => readPod(object, 'http', '/api/metrics')?.url;

describe('a pod of the canary', () => {
  it('is asked at the named port of its address, IPv6 included', () => {
    expect(url(pod({}, {}))).to.equal('http://10.0.0.7:3000/api/metrics');
    expect(url(pod({}, { podIP: 'fd00::7' }))).to.equal('http://[fd00::7]:3000/api/metrics');
  });

  it('is nobody to ask without an address, or when it has ended', () => {
    for (const status of [{ podIP: undefined }, { phase: 'Failed' }, { phase: 'Succeeded' }])
      expect(url(pod({}, status))).to.equal(undefined);
  });

  it('is not held against the next revision while it is being deleted', () => {
    expect(url(pod({ deletionTimestamp: '2026-01-01T00:01:00Z' }, {}))).to.equal(undefined);
  });

  it('says what it runs as its kubelet does, by digest', () => {
    const imageID = 'registry.example/api@sha256:0123';
    const running = readPod(pod({}, { containerStatuses: [{ name: 'api', image: 'api:1', imageID }] }), 'http', '/');
    expect(running?.images).to.deep.equal([{ container: 'api', image: imageID }]);
    expect(readPod(pod({}, { containerStatuses: 'nonsense' }), 'http', '/')?.images).to.deep.equal([]);
  });

  it('counts as one that does not answer when it has no such port', () => {
    expect(readPod(pod({}, {}), 'metrics', '/')?.url).to.equal('http://10.0.0.7:0/');
  });
});
