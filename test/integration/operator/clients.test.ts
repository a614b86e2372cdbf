import { expect } from 'chai';
import type { Kubernetes } from '../../../operator/src/clients/kubernetes.ts';
import { Reflector, type ReflectorTiming } from '../../../operator/src/clients/reflector.ts';
import type { Transport } from '../../../operator/src/clients/transport.ts';
import { Doorbells } from '../../../operator/src/doorbells.ts';
import { type TestApiserver, testApiserver } from '../../support/apiserver.ts';
import { clientOf } from '../../support/client.ts';
import { eventually } from '../../support/eventually.ts';
import { FaultProxy } from '../../support/fault-proxy.ts';

let namespaces = 0;

describe('clients on a real apiserver', function () {
  this.timeout(60_000);
  let server: TestApiserver;
  let proxy: FaultProxy;
  let transport: Transport;
  let kubernetes: Kubernetes;
  let namespace = '';
  let stop: AbortController;

  beforeEach(async () => {
    server = await testApiserver();
    proxy = await FaultProxy.start(server);
    ({ transport, kubernetes } = clientOf(server.kubeconfig(undefined, proxy.url)));
    namespace = `clients-${++namespaces}`;
    stop = new AbortController();
    await server.request('POST', '/api/v1/namespaces', {
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name: namespace },
    });
  });

  afterEach(async () => {
    stop.abort();
    transport.close();
    await proxy.close();
  });

  const deployments = (): string => `/apis/apps/v1/namespaces/${namespace}/deployments`;

  async function createDeployment(name: string): Promise<void> {
    const labels = { app: name };
    const template = { metadata: { labels }, spec: { containers: [{ name: 'c', image: 'i' }] } };
    const body = {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name },
      spec: { selector: { matchLabels: labels }, template },
    };
    await server.request('POST', deployments(), body);
  }

  describe('transport', () => {
    it('waits as long as a 429 asks for, then gets its answer', async () => {
      proxy.faults.push({ matches: (method) => method === 'GET', times: 1, status: 429, retryAfterSeconds: 1 });
      const startedAt = performance.now();
      await kubernetes.call('listPods', { namespace });
      expect(performance.now() - startedAt).to.be.within(950, 3_000);
    });

    it('gives up at once when the wished wait does not fit its deadline, and says how long was asked', async () => {
      proxy.faults.push({ matches: () => true, status: 429, retryAfterSeconds: 30 });
      const error = await kubernetes.call('listPods', { namespace }).catch((failure: unknown) => failure);
      expect(error).to.include({ code: 'ERR_API_THROTTLED', retryAfterMs: 30_000 });
    });

    for (const [status, code] of [
      [409, 'ERR_API_CONFLICT'],
      [410, 'ERR_API_GONE'],
      [500, 'ERR_API_UNAVAILABLE'],
    ] as const) {
      it(`names ${status} ${code} and does not repeat it`, async () => {
        proxy.faults.push({ matches: () => true, status });
        const error = await kubernetes.call('listPods', { namespace }).catch((failure: unknown) => failure);
        expect(error).to.include({ code, status });
        expect(proxy.passed).to.have.length(1);
      });
    }

    it('ends a call at its deadline and at the caller’s abort when the apiserver is silent', async () => {
      proxy.faults.push({ matches: () => true, hangs: true });
      const late = await kubernetes
        .call('listPods', { namespace, deadlineMs: 50 })
        .catch((failure: unknown) => failure);
      expect(late).to.include({ code: 'ERR_API_DEADLINE' });
      const abort = new AbortController();
      const asked = kubernetes
        .call('listPods', { namespace, signal: abort.signal })
        .catch((failure: unknown) => failure);
      abort.abort();
      expect(await asked).to.include({ code: 'ERR_API_ABORTED' });
    });

    it('passes the test of a JSON Patch on any text that the server gave out, also on what Go escapes', async () => {
      await createDeployment('a');
      const text = 'a < b > c & d \u2028 "e" \\ é ’ 😀 \t\b\f\n';
      const patch = async (op: string): Promise<unknown> =>
        await kubernetes.call('patchDeployment', {
          namespace,
          name: 'a',
          body: [{ op, path: '/metadata/annotations', value: { text } }],
        });
      await patch('add');
      expect(await patch('test')).to.nested.include({ 'metadata.annotations.text': text });
    });

    it('calls a failed test of a JSON Patch a conflict, and a violated schema invalid', async () => {
      await createDeployment('a');
      const patch = async (body: unknown): Promise<unknown> =>
        await kubernetes.call('patchDeployment', { namespace, name: 'a', body }).catch((failure: unknown) => failure);
      expect(await patch([{ op: 'test', path: '/spec/replicas', value: 9 }])).to.include({ code: 'ERR_API_CONFLICT' });
      expect(await patch([{ op: 'remove', path: '/spec/nothing' }])).to.include({ code: 'ERR_API_CONFLICT' });
      expect(await patch([{ op: 'replace', path: '/spec/replicas', value: -1 }])).to.include({
        code: 'ERR_API_INVALID',
      });
    });
  });

  describe('reflector', () => {
    const seen = new Map<string, string[]>();

    function reflect(timing: Partial<ReflectorTiming> = {}, labelSelector = ''): Reflector<true> {
      seen.clear();
      const reflector = new Reflector({
        kubernetes,
        list: 'listDeployments',
        watch: 'watchDeployments',
        namespace,
        labelSelector,
        metadataOnly: true,
        project: () => true as const,
        onChange: (key, now) => seen.set(key, [...(seen.get(key) ?? []), now ? 'seen' : 'gone']),
        timing: { backoffMinMs: 20, ...timing },
      });
      void reflector.run(stop.signal);
      return reflector;
    }

    const rang = (name: string, what = 'seen'): Promise<boolean> =>
      eventually(`${name} rang ${what}`, 5_000, () => seen.get(`${namespace}/${name}`)?.at(-1) === what);

    async function label(name: string): Promise<void> {
      const change = { metadata: { labels: { is: name } } };
      await server.request('PATCH', `${deployments()}/${name}`, change, 'application/merge-patch+json');
    }

    it('is synced after the first list and rings for what is added, changed and deleted', async () => {
      await createDeployment('before');
      const reflector = reflect();
      expect(reflector.synced).to.equal(false);
      await eventually('it is synced', 5_000, () => reflector.synced);
      await rang('before');
      await createDeployment('after');
      await rang('after');
      await server.request('DELETE', `${deployments()}/after`);
      await rang('after', 'gone');
      expect(reflector.size).to.equal(1);
    });

    it('hears of what happened while its watch was cut', async () => {
      const reflector = reflect();
      await eventually('it watches', 5_000, () => proxy.openWatches === 1);
      proxy.faults.push({ matches: (_method, path) => path.includes('watch=true'), times: 3, status: 500 });
      proxy.dropWatches();
      await createDeployment('meanwhile');
      await rang('meanwhile');
      expect(reflector.ageMs()).to.be.below(5_000);
    });

    it('lists again after 410, both as a status and as an ERROR object', async () => {
      reflect();
      const lists = (): number => proxy.passed.filter(({ path }) => path.includes('limit=')).length;
      await eventually('it watches', 5_000, () => proxy.openWatches === 1);
      proxy.injectIntoWatches({
        type: 'ERROR',
        object: { kind: 'Status', code: 410, reason: 'Expired', message: 'too old' },
      });
      await eventually('it lists again', 5_000, () => lists() === 2 && proxy.openWatches === 1);
      proxy.faults.push({ matches: (_method, path) => path.includes('watch=true'), times: 1, status: 410 });
      proxy.dropWatches();
      await eventually('it lists again', 5_000, () => lists() === 3 && proxy.openWatches === 1);
    });

    it('rings at a relist only for what is not as it was known', async () => {
      await createDeployment('still');
      await createDeployment('moved');
      const reflector = reflect();
      await rang('still');
      await rang('moved');
      await eventually('it watches', 5_000, () => proxy.openWatches === 1);
      // The watch is refused until a list has found the change.
      proxy.faults.push({ matches: (_method, path) => path.includes('watch=true'), times: 2, status: 410 });
      proxy.dropWatches();
      await label('moved');
      await eventually('moved rang again', 5_000, () => seen.get(`${namespace}/moved`)?.length === 2);
      expect(seen.get(`${namespace}/still`)).to.deep.equal(['seen']);
      expect(reflector.size).to.equal(2);
    });

    it('sees only what its selector selects', async () => {
      await createDeployment('plain');
      await createDeployment('marked');
      await label('marked');
      const reflector = reflect({}, 'is=marked');
      await rang('marked');
      expect(reflector.size).to.equal(1);
    });

    it('goes on after an ERROR object that is not 410', async () => {
      reflect();
      await eventually('it watches', 5_000, () => proxy.openWatches === 1);
      proxy.injectIntoWatches({
        type: 'ERROR',
        object: { kind: 'Status', code: 500, reason: 'InternalError', message: 'etcd' },
      });
      await eventually(
        'it watches again',
        5_000,
        () => proxy.passed.filter(({ path }) => path.includes('watch=true')).length >= 2 && proxy.openWatches === 1,
      );
      await createDeployment('later');
      await rang('later');
    });

    it('lists again after a line that it cannot read', async () => {
      reflect();
      await eventually('it watches', 5_000, () => proxy.openWatches === 1);
      proxy.injectIntoWatches({ type: 'SURPRISE', object: {} });
      const lists = (): number => proxy.passed.filter(({ path }) => path.includes('limit=')).length;
      await eventually('it lists again', 5_000, () => lists() === 2 && proxy.openWatches === 1);
    });

    it('tears down a watch that fell silent, and a relist forgets what is gone', async () => {
      const reflector = reflect({ idleMs: 200, relistMs: 1_000 });
      await eventually('it watches', 5_000, () => proxy.openWatches === 1);
      const watches = (): number => proxy.passed.filter(({ path }) => path.includes('watch=true')).length;
      await eventually('it opens another watch', 5_000, () => watches() >= 3);
      await eventually(
        'it lists again',
        5_000,
        () => proxy.passed.filter(({ path }) => path.includes('limit=')).length >= 2,
      );
      expect(reflector.stillMs()).to.be.below(1_000);
    });

    it('reads a long list in pages', async () => {
      for (let page = 0; page < 3; page++)
        await Promise.all(Array.from({ length: 90 }, (_, index) => createDeployment(`d-${page}-${index}`)));
      const reflector = reflect();
      await eventually('it is synced', 10_000, () => reflector.synced);
      expect(reflector.size).to.equal(270);
      expect(proxy.passed.filter(({ path }) => path.includes('continue='))).to.have.length(1);
    });
  });

  describe('doorbells', () => {
    it('count the silence of a kind that may not even be listed', async () => {
      proxy.faults.push({ matches: (_method, path) => path.includes('/rolloutcomplaints'), status: 403 });
      const ignore = (): void => undefined;
      const doorbells = new Doorbells({ kubernetes, namespace, ring: ignore, gone: ignore, onError: ignore });
      const bornAt = performance.now();
      void doorbells.run(stop.signal);
      const refusals = (): number => proxy.passed.filter(({ status }) => status === 403).length;
      await eventually('it has tried again', 5_000, () => refusals() >= 2);
      const seconds = (performance.now() - bornAt) / 1000;
      expect(new Map(doorbells.ages()).get('rolloutcomplaints')).to.be.at.least(seconds);
    });
  });
});
