/** abort, set-weight and retry as their user runs them: a process of its own, the real apiserver, the real operator behind it. */
import { expect } from 'chai';
import { z } from 'zod';
import { runPlugin, type Said } from '../../support/plugin.ts';
import { Scene } from '../../support/rollout-scene.ts';

const SCHEDULE = [
  { weight: 10, hold: '2s', checkEvery: '1s' },
  { weight: 50, hold: '60s', checkEvery: '1s' },
  { weight: 100, hold: '2s', checkEvery: '1s' },
];

describe('kubectl authrollout abort, set-weight and retry', function () {
  this.timeout(120_000);
  let scene: Scene;

  const run = (...args: readonly string[]): Promise<Said> => runPlugin(scene, args);
  const has = (weight: number): Promise<unknown> =>
    scene.until(`it has ${weight} %`, 30_000, async () => (await scene.weight()) === weight);
  const atHalf = async (): Promise<void> => {
    scene = await Scene.create({ schedule: SCHEDULE });
    scene.operator();
    await scene.adopted();
    await scene.release('v2');
    await has(50);
    await scene.until('the status knows', 10_000, ({ status }) => status.weight === 50);
  };

  it('lowers, only lowers, and lets it go on', async () => {
    await atHalf();
    const higher = await run('set-weight', 'auth-api', '60');
    expect(higher).to.deep.equal({
      code: 1,
      out: '',
      err: 'error: auth-api has 50 % and set-weight only lowers: the schedule raises it, step by step, while its checks pass\n',
    });
    const rehearsed = await run('set-weight', 'auth-api', '7', '--dry-run');
    expect(rehearsed.out, rehearsed.err).to.match(/^auth-api would be lowered from 50 % to 7 %/);
    expect((await scene.rollout())['spec']).to.not.have.property('maxWeight');

    const lowered = await run('set-weight', 'auth-api', '7');
    expect(lowered.out, lowered.err).to.equal(
      'auth-api is lowered from 50 % to 7 % and stays there: kubectl authrollout retry auth-api lets it go on\n',
    );
    await has(7);
    const status = await scene.until('held', 10_000, (rollout) => rollout.status.lastDecision?.reason === 'MaxWeight');
    expect(status.status.weight).to.equal(7);
    expect(await run('status', 'auth-api')).to.include({ code: 4 });
    expect((await run('list')).out).to.match(/auth-api +Progressing +1\/3 +7 % +None +retry/);
    expect((await run('set-weight', 'auth-api', '10')).err).to.include(
      'auth-api has a ceiling of 7 % and 10 % is above it: kubectl authrollout retry auth-api takes it away',
    );

    const retried = await run('retry', 'auth-api');
    expect(retried, retried.err).to.deep.equal({
      code: 0,
      out: 'auth-api: the ceiling of 7 % is removed; it goes on from 7 %, with the whole hold of the step\n',
      err: '',
    });
    await has(10);
    expect((await run('retry', 'auth-api')).out).to.match(/^auth-api: it has no ceiling; nothing to retry/);
  });

  it('aborts, and starts at the first step again when it is taken back', async () => {
    await atHalf();
    expect((await run('abort', 'auth-api', '--dry-run')).out).to.match(/^auth-api would be aborted: from 50 % to 0 %/);
    const aborted = await run('abort', 'auth-api', '-o', 'json');
    const object = z.looseObject({ spec: z.looseObject({ maxWeight: z.number() }) });
    expect(object.parse(JSON.parse(aborted.out)).spec.maxWeight).to.equal(0);
    await has(0);
    expect((await run('abort', 'auth-api')).out).to.match(/^auth-api is already aborted: pods are kept/);
    await scene.until('held', 15_000, (rollout) => rollout.status.lastDecision?.reason === 'MaxWeight');
    const retried = await run('retry', 'auth-api');
    expect(retried.out, retried.err).to.equal('auth-api: the ceiling of 0 % is removed; it starts at the first step\n');
    await has(10);
  });

  it('says what is needed after a P1 and after a P0, and that nothing is left to abort', async () => {
    await atHalf();
    scene.workloads.behaviours.set('v2', { slowShare: 0.3 });
    await scene.until('approval is needed', 30_000, ({ status }) => status['approvalNeeded'] !== undefined);
    const zeroed = await run('retry', 'auth-api');
    expect(zeroed.code).to.equal(4);
    expect(zeroed.out).to.match(/^auth-api: it has no ceiling; it waits for on-call .* approve auth-api --as on-call/);
    expect((await run('abort', 'auth-api')).err).to.equal(
      'error: auth-api has no canary to lower (Zeroed): a P1 has taken the weight to 0 already\n',
    );

    scene.workloads.behaviours.set('v3', { errorShare: 0.5 });
    await scene.release('v3');
    await scene.until('it is rolled back', 30_000, ({ status }) => status.phase === 'RolledBack');
    const rolledBack = await run('retry', 'auth-api');
    expect(rolledBack.code).to.equal(3);
    expect(rolledBack.out).to.match(
      /a P0 has ended revision [0-9a-f]{10}, which never gets traffic again: apply another/,
    );
  });
});
