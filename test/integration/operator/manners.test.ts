import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { z } from 'zod';
import { FaultProxy } from '../../support/fault-proxy.ts';
import { condition, Scene } from '../../support/rollout-scene.ts';

const HELD = [
  { weight: 10, hold: '2s', checkEvery: '1s' },
  { weight: 25, hold: '60s', checkEvery: '1s' },
  { weight: 100, hold: '60s', checkEvery: '1s' },
];

describe('manners on a real apiserver', function () {
  this.timeout(120_000);

  it('re-asserts the lower weight when somebody edits the route to 93/7, never jumps, and names the manager', async () => {
    const scene = await Scene.create({ schedule: HELD });
    scene.operator();
    await scene.adopted();
    await scene.release('v2');
    await scene.holdsAt(25);
    await scene.setWeights(7, 'kubectl-edit');
    const drifted = await scene.until(
      'it says Drifted',
      10_000,
      (rollout) => condition(rollout, 'Drifted')?.status === 'True',
    );
    expect(condition(drifted, 'Drifted')?.message).to.contain('kubectl-edit').and.to.contain('7');
    await scene.until(
      '7 is its own write now',
      10_000,
      async () => (await scene.route()).metadata.annotations['latchkey.dev/write']?.includes('"weight":7') ?? false,
    );
    expect(await scene.weight()).to.equal(7);
    await scene.setWeights(90, 'kubectl-edit');
    await scene.until('the lower one stands', 10_000, async () => (await scene.weight()) === 7);
    const { weights } = scene.workloads;
    expect(weights.slice(weights.indexOf(7)).filter((weight) => weight !== 7 && weight !== 90)).to.deep.equal([]);
  });

  it('changes two weights and two annotations of the route, and nothing else', async () => {
    const scene = await Scene.create({ schedule: HELD });
    const before = await scene.route();
    scene.operator();
    await scene.adopted();
    const after = await scene.route();
    const plain = (route: typeof before): unknown =>
      JSON.parse(JSON.stringify(route.spec, (key, value: unknown) => (key === 'weight' ? undefined : value)));
    expect(plain(after)).to.deep.equal(plain(before));
    expect(after.spec.rules[0]?.backendRefs[0]?.weight, 'another rule').to.equal(3);
    expect(Object.keys(after.metadata.annotations)).to.have.members(['latchkey.dev/fence', 'latchkey.dev/write']);
  });

  it('takes a fence that no leader ever held for an edit: it goes on, and the fence is its own again', async () => {
    const scene = await Scene.create({ schedule: HELD });
    scene.operator();
    await scene.adopted();
    await scene.patchRoute([{ op: 'replace', path: '/metadata/annotations/latchkey.dev~1fence', value: '999' }]);
    await scene.release('v2');
    await scene.until('it climbs', 30_000, async () => (await scene.weight()) === 25);
    expect((await scene.route()).metadata.annotations['latchkey.dev/fence']).to.equal('1');
  });

  it('stalls on a missing target with a reason, without a crash loop, and starts when the target appears', async () => {
    const scene = await Scene.create();
    const path = `/apis/apps/v1/namespaces/${scene.namespace}/deployments`;
    const target = z.looseObject({ metadata: z.looseObject({ name: z.string() }), spec: z.unknown() });
    const { metadata, spec } = target.parse(await scene.server.request('GET', `${path}/auth-api`));
    await scene.server.request('DELETE', `${path}/auth-api`);
    const operator = scene.operator();
    const stalled = await scene.until(
      'it is stalled',
      15_000,
      (rollout) => condition(rollout, 'Stalled')?.status === 'True',
    );
    expect(condition(stalled, 'Stalled')).to.include({ reason: 'TargetNotFound' });
    expect(condition(stalled, 'Stalled')?.message).to.contain('auth-api');
    const passes = operator.lines.filter((line) => line.msg === 'decided').length;
    expect(passes).to.be.below(6);
    expect(operator.isRunning).to.equal(true);
    await scene.server.request('POST', path, {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: metadata.name },
      spec,
    });
    await scene.adopted();
  });

  it('writes the status at most once a pass, and not at all when nothing changed', async () => {
    const scene = await Scene.create();
    const proxy = await FaultProxy.start(scene.server);
    try {
      const operator = scene.operator({ kubeconfig: scene.server.kubeconfig(undefined, proxy.url) });
      await scene.adopted();
      await scene.release('v2');
      await scene.until(
        'v2 is promoted',
        90_000,
        ({ status }) => status.phase === 'Succeeded' && status.stepIndex === 4,
      );
      const statusWrites = (): number =>
        proxy.passed.filter(({ method, path }) => method === 'PATCH' && path.includes('/status')).length;
      const passes = Number(
        /latchkey_passes_total\{lane="normal",outcome="done"\} (\d+)/.exec((await operator.get('/metrics')).body)?.[1],
      );
      console.log(`      ${passes} passes, ${statusWrites()} status writes, ${proxy.passed.length} calls in all`);
      expect(statusWrites()).to.be.below(passes + 1);
      await scene.until('it is at rest', 10_000, (rollout) => rollout.status.lastDecision?.reason === 'UpToDate');
      const { metadata } = await scene.rollout();
      const writes = statusWrites();
      // Three passes that are asked for from outside, and have nothing to say.
      for (let touch = 0; touch < 3; touch++) {
        const seen = operator.lines.filter((line) => line.msg === 'decided').length;
        await scene.patchRoute([{ op: 'add', path: '/metadata/annotations/touched', value: String(touch) }]);
        await scene.until(
          'a pass ran',
          5_000,
          () => operator.lines.filter((line) => line.msg === 'decided').length > seen,
        );
      }
      expect(statusWrites()).to.equal(writes);
      expect((await scene.rollout()).metadata.resourceVersion).to.equal(metadata.resourceVersion);
    } finally {
      await proxy.close();
    }
  });

  it('takes the traffic away before a deletion completes, and leaves stable serving', async () => {
    const scene = await Scene.create({ schedule: HELD });
    scene.operator();
    await scene.adopted();
    expect((await scene.rollout()).metadata.finalizers).to.deep.equal(['latchkey.dev/route']);
    await scene.release('v2');
    await scene.holdsAt(25);
    await scene.deleteRollout();
    await scene.untilGone(`/apis/latchkey.dev/v1alpha1/namespaces/${scene.namespace}/authrollouts`, 'auth-api');
    expect(await scene.weight()).to.equal(0);
    expect((await scene.deployment('auth-api-stable')).spec.replicas).to.equal(2);
  });

  it('does not block a deletion when the route is gone', async () => {
    const scene = await Scene.create({ schedule: HELD });
    scene.operator();
    await scene.adopted();
    await scene.server.request(
      'DELETE',
      `/apis/gateway.networking.k8s.io/v1/namespaces/${scene.namespace}/httproutes/auth-api`,
    );
    await scene.deleteRollout();
    const path = `/apis/latchkey.dev/v1alpha1/namespaces/${scene.namespace}/authrollouts`;
    await scene.untilGone(path, 'auth-api');
  });

  it('tells the story in Events with the decision’s reason', async () => {
    const scene = await Scene.create();
    scene.operator();
    await scene.adopted();
    const list = z.object({
      items: z.array(z.looseObject({ reason: z.string(), regarding: z.looseObject({ kind: z.string() }) })),
    });
    const { items } = list.parse(
      await scene.server.request('GET', `/apis/events.k8s.io/v1/namespaces/${scene.namespace}/events`),
    );
    expect(items.map(({ reason }) => reason)).to.include.members(['Adopting', 'Adopted']);
    expect(items.every(({ regarding }) => regarding.kind === 'AuthRollout')).to.equal(true);
  });

  it('is alive and ready with a warm standby, and exports its figures', async () => {
    const scene = await Scene.create();
    const leader = scene.operator({ podName: 'leader' });
    await leader.isLeading();
    const standby = scene.operator({ podName: 'standby' });
    await standby.logged((line) => line.msg === 'started');
    await scene.until('the standby is ready', 10_000, async () => (await standby.get('/readyz')).status === 200);
    expect((await standby.get('/livez')).status).to.equal(200);
    expect((await leader.get('/metrics')).body).to.match(/^latchkey_leader 1$/m);
    expect((await standby.get('/metrics')).body).to.match(/^latchkey_leader 0$/m);
    expect((await leader.get('/metrics')).body).to.match(
      /latchkey_watch_last_event_age_seconds\{resource="httproutes"\}/,
    );
  });

  it('says its configuration errors together and exits with 1', async () => {
    const scene = await Scene.create();
    const operator = scene.operator({ kubeconfig: scene.server.kubeconfig(), podName: 'x'.repeat(300) });
    expect(await operator.exited).to.equal(1);
    expect(operator.stderr.join('')).to.contain('POD_NAME');
    expect(readFileSync(scene.server.auditLog, 'utf8')).to.not.contain('x'.repeat(300));
  });
});
