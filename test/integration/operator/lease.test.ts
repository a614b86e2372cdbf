import { expect } from 'chai';
import type { Kubernetes } from '../../../operator/src/clients/kubernetes.ts';
import { LeaseElector } from '../../../operator/src/clients/lease.ts';
import type { Transport } from '../../../operator/src/clients/transport.ts';
import { type TestApiserver, testApiserver } from '../../support/apiserver.ts';
import { clientOf } from '../../support/client.ts';
import { eventually } from '../../support/eventually.ts';
import { FaultProxy } from '../../support/fault-proxy.ts';

let namespaces = 0;

describe('lease on a real apiserver', function () {
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
    namespace = `lease-${++namespaces}`;
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

  const timing = { durationMs: 2_000, renewDeadlineMs: 1_000, retryMs: 200 };

  function elector(podName: string, at = stop): { elector: LeaseElector; ended: Promise<void> } {
    const made = new LeaseElector({
      kubernetes,
      namespace,
      name: 'operator',
      podName,
      onChange: () => undefined,
      timing,
    });
    return { elector: made, ended: made.run(at.signal) };
  }

  it('has one holder of several candidates, and each new holder has a higher token', async () => {
    const stops = [new AbortController(), new AbortController(), new AbortController()];
    const candidates = stops.map((at, index) => elector(`pod-${index}`, at));
    const tokens: number[] = [];
    for (let round = 0; round < 3; round++) {
      const leader = await eventually('somebody leads', 5_000, () =>
        candidates.find(({ elector: one }) => one.leading),
      );
      expect(candidates.filter(({ elector: one }) => one.leading)).to.have.length(1);
      tokens.push(leader.elector.fence() ?? 0);
      const releasedAt = performance.now();
      stops[candidates.indexOf(leader)]?.abort();
      await leader.ended;
      if (round === 2) break;
      await eventually('the next one leads', 5_000, () =>
        candidates.some((one) => one !== leader && one.elector.leading),
      );
      expect(performance.now() - releasedAt, 'hand-over').to.be.below(3_000);
    }
    expect(tokens).to.deep.equal(tokens.toSorted((one, other) => one - other));
    expect(new Set(tokens).size).to.equal(3);
  });

  it('stops leading at the renew deadline when the apiserver is silent, before anybody else may start', async () => {
    const { elector: leader } = elector('leader');
    await eventually('it leads', 5_000, () => leader.leading);
    const other = new LeaseElector({
      kubernetes: clientOf(server.kubeconfig()).kubernetes,
      namespace,
      name: 'operator',
      podName: 'other',
      onChange: () => undefined,
      timing,
    });
    void other.run(stop.signal);
    proxy.faults.push({ matches: (_method, path) => path.includes('leases'), hangs: true });
    let wereTwo = false;
    await eventually('the other one leads', 10_000, () => {
      wereTwo ||= leader.leading && other.leading;
      return other.leading;
    });
    expect(wereTwo, 'two leaders').to.equal(false);
    expect(leader.fence()).to.equal(undefined);
    expect(await other.presentToken(stop.signal)).to.equal(other.fence());
  });

  it('survives a conflict and a 500 without losing the lease', async () => {
    const { elector: leader } = elector('leader');
    await eventually('it leads', 5_000, () => leader.leading);
    const token = leader.fence();
    proxy.faults.push({
      matches: (method, path) => method === 'PUT' && path.includes('leases'),
      times: 1,
      status: 409,
    });
    proxy.faults.push({
      matches: (method, path) => method === 'GET' && path.includes('leases'),
      times: 1,
      status: 500,
    });
    await eventually('both faults were met', 5_000, () => proxy.faults.every(({ times }) => times === 0));
    const renewals = proxy.passed.length;
    await eventually('it renews again', 5_000, () => proxy.passed.length >= renewals + 4);
    expect(leader.fence()).to.equal(token);
  });
});
