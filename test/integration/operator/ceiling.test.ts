/** spec.maxWeight on a real apiserver, with the real operator in a process of its own. */
import { expect } from 'chai';
import type { OperatorProcess } from '../../support/operator.ts';
import { condition, type Rollout, Scene } from '../../support/rollout-scene.ts';

/** Long enough at 50 that only the ceiling can end the step; short below it. */
const SCHEDULE = [
  { weight: 10, hold: '2s', checkEvery: '1s' },
  { weight: 50, hold: '60s', checkEvery: '30s' },
  { weight: 100, hold: '2s', checkEvery: '1s' },
];
const isHeld = ({ status }: Rollout): boolean => status.lastDecision?.reason === 'MaxWeight';

async function atHalf(): Promise<{ scene: Scene; operator: OperatorProcess }> {
  const scene = await Scene.create({ schedule: SCHEDULE });
  const operator = scene.operator();
  await scene.adopted();
  await scene.release('v2');
  await scene.until('v2 has 50 %', 30_000, async () => (await scene.weight()) === 50);
  return { scene, operator };
}

describe('a ceiling on a real apiserver', function () {
  this.timeout(120_000);

  it('lowers within a pass while paused, stays through a restart of the operator, and goes on when it is taken away', async () => {
    const { scene, operator } = await atHalf();
    const askedAt = performance.now();
    await scene.patchRollout({ spec: { paused: true, maxWeight: 7 } });
    await scene.until('it has 7 %', 5_000, async () => (await scene.weight()) === 7);
    const tookMs = performance.now() - askedAt;
    console.log(`      ceiling to weight ${Math.round(tookMs)} ms`);
    expect(tookMs).to.be.below(2_000);
    const lowered = await scene.until('the status knows', 5_000, ({ status }) => status['loweredTo'] === 7);
    expect(lowered.status.history.find(({ reason }) => reason === 'MaxWeight')).to.include({ decision: 'reduce' });

    await operator.kill('SIGKILL');
    const next = scene.operator({ podName: 'next' });
    await next.isLeading();
    await scene.patchRollout({ spec: { paused: false } });
    const held = await scene.until('the next leader holds it', 20_000, isHeld);
    expect(await scene.weight()).to.equal(7);
    expect(condition(held, 'Progressing')).to.include({ status: 'False', reason: 'MaxWeight' });
    expect(condition(held, 'Stalled')).to.include({ status: 'False' });

    await scene.patchRollout({ spec: { maxWeight: null } });
    await scene.until('it goes on with the step that 7 belongs to', 20_000, async () => (await scene.weight()) === 10);
    const weights = await scene.weights();
    expect(weights.slice(weights.indexOf(50))).to.deep.equal([50, 7, 10]);
  });

  it('aborts at 0 with proof, keeps the pods, and starts at the first step when it is taken back', async () => {
    const { scene } = await atHalf();
    await scene.patchRollout({ spec: { maxWeight: 0 } });
    await scene.until('zero is proven and held', 20_000, (rollout) => {
      return isHeld(rollout) && JSON.stringify(rollout.status['zero'] ?? {}).includes('provenAt');
    });
    expect(await scene.weight()).to.equal(0);
    expect(scene.workloads.podsOf('auth-api')).to.not.have.length(0);
    await scene.patchRollout({ spec: { maxWeight: null } });
    await scene.until('the first step again', 20_000, async () => (await scene.weight()) === 10);
  });

  it('never lets the weight rise above it, and is refused outside of 0 to 100', async () => {
    const scene = await Scene.create({ schedule: SCHEDULE, spec: { maxWeight: 30 } });
    scene.operator();
    await scene.adopted();
    await scene.release('v2');
    await scene.until(
      'it waits below the next step',
      30_000,
      (rollout) => isHeld(rollout) && rollout.status.weight === 10,
    );
    expect(Math.max(...(await scene.weights()).slice(1))).to.equal(10);
    for (const maxWeight of [-1, 101, 7.5]) {
      const refused = await scene.patchRollout({ spec: { maxWeight } }).then(String, String);
      expect(refused).to.match(/spec\.maxWeight/);
    }
  });
});
