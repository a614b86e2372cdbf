import { expect } from 'chai';
import type { OperatorProcess } from '../../support/operator.ts';
import { Scene, type SceneOptions } from '../../support/rollout-scene.ts';

/** Long enough that only a severe verdict can end the step. */
const SLOW = [
  { weight: 25, hold: '60s', checkEvery: '30s' },
  { weight: 100, hold: '60s', checkEvery: '30s' },
];

/** v2 is out and has its first 25 %. */
async function underWay(options: SceneOptions = {}): Promise<{ scene: Scene; operator: OperatorProcess }> {
  const scene = await Scene.create({ schedule: SLOW, ...options });
  const operator = scene.operator();
  await scene.adopted();
  await scene.release('v2');
  await scene.until('v2 has 25 %', 20_000, () => scene.weight().then((weight) => weight === 25));
  // One sentinel batch with traffic, so that the fault is what the next one sees.
  await scene.until('the canary answers', 5_000, () =>
    scene.workloads.podsOf('auth-api').some((pod) => pod.scrapes >= 2),
  );
  return { scene, operator };
}

async function breach(scene: Scene, errorShare = 0.5): Promise<void> {
  scene.workloads.behaviours.set('v2', { ...scene.workloads.behaviours.get('v2'), errorShare });
  await scene.until('the weight is 0', 10_000, () => scene.weight().then((weight) => weight === 0));
}

/** Milliseconds from the first faulty answer to the last answer of a canary pod, taken once zero is proven. */
async function exposure(scene: Scene): Promise<number> {
  await scene.until('zero is proven', 20_000, ({ status }) =>
    JSON.stringify(status['zero'] ?? {}).includes('provenAt'),
  );
  return scene.workloads.exposureMs;
}

describe('severe verdicts on a real apiserver', function () {
  this.timeout(120_000);

  it('takes a P0 back within 3 s of the first faulty answer, in one patch, and to zero pods', async () => {
    const { scene, operator } = await underWay();
    await breach(scene);
    const exposedMs = await exposure(scene);
    const answered = await operator.logged((line) => line.msg === 'breach answered with weight 0');
    console.log(
      `      fault to last canary answer ${Math.round(exposedMs)} ms, verdict to patch ${String(answered['patchedMs'])} ms`,
    );
    expect(exposedMs).to.be.below(3_000);
    expect(answered['patchedMs']).to.be.below(500);
    const { status } = await scene.until(
      'the canary has no pods',
      10_000,
      () => scene.workloads.podsOf('auth-api').length === 0,
    );
    expect(await scene.weights()).to.deep.equal([100, 0, 25, 0]);
    const rollback = status.history.find(({ decision }) => decision === 'rollback');
    expect(rollback).to.include({ reason: 'SeverityP0' });
    expect(rollback?.message).to.match(/errorRate \d.*%/);
  });

  it('never raises a condemned revision again: not after a restart, not under a new leader, not by an edited annotation', async () => {
    const { scene, operator } = await underWay();
    await breach(scene);
    await exposure(scene);
    scene.workloads.behaviours.set('v2', {});
    await operator.kill('SIGKILL');
    await scene.patchRoute([{ op: 'remove', path: '/metadata/annotations/latchkey.dev~1write' }]);
    const next = scene.operator({ podName: 'next' });
    await next.isLeading();
    await next.logged((line) => line.msg === 'decided');
    await scene.until(
      'its fence is claimed',
      10_000,
      async () => (await scene.route()).metadata.annotations['latchkey.dev/fence'] === '2',
    );
    expect(await scene.weight()).to.equal(0);
    expect((await scene.weights()).at(-1)).to.equal(0);
    await scene.release('v3');
    await scene.until('another revision may', 20_000, () => scene.weight().then((weight) => weight === 25));
  });

  it('zeroes a P1, keeps its pods for diagnosis and goes on at step 0 when the on-call engineer approves', async () => {
    const { scene } = await underWay();
    scene.workloads.behaviours.set('v2', { slowShare: 0.3 });
    const zeroed = await scene.until(
      'it is zeroed',
      20_000,
      ({ status }) => status.phase === 'Zeroed' && status.weight === 0,
    );
    const zero = zeroed.status.history.find(({ decision }) => decision === 'zero'); // the last one may be about the proof
    expect(zero?.reason).to.equal('SeverityP1');
    expect(scene.workloads.podsOf('auth-api')).to.not.have.length(0);
    scene.workloads.behaviours.set('v2', {});
    await scene.until('it asks for approval', 10_000, (rollout) => rollout.status['approvalNeeded'] !== undefined);
    await scene.approve();
    await scene.until('it enters step 0 again', 20_000, () => scene.weight().then((weight) => weight === 25));
  });

  const HINDRANCES: readonly { title: string; options?: SceneOptions; hinder: (scene: Scene) => Promise<void> }[] = [
    { title: 'a pause', hinder: (scene) => scene.patchRollout({ spec: { paused: true } }) },
    {
      title: 'unready stable pods',
      hinder: async (scene) => {
        scene.workloads.unready.add('auth-api-stable');
        await scene.until('stable is unready', 5_000, async () =>
          JSON.stringify(await scene.deployment('auth-api-stable')).includes('"unavailableReplicas":2'),
        );
      },
    },
    {
      title: 'a silent Prometheus',
      options: { schedule: SLOW.map((step) => ({ ...step, checkEvery: '1s' })) },
      hinder: async (scene) => {
        scene.prometheus.mode = 'slow';
        const asked = scene.prometheus.queries.length;
        await scene.until('a check waits for it', 10_000, () => scene.prometheus.queries.length > asked);
      },
    },
    {
      title: 'an approval that nobody gives',
      options: { schedule: SLOW.map((step) => ({ ...step, checkEvery: '1s' })) },
      hinder: async (scene) => {
        for (const pod of scene.workloads.podsOf('auth-api')) pod.add('auth_user_complaints_total', 4);
        await scene.until('approval is needed', 15_000, ({ status }) => status['approvalNeeded'] !== undefined);
      },
    },
    {
      title: 'a missing Service',
      hinder: async (scene) =>
        void (await scene.server.request('DELETE', `/api/v1/namespaces/${scene.namespace}/services/auth-api-stable`)),
    },
  ];
  for (const { title, options, hinder } of HINDRANCES) {
    it(`is not delayed by ${title}`, async () => {
      const { scene } = await underWay(options);
      await hinder(scene);
      await breach(scene);
      const exposedMs = await exposure(scene);
      console.log(`      fault to last canary answer ${Math.round(exposedMs)} ms`);
      expect(exposedMs).to.be.below(3_000);
    });
  }

  it('escalates to the Service selector when the gateway ignores weight 0, and says so', async () => {
    const { scene, operator } = await underWay({ spec: { zero: { proveWithin: '4s' } } });
    scene.workloads.stuckCanaryShare = 0.25;
    await breach(scene);
    await operator.logged((line) => line.msg === 'traffic still arrives at weight 0');
    await scene.until('zero is proven all the same', 20_000, ({ status }) =>
      JSON.stringify(status['zero'] ?? {}).includes('provenAt'),
    );
    const { body } = await operator.get('/metrics');
    expect(body).to.match(/latchkey_rollout_zero_not_proven_total\{[^}]*stage="selector"[^}]*\} 1/);
    expect(body).to.match(/latchkey_rollout_breach_to_zero_seconds_count\{stage="patched"\} 1/);
  });

  it('holds on one error in a few requests: little evidence is no P0', async () => {
    const { scene } = await underWay();
    scene.workloads.requestsPerSecond = 0;
    const [pod] = scene.workloads.podsOf('auth-api');
    pod?.add('http_requests_total{method="GET",route="/api/v1/auth/me",status="500"}', 1);
    const scrapes = pod?.scrapes ?? 0;
    await scene.until('the sentinel saw it', 10_000, () => (pod?.scrapes ?? 0) > scrapes + 2);
    expect(await scene.weight()).to.equal(25);
  });

  it('records since when no canary answers, at once, so that a restart does not begin the five minutes anew', async () => {
    const { scene } = await underWay();
    scene.workloads.behaviours.set('v2', { silent: true });
    const { status } = await scene.until(
      'the silence is recorded',
      20_000,
      (rollout) => rollout.status['silentSince'] !== undefined,
    );
    expect(status.phase).to.equal('Progressing');
  });
});
