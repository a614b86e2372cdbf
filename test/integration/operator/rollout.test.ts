import { expect } from 'chai';
import { condition, Scene } from '../../support/rollout-scene.ts';

describe('a rollout on a real apiserver', function () {
  this.timeout(120_000);

  it('adopts, climbs every step of the schedule and promotes, and then the target has no pods', async () => {
    const scene = await Scene.create();
    const operator = scene.operator();
    await scene.adopted();
    await scene.release('v2');
    const done = await scene.until(
      'v2 is promoted',
      90_000,
      ({ status }) => status.phase === 'Succeeded' && status.stepIndex === 4,
    );
    expect(await scene.weights()).to.deep.equal([100, 0, 5, 10, 25, 50, 100, 0]);
    expect((await scene.deployment('auth-api-stable')).spec.template.spec.containers[0]?.image).to.equal(
      'latchkey/api:v2',
    );
    expect((await scene.deployment('auth-api')).spec.replicas).to.equal(0);
    expect(condition(done, 'Ready')?.status).to.equal('True');
    await scene.until('it is at rest', 15_000, (rollout) => rollout.status.lastDecision?.reason === 'UpToDate');
    const stoppedAt = performance.now();
    expect(await operator.kill('SIGTERM')).to.equal(0);
    expect(performance.now() - stoppedAt, 'a clean stop').to.be.below(3_000);
  });
});
