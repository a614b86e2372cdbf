import http from 'node:http';
import { expect } from 'chai';
import { parseSpec } from '../../../operator/src/core/spec.ts';
import type { PodRead } from '../../../operator/src/objects.ts';
import { Sentinel, type Watched } from '../../../operator/src/sentinel.ts';
import { eventually } from '../../support/eventually.ts';

const reading = parseSpec({
  targetRef: { name: 'auth-api' },
  route: { httpRoute: 'auth-api', rule: 'api' },
  metrics: { prometheus: { address: 'http://127.0.0.1:1' } },
});
if (reading.kind !== 'valid') throw new Error(reading.violations.join('\n'));

const WATCHED: Watched = {
  namespace: 'auth',
  canarySelector: { track: 'canary' },
  stableSelector: undefined,
  podPort: 'http',
  podPath: '/api/metrics',
  matrix: reading.spec.matrix,
  revision: 'a',
  trial: 'a/',
  sinceMs: undefined,
  silentSinceMs: undefined,
  isZero: false,
};

describe('sentinel', () => {
  let server: http.Server;
  let url = '';
  let requests = 0;
  let errors = 0;
  const stop = { now: new AbortController() };
  let running: Promise<void> = Promise.resolve();

  beforeEach(async () => {
    watching = 0;
    requests = 0;
    errors = 0;
    server = http.createServer((_request, response) => {
      response.end(`http_requests_total{status="200"} ${requests}\nhttp_requests_total{status="500"} ${errors}\n`);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    url = `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}/api/metrics`;
    stop.now = new AbortController();
  });

  afterEach(async () => {
    stop.now.abort();
    await running;
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  let watching = 0;

  function sentinel(podsNow: () => readonly PodRead[] | undefined): { made: Sentinel; rings: string[] } {
    const rings: string[] = [];
    const made = new Sentinel({
      roundMs: 10,
      watchPods: () => {
        watching += 1;
        return {
          pods: podsNow,
          stop: () => {
            watching -= 1;
          },
        };
      },
      onBreach: (key) => rings.push(`breach ${key}`),
      onNews: (key) => rings.push(`news ${key}`),
      onError: () => undefined,
    });
    running = made.run(stop.now.signal);
    return { made, rings };
  }

  const pods = (): PodRead[] => [{ pod: 'auth-api-1-a', createdAtMs: Date.now(), url, images: [] }];

  it('rings the urgent lane on the first batch that shows a severe fault, and stays silent before', async () => {
    const { made, rings } = sentinel(pods);
    made.follow('auth/auth-api', WATCHED);
    await eventually('it has seen the pod', 2_000, () => made.view('auth/auth-api') !== undefined);
    requests = 40;
    await eventually('two more batches', 2_000, () => (made.view('auth/auth-api')?.canaryPodsAnswering ?? 0) === 1);
    expect(rings).to.deep.equal([]);
    errors = 40;
    await eventually('it rings', 2_000, () => rings.includes('breach auth/auth-api'));
    expect(made.takeBreach('auth/auth-api')).to.be.a('number');
    expect(made.takeBreach('auth/auth-api')).to.equal(undefined);
  });

  it('sees nothing until the pods are known, and the pods of the moment from then on', async () => {
    let known: readonly PodRead[] | undefined;
    let looks = 0;
    const { made, rings } = sentinel(() => {
      looks += 1;
      return known;
    });
    made.follow('auth/auth-api', WATCHED);
    await eventually('some rounds', 2_000, () => looks >= 3);
    expect(made.view('auth/auth-api')).to.equal(undefined);
    known = [];
    await eventually('a batch without pods', 2_000, () => made.view('auth/auth-api')?.canaryPods === 0);
    known = pods();
    await eventually('it has seen the pod', 2_000, () => made.view('auth/auth-api')?.canaryPodsAnswering === 1);
    errors = 60;
    await eventually('it rings', 2_000, () => rings.includes('breach auth/auth-api'));
  });

  it('judges nothing at weight 0, and brings the proof of zero forward with each batch', async () => {
    const { made, rings } = sentinel(pods);
    made.follow('auth/auth-api', { ...WATCHED, isZero: true });
    errors = 100;
    await eventually('it brings news', 2_000, () => rings.filter((ring) => ring === 'news auth/auth-api').length >= 2);
    expect(rings).to.not.include('breach auth/auth-api');
  });

  it('forgets what other pods did when the revision changes, and everything when it is told to', async () => {
    const { made } = sentinel(pods);
    made.follow('auth/auth-api', WATCHED);
    await eventually('it has seen the pod', 2_000, () => made.view('auth/auth-api') !== undefined);
    made.follow('auth/auth-api', WATCHED);
    expect(made.view('auth/auth-api'), 'the same pods').to.not.equal(undefined);
    made.follow('auth/auth-api', { ...WATCHED, revision: 'b' });
    expect(watching, 'one watch for the new pods').to.equal(1);
    expect(made.view('auth/auth-api')).to.equal(undefined);
    expect(made.replicaSets('auth/auth-api')).to.deep.equal(['auth-api-1']);
    made.follow('auth/auth-api', undefined);
    expect(made.view('auth/auth-api')).to.equal(undefined);
    expect(made.replicaSets('auth/auth-api')).to.deep.equal([]);
    expect(made.ageMs()).to.be.below(1_000);
    expect(watching, 'no watch is left behind').to.equal(0);
  });
});
