/** Checkpoints on a real apiserver: real Jobs and approvals, the operator and the plugin in processes of their own. */
import { expect } from 'chai';
import { z } from 'zod';
import { recordsInLog } from '../../../operator/src/plugin/records.ts';
import { eventually } from '../../support/eventually.ts';
import { FaultProxy } from '../../support/fault-proxy.ts';
import { beginDeletion, deleteJob, endDeletion, endJob, makeJob } from '../../support/jobs.ts';
import { runPlugin, type Said } from '../../support/plugin.ts';
import { type Rollout, Scene } from '../../support/rollout-scene.ts';

const asked = z
  .looseObject({
    stepIndex: z.number(),
    since: z.string(),
    answers: z.array(z.looseObject({ name: z.string(), answer: z.string(), why: z.string().optional() })),
  })
  .optional();
const record = z.looseObject({
  sequence: z.number(),
  actor: z.looseObject({ person: z.string().optional() }),
  decision: z.looseObject({ reason: z.string(), message: z.string() }),
  judgement: z.looseObject({
    checkpoints: z.array(z.looseObject({ name: z.string(), answer: z.string(), by: z.string().optional() })).optional(),
  }),
});

const reasonOf = ({ status }: Rollout): string | undefined => status.lastDecision?.reason;
const messageOf = ({ status }: Rollout): string => status.lastDecision?.message ?? '';
const answerOf = ({ status }: Rollout, name: string): string | undefined => {
  const found = asked.parse(status['checkpoints'])?.answers.find((answer) => answer.name === name);
  return found?.why ?? found?.answer;
};

const VERIFY = { name: 'schema', job: { name: 'verify' } };
const GO_LIVE = { name: 'go-live', person: { role: 'team-lead' } };

/** 25 % for two seconds, then what is asked; the last step lasts longer than any test. */
async function sceneWith(...checkpoints: readonly object[]): Promise<Scene> {
  const scene = await Scene.create();
  const schedule = [
    { weight: 25, hold: '2s', checkEvery: '1s' },
    { weight: 50, hold: '60s', checkEvery: '1s', checkpoints },
    { weight: 100, hold: '60s', checkEvery: '1s' },
  ];
  await scene.patchRollout({ spec: { schedule } });
  return scene;
}

describe('checkpoints on a real apiserver', function () {
  this.timeout(300_000);
  let scene: Scene;

  const until = (what: string, look: (rollout: Rollout) => boolean): Promise<Rollout> =>
    scene.until(what, 60_000, look);
  const run = (...args: readonly string[]): Promise<Said> => runPlugin(scene, args);
  const say = (command: 'approve' | 'refuse', role: string, reason: string): Promise<Said> =>
    run(command, 'auth-api', '--checkpoint', 'go-live', '--as', role, '--reason', reason);
  const load = (by: number): void => scene.workloads.podsOf('auth-api')[0]?.add('checkpoint_load', by);

  it('open a step when figure, Job and person say yes, made since it was asked; each is recorded and can be verified', async () => {
    scene = await sceneWith();
    const { server, namespace } = scene;
    const promql = `sum(checkpoint_load{namespace="${namespace}"})`;
    const capacity = { name: 'capacity', query: { promql, atMost: 5 } };
    const { schedule } = z
      .object({ spec: z.object({ schedule: z.array(z.looseObject({})) }) })
      .parse(await scene.rollout()).spec;
    const guarded = schedule.map((step, index) =>
      index === 1 ? { ...step, checkpoints: [capacity, VERIFY, GO_LIVE] } : step,
    );
    await scene.patchRollout({ spec: { schedule: guarded } });
    await makeJob(server, namespace, 'verify');
    await endJob(server, namespace, { name: 'verify', how: 'Complete' });
    scene.operator();
    await scene.adopted();
    const planned = await run('plan', 'auth-api');
    expect(planned.out, planned.err).to.include(`before step 2 (50 %)  capacity: at most 5 of ${promql}`);
    expect(planned.out).to.include('the query of checkpoint capacity gives no number (NoData)');
    await scene.release('v2');

    await until('the figure is not known', (rollout) => reasonOf(rollout) === 'CheckpointUnknown');
    load(9);
    const no = await until('the figure says no', (rollout) => reasonOf(rollout) === 'CheckpointNo');
    expect(messageOf(no)).to.include('capacity says no (9, wanted at most 5)');
    load(-7);
    const early = await until('only the rest is missing', (rollout) => reasonOf(rollout) === 'CheckpointPending');
    expect(messageOf(early)).to.include('schema: Job verify was made before it was asked for');

    await beginDeletion(server, namespace, 'verify');
    await until('it is as good as gone', (rollout) => answerOf(rollout, 'schema') === 'JobMissing');
    await endDeletion(server, namespace, 'verify');
    await makeJob(server, namespace, 'verify');
    await until('it runs', (rollout) => answerOf(rollout, 'schema') === 'JobRunning');
    await endJob(server, namespace, { name: 'verify', how: 'Failed' });
    const failed = await until('it failed', (rollout) => reasonOf(rollout) === 'CheckpointNo');
    expect(messageOf(failed)).to.include('schema says no (Job verify Failed)');
    await deleteJob(server, namespace, 'verify');
    await makeJob(server, namespace, 'verify');
    await endJob(server, namespace, { name: 'verify', how: 'Complete' });
    await until('a person is wanted', (rollout) => reasonOf(rollout) === 'CheckpointNeedsPerson');
    const shown = await run('status', 'auth-api');
    expect([shown.code, shown.out]).to.satisfy(
      ([code, out]: [number, string]) =>
        code === 4 && /go\/no-go {3}before step 2 \(50 %\), asked/.test(out) && out.includes('--checkpoint go-live'),
    );

    expect((await say('approve', 'on-call', 'x')).err).to.include('go-live of auth-api needs an approval of team-lead');
    expect((await run('approve', 'auth-api', '--as', 'team-lead', '--reason', 'x')).err).to.include(
      'say --checkpoint go-live',
    );
    const refused = await say('refuse', 'team-lead', 'not before lunch');
    expect(refused.out, refused.err).to.match(
      /^refused go-live before step 2 of revision [0-9a-f]{10} as team-lead \(test-admin\)/,
    );
    const held = await until('a person says no', (rollout) => reasonOf(rollout) === 'CheckpointNo');
    expect(messageOf(held)).to.include('go-live says no (test-admin as team-lead: not before lunch)');
    expect(Math.max(...(await scene.weights()).slice(1))).to.equal(25);
    // The API server dates by whole seconds: of two words of the same second neither is the later one.
    const noAt = Math.floor(Date.now() / 1_000);
    await eventually('a later second', 5_000, () => Math.floor(Date.now() / 1_000) > noAt);
    const saidAt = performance.now();
    expect((await say('approve', 'team-lead', 'all quiet')).code).to.equal(0);
    await until('v2 has 50 %', ({ status }) => status.weight === 50);
    console.log(`      go to weight ${Math.round(performance.now() - saidAt)} ms, the command included`);

    const { status } = await scene.rollout();
    const advanced = status.history.find(({ message }) => message.includes('to 50%'))?.message;
    expect(advanced).to.match(
      /yes: capacity \(2, .*\), schema \(Job verify Complete\), go-live \(test-admin as team-lead: all quiet\)/,
    );
    expect(status['checkpoints']).to.equal(undefined);
    await verified();
  });

  /** Every answer is in the records, and each record gives the same decision again. */
  async function verified(): Promise<void> {
    const path = `/apis/latchkey.dev/v1alpha1/namespaces/${scene.namespace}/decisionlogs/auth-api`;
    const records = await eventually('the rise is recorded', 10_000, async () => {
      const found = recordsInLog('', await scene.server.request('GET', path)).found.map(({ value }) =>
        record.parse(value),
      );
      return found.some(({ decision }) => decision.message.includes('to 50%')) && found;
    });
    const said = records.flatMap(({ judgement }) => judgement.checkpoints ?? []);
    const words = new Set(said.map(({ name, answer }) => `${name} ${answer}`));
    expect([...words].toSorted()).to.deep.equal(
      ['capacity', 'go-live', 'schema'].flatMap((name) =>
        ['no', 'unknown', 'yes'].map((answer) => `${name} ${answer}`),
      ),
    );
    const rise = records.find(({ decision }) => decision.message.includes('to 50%'));
    expect(rise?.judgement.checkpoints?.map(({ by }) => by)).to.deep.equal(['prometheus', 'Job verify', 'test-admin']);
    expect(rise?.actor.person).to.equal('test-admin');
    const proof = await run('verify', 'auth-api');
    expect(proof.code, proof.out + proof.err).to.equal(0);
    expect(proof.out).to.match(/records: all right/);
  }

  it('hold at weight 0 before the first step, through a new leader, and take a word that was said to the one before', async () => {
    scene = await Scene.create();
    const schedule = [
      { weight: 25, hold: '60s', checkEvery: '1s', checkpoints: [GO_LIVE] },
      { weight: 100, hold: '60s', checkEvery: '1s' },
    ];
    await scene.patchRollout({ spec: { schedule } });
    const first = scene.operator();
    await scene.adopted();
    await scene.release('v2');
    const put = await until('a person is wanted', (rollout) => reasonOf(rollout) === 'CheckpointNeedsPerson');
    await first.kill('SIGKILL');
    expect((await say('approve', 'team-lead', 'seen')).code).to.equal(0);
    scene.operator({ podName: 'next' });
    const open = await scene.until('the next leader enters the step', 40_000, ({ status }) => status.weight === 25);
    expect(asked.parse(put.status['checkpoints'])?.stepIndex).to.equal(0);
    expect(open.status.history.at(-1)?.message).to.include('go-live (test-admin as team-lead: seen)');
  });

  for (const [how, fault] of [
    ['is refused', { status: 403 }],
    ['is never answered', { hangs: true }],
  ] as const) {
    it(`never delay weight 0: a fault takes the traffic away while the question for a Job ${how}`, async () => {
      scene = await sceneWith(VERIFY, { name: 'slow', query: { promql: 'sum(nowhere{a="b"})', atLeast: 1 } });
      const proxy = await FaultProxy.start(scene.server);
      let questions = 0;
      proxy.faults.push({
        ...fault,
        matches: (_method, path) => {
          const isHit = path.includes('/apis/batch/');
          questions += isHit ? 1 : 0;
          return isHit;
        },
      });
      try {
        scene.operator({ kubeconfig: scene.server.kubeconfig(undefined, proxy.url) });
        await scene.adopted();
        await scene.release('v2');
        const blind = await until('it holds', (rollout) => reasonOf(rollout) === 'CheckpointUnknown');
        expect(messageOf(blind)).to.match(/schema is not known \(ERR_API_(FORBIDDEN|DEADLINE)\)/);
        await eventually('it is asked again', 30_000, () => questions >= 3);
        expect(await scene.weight()).to.equal(25);
        scene.workloads.behaviours.set('v2', { errorShare: 0.5 });
        await scene.until('the weight is 0', 10_000, () => scene.weight().then((weight) => weight === 0));
        await until('zero is proven', ({ status }) => JSON.stringify(status['zero'] ?? {}).includes('provenAt'));
        const exposedMs = scene.workloads.exposureMs;
        console.log(`      fault to last canary answer ${Math.round(exposedMs)} ms`);
        expect(exposedMs).to.be.below(3_000);
      } finally {
        await proxy.close();
      }
    });
  }
});
