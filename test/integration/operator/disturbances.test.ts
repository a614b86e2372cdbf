/**
 * Issue, "the operator, whole", 2: what a rollout meets that breaks no single request: an API server that is away for a minute, nodes
 * whose clocks disagree by five minutes, a canary that crash-loops, an AuthRollout that is edited in every phase. faults.test.ts has the requests.
 */
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { reasonOf } from '../../../k8s/local/failure.ts';
import { eventually } from '../../support/eventually.ts';
import { FaultProxy } from '../../support/fault-proxy.ts';
import { Scene } from '../../support/rollout-scene.ts';

const FIVE_MINUTES = 300_000;
const AWAY_MS = 60_000;
/** Some minutes of it with TEST_LONG=1. */
const CRASHES = process.env['TEST_LONG'] === '1' ? 60 : 4;
const SKEWED_CLOCK = fileURLToPath(new URL('../../support/skewed-clock.ts', import.meta.url));

const skewed = (ms: number) => ({ NODE_OPTIONS: `--import=${SKEWED_CLOCK}`, CLOCK_SKEW_MS: String(ms) });

describe('disturbances around the operator', function () {
  this.timeout(300_000);

  const CLOCKS = [
    ['a successor whose clock is five minutes ahead', 0, FIVE_MINUTES],
    ['a successor of one whose clock was five minutes behind', -FIVE_MINUTES, 0],
    ['a successor whose clock is five minutes behind', 0, -FIVE_MINUTES],
  ] as const;
  for (const [who, firstMs, secondMs] of CLOCKS) {
    it(`${who} neither ends the hold early nor begins it anew, and takes a sick canary back as fast`, async () => {
      const holdMs = 8_000;
      const scene = await Scene.create({
        schedule: [
          { weight: 25, hold: `${holdMs / 1_000}s`, checkEvery: '1s' },
          { weight: 50, hold: '60s', checkEvery: '1s' },
          { weight: 100, hold: '60s', checkEvery: '1s' },
        ],
      });
      const first = scene.operator({ podName: 'first', env: skewed(firstMs) });
      await scene.adopted();
      const second = scene.operator({ podName: 'second', env: skewed(secondMs) });
      await second.logged((line) => line.msg === 'started');
      await scene.release('v2');
      await scene.holdsAt(25);
      const heldSince = performance.now();
      const { status: before } = await scene.rollout();
      await first.kill('SIGTERM');
      await second.isLeading();
      await scene.holdsAt(50);
      const heldMs = performance.now() - heldSince;
      console.log(`      held for ${(heldMs / 1_000).toFixed(1)} s of ${holdMs / 1_000} s`);
      // The two clocks may each be a second off, and the checks come once a second.
      expect(heldMs).to.be.within(holdMs - 2_500, holdMs + 5_000);
      expect(before['stepStartedAt']).to.be.a('string');
      scene.workloads.behaviours.set('v2', { errorShare: 0.5 });
      await scene.until('it is rolled back', 15_000, ({ status }) => status.phase === 'RolledBack');
      const exposedMs = scene.workloads.exposureMs;
      console.log(`      fault to last canary answer ${Math.round(exposedMs)} ms`);
      expect(exposedMs).to.be.below(3_000);
    });
  }

  it('goes on where it stood after the API server was away for a minute, and a fault of that minute is taken back at once', async () => {
    const scene = await Scene.create({
      schedule: [
        { weight: 25, hold: '120s', checkEvery: '1s' },
        { weight: 100, hold: '60s', checkEvery: '1s' },
      ],
    });
    const proxy = await FaultProxy.start(scene.server);
    try {
      const operator = scene.operator({ kubeconfig: scene.server.kubeconfig(undefined, proxy.url) });
      await scene.adopted();
      await scene.release('v2');
      await scene.holdsAt(25);
      const { status: before } = await scene.rollout();
      const away = { matches: () => true, status: 503 };
      proxy.faults.push(away);
      proxy.dropWatches();
      const awayAt = performance.now();
      await operator.logged((line) => line.msg === 'leadership' && line['leading'] === false, AWAY_MS);
      await eventually('half of the minute is over', AWAY_MS, () => performance.now() - awayAt > AWAY_MS / 2);
      expect((await operator.get('/livez')).status).to.equal(200);
      expect(await scene.weight()).to.equal(25);
      scene.workloads.behaviours.set('v2', { errorShare: 0.5 });
      await eventually('the minute is over', AWAY_MS, () => performance.now() - awayAt > AWAY_MS);
      expect(await scene.weight()).to.equal(25);
      const backAt = performance.now();
      proxy.faults.length = 0;
      await scene.until('weight 0', 30_000, async () => (await scene.weight()) === 0);
      console.log(`      the API server back to weight 0: ${Math.round(performance.now() - backAt)} ms`);
      expect(performance.now() - backAt).to.be.below(10_000);
      const after = await scene.until('it is rolled back', 15_000, ({ status }) => status.phase === 'RolledBack');
      expect(after.status.revision).to.equal(before.revision);
    } finally {
      await proxy.close();
    }
  });

  it('a canary of which no pod is ready loses its share at once, climbs again from the first step, and is a P0 when it stays down', async () => {
    const scene = await Scene.create({
      schedule: [
        { weight: 10, hold: '2s', checkEvery: '1s' },
        { weight: 25, hold: '60s', checkEvery: '1s' },
        { weight: 100, hold: '60s', checkEvery: '1s' },
      ],
      spec: { matrix: { serviceDown: { p0: '6s' } } },
    });
    scene.operator();
    await scene.adopted();
    await scene.release('v2');
    const down = async (): Promise<number> => {
      const sinceMs = performance.now();
      scene.workloads.behaviours.set('v2', { unready: true, silent: true });
      await eventually('weight 0', 10_000, async () => (await scene.weight()) === 0);
      return performance.now() - sinceMs;
    };
    await scene.holdsAt(25);
    const from = (await scene.weights()).length;
    const firstMs = await down();
    const { status } = await scene.until('it says why', 5_000, ({ status: seen }) => seen.weight === 0);
    expect(status).to.deep.include({ phase: 'Progressing', stepIndex: 0 });
    const reduction = status.history.find(({ decision }) => decision === 'reduce'); // the last one may wait for pods already
    expect(reduction?.message).to.match(/none of \d canary pods is ready: from 25% down to 0% until they are/);
    scene.workloads.behaviours.delete('v2');
    await scene.holdsAt(25);
    const secondMs = await down();
    console.log(`      unready to weight 0: ${Math.round(firstMs)} and ${Math.round(secondMs)} ms`);
    expect(Math.max(firstMs, secondMs)).to.be.below(3_000);
    const after = await scene.until('it is rolled back', 15_000, ({ status: seen }) => seen.phase === 'RolledBack');
    expect(JSON.stringify(after.status.history)).to.include('P0 serviceDown > 6s');
    expect((await scene.weights()).slice(from)).to.deep.equal([0, 10, 25, 0]);
  });

  it('a canary that crash-loops gets the first step’s share and no more, loses it each time, and climbs once it stays up', async () => {
    const scene = await Scene.create({
      schedule: [
        { weight: 10, hold: '5s', checkEvery: '1s' },
        { weight: 100, hold: '60s', checkEvery: '1s' },
      ],
    });
    scene.operator();
    await scene.adopted();
    await scene.release('v2');
    const fallsMs: number[] = [];
    for (let crashes = 0; crashes < CRASHES; crashes += 1) {
      await scene.holdsAt(10);
      scene.workloads.behaviours.set('v2', { unready: true, silent: true });
      const sinceMs = performance.now();
      await eventually('weight 0', 10_000, async () => (await scene.weight()) === 0);
      fallsMs.push(performance.now() - sinceMs);
      await scene.until('it says so', 5_000, ({ status }) => status.weight === 0);
      scene.workloads.behaviours.delete('v2');
    }
    const { status } = await scene.holdsAt(100);
    console.log(`      ${CRASHES} crashes, each to weight 0 in at most ${Math.round(Math.max(...fallsMs))} ms`);
    expect(Math.max(...fallsMs)).to.be.below(3_000);
    const rounds = Array.from({ length: CRASHES }, () => [10, 0]).flat();
    const all = await scene.weights();
    expect(all.slice(-rounds.length - 2)).to.deep.equal([...rounds, 10, 100]);
    expect(status).not.to.have.property('condemned');
  });

  describe('an AuthRollout that is edited', () => {
    const quick = [
      { weight: 10, hold: '2s', checkEvery: '1s' },
      { weight: 100, hold: '2s', checkEvery: '1s' },
    ];
    const slow = [
      { weight: 25, hold: '60s', checkEvery: '1s' },
      { weight: 100, hold: '60s', checkEvery: '1s' },
    ];

    it('while it rests: nothing moves, and the next run climbs the new schedule', async () => {
      const scene = await Scene.create({ schedule: slow });
      scene.operator();
      await scene.adopted();
      const from = (await scene.weights()).length;
      await scene.patchRollout({ spec: { schedule: quick } });
      await untilSeen(scene);
      expect((await scene.weights()).slice(from)).to.deep.equal([]);
      await scene.release('v2');
      await scene.until(
        'v2 is promoted',
        40_000,
        ({ status }) => status.phase === 'Succeeded' && status.stepIndex === 1,
      );
      expect((await scene.weights()).slice(from)).to.deep.equal([10, 100, 0]);
    });

    it('in the middle of a step: another route is refused, the step ends as it began, and the next one is of the new schedule', async () => {
      const running = slow.map((step) => ({ ...step, hold: '6s' }));
      const scene = await Scene.create({ schedule: running });
      scene.operator();
      await scene.adopted();
      const from = (await scene.weights()).length;
      await scene.release('v2');
      await scene.holdsAt(25);
      const moved = scene.patchRollout({ spec: { route: { httpRoute: 'auth-api', rule: 'other' } } });
      expect(await moved.then(() => 'taken', reasonOf)).to.include('route cannot change while a run is active');
      expect(await scene.weight()).to.equal(25);
      await scene.patchRollout({ spec: { schedule: quick } });
      await scene.until('v2 is promoted', 60_000, ({ status }) => status.phase === 'Succeeded' && status.weight === 0);
      const climbs = (await scene.weights()).slice(from);
      console.log(`      weights ${climbs.join(' ')}`);
      expect(climbs.filter((weight) => weight > 25)).to.deep.equal([100]);
    });

    it('after a rollback: the condemned revision stays at zero, whatever the edit allows', async () => {
      const scene = await Scene.create({ schedule: slow });
      scene.operator();
      await scene.adopted();
      await scene.release('v2');
      await scene.holdsAt(25);
      scene.workloads.behaviours.set('v2', { errorShare: 0.5 });
      await scene.until('it is rolled back', 15_000, ({ status }) => status.phase === 'RolledBack');
      const from = (await scene.weights()).length;
      scene.workloads.behaviours.delete('v2');
      const matrix = { errorRate: { p0: 0.9, p1: 0.8, p2: 0.7, p3: 0.6 } };
      await scene.patchRollout({ spec: { schedule: quick, matrix, paused: true } });
      await untilSeen(scene);
      await scene.patchRollout({ spec: { paused: false, maxWeight: 100 } });
      await untilSeen(scene);
      expect((await scene.rollout()).status.phase).to.equal('RolledBack');
      expect((await scene.weights()).slice(from)).to.deep.equal([]);
    });
  });
});

/** The operator has decided with the present generation in view. */
async function untilSeen(scene: Scene): Promise<void> {
  await scene.until(
    'the edit is seen',
    15_000,
    ({ metadata, status }) => status['observedGeneration'] === metadata.generation,
  );
}
