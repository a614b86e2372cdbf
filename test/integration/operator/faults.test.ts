import { expect } from 'chai';
import { eventually } from '../../support/eventually.ts';
import { FaultProxy } from '../../support/fault-proxy.ts';
import type { PrometheusMode } from '../../support/prometheus-source.ts';
import { condition, Scene, SECONDS } from '../../support/rollout-scene.ts';

const KILLS = process.env['TEST_LONG'] === '1' ? 20 : 6;

const BLIND_SCHEDULE = [
  { weight: 10, hold: '2s', checkEvery: '1s' },
  { weight: 25, hold: '4s', checkEvery: '1s' },
  { weight: 100, hold: '2s', checkEvery: '1s' },
];

describe('faults around the operator', function () {
  this.timeout(300_000);

  it(`converges when it is killed at ${KILLS} random moments of a rollout, and never skips a step`, async () => {
    const scene = await Scene.create();
    let operator = scene.operator();
    await scene.adopted();
    await scene.release('v2');
    for (let kill = 0; kill < KILLS; kill++) {
      // A random line of a random pass: somewhere in the next moments, told by the process's own log.
      const after = operator.lines.length + 1 + Math.floor(Math.random() * 6);
      const until = performance.now() + Math.random() * 1_500;
      await eventually('it got that far', 30_000, () => operator.lines.length >= after || performance.now() > until);
      await operator.kill('SIGKILL');
      await scene.expireLease();
      operator = scene.operator({ podName: `operator-${kill}` });
      await operator.isLeading();
    }
    await scene.until(
      'v2 is promoted',
      120_000,
      ({ status }) => status.phase === 'Succeeded' && status.stepIndex === 4,
    );
    const weights = await scene.weights();
    console.log(`      weights ${weights.join(' ')}`);
    const climbs = weights.filter((weight, index, all) => index > 0 && weight > (all[index - 1] ?? 0));
    expect(climbs).to.deep.equal(climbs.toSorted((one, other) => one - other));
    expect(climbs.every((weight) => SECONDS.some((step) => step.weight === weight))).to.equal(true);
    expect((await scene.deployment('auth-api-stable')).spec.template.spec.containers[0]?.image).to.equal(
      'latchkey/api:v2',
    );
  });

  it('hands over within 3 s on a clean stop in the middle of a step, and the step goes on', async () => {
    const scene = await Scene.create({
      schedule: [
        { weight: 25, hold: '6s', checkEvery: '1s' },
        { weight: 100, hold: '2s', checkEvery: '1s' },
      ],
    });
    const first = scene.operator({ podName: 'first' });
    await scene.adopted();
    const second = scene.operator({ podName: 'second' });
    await second.logged((line) => line.msg === 'started');
    await scene.release('v2');
    await scene.holdsAt(25);
    const { status: before } = await scene.rollout();
    const stoppedAt = performance.now();
    expect(await first.kill('SIGTERM')).to.equal(0);
    await second.isLeading();
    const tookMs = performance.now() - stoppedAt;
    console.log(`      hand-over ${Math.round(tookMs)} ms`);
    expect(tookMs).to.be.below(3_000);
    await scene.until(
      'the fence is the second one’s',
      5_000,
      async () => (await scene.route()).metadata.annotations['latchkey.dev/fence'] === '2',
    );
    const { status: after } = await scene.rollout();
    expect(after['stepStartedAt']).to.equal(before['stepStartedAt']);
    await scene.until('v2 is promoted', 60_000, ({ status }) => status.phase === 'Succeeded' && status.stepIndex === 1);
  });

  it('a frozen leader that wakes up after its successor took over writes nothing, and soon shows no rollout any more', async () => {
    const scene = await Scene.create({
      schedule: [
        { weight: 25, hold: '60s', checkEvery: '1s' },
        { weight: 100, hold: '60s', checkEvery: '1s' },
      ],
    });
    const proxy = await FaultProxy.start(scene.server);
    try {
      const frozen = scene.operator({ podName: 'frozen', kubeconfig: scene.server.kubeconfig(undefined, proxy.url) });
      await scene.adopted();
      const successor = scene.operator({ podName: 'successor' });
      await successor.logged((line) => line.msg === 'started');
      await scene.release('v2');
      await scene.holdsAt(25);
      frozen.signal('SIGSTOP');
      await successor.isLeading();
      await scene.until(
        'the fence is the successor’s',
        5_000,
        async () => (await scene.route()).metadata.annotations['latchkey.dev/fence'] === '2',
      );
      const writes = (): number =>
        proxy.passed.filter(
          ({ method, path, status }) => method === 'PATCH' && status < 300 && !path.includes('leases'),
        ).length;
      const writesBefore = writes();
      // Something it would want to answer the moment it wakes.
      scene.workloads.behaviours.set('v2', { errorShare: 0.5 });
      frozen.signal('SIGCONT');
      await frozen.logged((line) => line.msg === 'leadership' && line['leading'] === false);
      // As P0 by the sentinel or as P1 by a check over the whole step, whichever looks first: here it matters who writes.
      await scene.until('the successor took the canary back', 15_000, ({ status }) => status.weight === 0);
      expect(writes()).to.equal(writesBefore);
      expect((await scene.route()).metadata.annotations['latchkey.dev/fence']).to.equal('2');
      // Else what it saw last would be an alert for as long as it lives.
      const shown = async () => (await frozen.get('/metrics')).body.includes('latchkey_rollout_info{');
      await eventually('it shows no rollout', 20_000, async () => !(await shown()));
    } finally {
      await proxy.close();
    }
  });

  it('gets through dropped watches, 409, 410, 429 with Retry-After, 500 and lost answers, and still promotes', async () => {
    const scene = await Scene.create();
    const proxy = await FaultProxy.start(scene.server);
    try {
      const operator = scene.operator({ kubeconfig: scene.server.kubeconfig(undefined, proxy.url) });
      await scene.adopted();
      const writes = (method: string): boolean => method === 'PATCH' || method === 'POST';
      proxy.faults.push(
        { matches: (method, path) => writes(method) && path.includes('httproutes'), times: 1, status: 409 },
        { matches: (method, path) => writes(method) && path.includes('httproutes'), times: 1, losesAnswer: true },
        { matches: (method, path) => writes(method) && path.includes('/status'), times: 2, status: 409 },
        { matches: (method, path) => writes(method) && path.includes('/status'), times: 1, losesAnswer: true },
        { matches: (method, path) => writes(method) && path.includes('deployments'), times: 1, status: 500 },
        {
          matches: (method, path) => method === 'GET' && path.includes('services'),
          times: 2,
          status: 429,
          retryAfterSeconds: 1,
        },
        { matches: (method, path) => method === 'GET' && path.includes('pods'), times: 2, status: 500 },
        { matches: (_method, path) => path.includes('watch=true'), times: 2, status: 410 },
      );
      proxy.dropWatches();
      await scene.release('v2');
      await scene.until(
        'v2 is promoted',
        120_000,
        ({ status }) => status.phase === 'Succeeded' && status.stepIndex === 4,
      );
      expect(await scene.weights()).to.deep.equal([100, 0, 5, 10, 25, 50, 100, 0]);
      expect(proxy.faults.map(({ times }) => times)).to.deep.equal(proxy.faults.map(() => 0));
      expect((await operator.get('/metrics')).body).to.match(
        /latchkey_api_errors_total\{code="ERR_API_CONFLICT"\}|latchkey_api_errors_total\{code="ERR_API_UNAVAILABLE"\}/,
      );
    } finally {
      await proxy.close();
    }
  });

  it('a refused route write does not stop a rollback: it is tried again at once until it stands', async () => {
    const scene = await Scene.create({
      schedule: [
        { weight: 25, hold: '60s', checkEvery: '30s' },
        { weight: 100, hold: '60s', checkEvery: '30s' },
      ],
    });
    const proxy = await FaultProxy.start(scene.server);
    try {
      scene.operator({ kubeconfig: scene.server.kubeconfig(undefined, proxy.url) });
      await scene.adopted();
      await scene.release('v2');
      await scene.holdsAt(25);
      const isRouteWrite = (method: string, path: string): boolean => method === 'PATCH' && path.includes('httproutes');
      proxy.faults.push(
        { matches: isRouteWrite, times: 2, status: 409 },
        { matches: isRouteWrite, times: 2, status: 500 },
      );
      scene.workloads.behaviours.set('v2', { errorShare: 0.5 });
      await scene.until('it is rolled back', 15_000, ({ status }) => status.phase === 'RolledBack');
      await scene.until('zero is proven', 15_000, ({ status }) =>
        JSON.stringify(status['zero'] ?? {}).includes('provenAt'),
      );
      const exposedMs = scene.workloads.exposureMs;
      console.log(`      fault to last canary answer ${Math.round(exposedMs)} ms, four writes refused`);
      expect(exposedMs).to.be.below(3_000);
    } finally {
      await proxy.close();
    }
  });

  const BLINDNESS: readonly (readonly PrometheusMode[])[] =
    process.env['TEST_LONG'] === '1'
      ? [['slow'], ['nan'], ['empty'], ['several'], ['error'], ['malformed']]
      : [['nan', 'empty', 'several', 'error', 'malformed', 'slow']];
  for (const modes of BLINDNESS) {
    it(`holds, steps down after the bound and goes on later when Prometheus is ${modes.join(', then ')}`, async () => {
      const scene = await Scene.create({
        schedule: BLIND_SCHEDULE,
        spec: { metrics: { prometheus: { address: 'http://127.0.0.1:1' }, blindLimit: '6s' } },
      });
      await scene.patchRollout({ spec: { metrics: { prometheus: { address: scene.prometheus.address } } } });
      scene.operator();
      await scene.adopted();
      await scene.release('v2');
      await scene.holdsAt(25);
      for (const mode of modes) {
        scene.prometheus.mode = mode;
        const asked = scene.prometheus.queries.length;
        await eventually(`it asked while ${mode}`, 10_000, () => scene.prometheus.queries.length > asked);
        const blind = await scene.until(
          'it knows that it is blind',
          10_000,
          (rollout) => condition(rollout, 'MetricsAvailable')?.status === 'False',
        );
        expect(blind.status.weight, mode).to.be.oneOf([25, 10]);
      }
      await scene.until('it steps down', 20_000, async () => (await scene.weight()) === 10);
      expect(Math.max(...(await scene.weights()).slice(1))).to.equal(25);
      scene.prometheus.mode = 'healthy';
      await scene.until(
        'v2 is promoted',
        60_000,
        ({ status }) => status.phase === 'Succeeded' && status.stepIndex === 2,
      );
    });
  }
});
