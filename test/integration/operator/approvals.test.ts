/** RolloutApprovals on a real apiserver: who may make one, and when the operator takes it. */
import { expect } from 'chai';
import { z } from 'zod';
import {
  type ApprovalFields,
  approvalManifest,
  approvalsIn,
  guardApprovals,
  mayApprove,
  mayDo,
  person,
  unguardApprovals,
} from '../../support/approvals.ts';
import { FaultProxy } from '../../support/fault-proxy.ts';
import type { OperatorOptions } from '../../support/operator.ts';
import { type Rollout, Scene } from '../../support/rollout-scene.ts';

/** Long enough that only a verdict or an approval can change the weight. */
const SLOW = [
  { weight: 25, hold: '60s', checkEvery: '1s' },
  { weight: 100, hold: '60s', checkEvery: '1s' },
];
const created = z.looseObject({ metadata: z.looseObject({ name: z.string(), uid: z.string() }) });

const saysOf = (request: Promise<unknown>): Promise<string> =>
  request.then(
    () => 'taken',
    (error: unknown) => String(error),
  );
const reasonOf = ({ status }: Rollout): string | undefined => status.lastDecision?.reason;
const messageOf = ({ status }: Rollout): string => status.lastDecision?.message ?? '';

/** v2 was taken to zero by a P1, is healthy again and waits for the on-call engineer. */
async function waiting(options: Partial<OperatorOptions> = {}): Promise<Scene> {
  const scene = await Scene.create({ schedule: SLOW });
  scene.operator(options);
  await scene.adopted();
  await scene.release('v2');
  await scene.until('v2 has 25 %', 20_000, () => scene.weight().then((weight) => weight === 25));
  await zeroAgain(scene);
  return scene;
}

async function zeroAgain(scene: Scene): Promise<void> {
  scene.workloads.behaviours.set('v2', { slowShare: 0.3 });
  await scene.until('it is zeroed', 30_000, ({ status }) => status.phase === 'Zeroed');
  scene.workloads.behaviours.set('v2', {});
  await scene.until('it waits for a person', 30_000, (rollout) => reasonOf(rollout) === 'ApprovalNeeded');
}

describe('who may approve', function () {
  this.timeout(60_000);

  it('says who somebody is, not what he types: a forged name is refused, the administrator’s too', async () => {
    const { server, namespace } = await Scene.create();
    const create = (fields: ApprovalFields): Promise<string> =>
      saysOf(server.request('POST', approvalsIn(namespace), approvalManifest(fields)));
    expect(await create({ by: 'somebody-else' })).to.match(
      /403.*denied request: spec\.by must be the name that the API server knows you by: test-admin/,
    );
    expect(await create({ by: 'test-admin' })).to.equal('taken');
    expect(await create({ by: 'test-admin', validForMs: 25 * 3_600_000 })).to.match(/422.*at most 24 hours away/);
    expect(await create({ by: 'test-admin\u001b[2J' })).to.match(/422.*spec\.by/);
    expect(await create({ by: 'test-admin', checkpoint: 'go', answer: 'no' })).to.equal('taken');
    expect(await create({ by: 'test-admin', answer: 'no' })).to.match(
      /422.*only a checkpoint can be answered with no: name it in spec\.checkpoint/,
    );
  });

  it('is an ordinary RoleBinding: on-call and team lead each for their own, and in one namespace', async () => {
    const { server, namespace } = await Scene.create();
    const elsewhere = (await Scene.create()).namespace;
    const [engineer, lead, stranger] = [
      await person(server, namespace, 'engineer'),
      await person(server, namespace, 'lead'),
      await person(server, namespace, 'stranger'),
    ];
    await mayApprove(server, namespace, { username: engineer.username, role: 'on-call' });
    await mayApprove(server, namespace, { username: lead.username, role: 'team-lead' });
    const as = (who: typeof engineer, role: string, where = namespace): Promise<string> =>
      saysOf(server.as(who.token)('POST', approvalsIn(where), approvalManifest({ by: who.username, role })));
    expect(await as(engineer, 'on-call')).to.equal('taken');
    expect(await as(lead, 'team-lead')).to.equal('taken');
    expect(await as(engineer, 'team-lead')).to.include(
      `${engineer.username} may not approve as team-lead: it takes the verb approve-team-lead on authrollouts.latchkey.dev auth-api`,
    );
    expect(await as(lead, 'on-call')).to.include('it takes the verb approve-on-call');
    expect(await as(engineer, 'on-call', elsewhere)).to.include('cannot create resource');
    expect(await as(stranger, 'on-call')).to.include('cannot create resource');
  });

  it('can be bound to one rollout by its name', async () => {
    const { server, namespace } = await Scene.create();
    const { username, token } = await person(server, namespace, 'engineer');
    const apiGroup = 'rbac.authorization.k8s.io';
    const rules = [
      { apiGroups: ['latchkey.dev'], resources: ['rolloutapprovals'], verbs: ['create'] },
      {
        apiGroups: ['latchkey.dev'],
        resources: ['authrollouts'],
        resourceNames: ['auth-api'],
        verbs: ['approve-on-call'],
      },
    ];
    const place = `/apis/${apiGroup}/v1/namespaces/${namespace}`;
    await server.request('POST', `${place}/roles`, { metadata: { name: 'one' }, rules });
    await server.request('POST', `${place}/rolebindings`, {
      metadata: { name: 'one' },
      roleRef: { apiGroup, kind: 'Role', name: 'one' },
      subjects: [{ apiGroup, kind: 'User', name: username }],
    });
    const create = (rolloutName: string): Promise<string> => {
      const manifest = z.looseObject({ spec: z.looseObject({}) }).parse(approvalManifest({ by: username }));
      return saysOf(
        server.as(token)('POST', approvalsIn(namespace), { ...manifest, spec: { ...manifest.spec, rolloutName } }),
      );
    };
    await mayDo(server, username, { namespace, verb: 'approve-on-call', resource: 'authrollouts' });
    expect(await create('auth-api')).to.equal('taken');
    expect(await create('other')).to.include('it takes the verb approve-on-call on authrollouts.latchkey.dev other');
  });

  it('stays as it was made: not even the administrator changes a field', async () => {
    const { server, namespace } = await Scene.create();
    const path = approvalsIn(namespace);
    const { metadata } = created.parse(await server.request('POST', path, approvalManifest({ by: 'test-admin' })));
    const change = (patch: object): Promise<string> =>
      saysOf(server.request('PATCH', `${path}/${metadata.name}`, patch, 'application/merge-patch+json'));
    for (const spec of [{ by: 'another' }, { role: 'team-lead' }, { revision: 'ffffffffff' }, { reason: 'other' }]) {
      expect(await change({ spec })).to.match(/422.*an approval cannot be changed: delete it and create another/);
    }
    expect(await change({ metadata: { labels: { seen: 'true' } } })).to.equal('taken');
  });
});

describe('the operator and approvals', function () {
  this.timeout(180_000);

  it('takes the one that fits within two seconds, once, names who and why, and passes over all others', async () => {
    const scene = await waiting();
    await scene.approve({ validForMs: -1_000 });
    await scene.approve({ revision: '0000000000' });
    await scene.approve({ stepIndex: 3 });
    await scene.approve({ role: 'team-lead' });
    const held = await scene.until(
      'it says why none counts',
      10_000,
      (rollout) => messageOf(rollout).split('not counted')[1]?.includes('is of team-lead') === true,
    );
    expect(messageOf(held))
      .to.match(/is for revision 0000000000/)
      .and.to.match(/is for step index 3/);
    expect([held.status.phase, await scene.weight()]).to.deep.equal(['Zeroed', 0]);

    const from = performance.now();
    await scene.approve();
    await scene.until('it starts again', 10_000, ({ status }) => status.phase === 'Progressing');
    const actedMs = performance.now() - from;
    console.log(`      approval to status ${Math.round(actedMs)} ms`);
    expect(actedMs).to.be.below(2_000);
    const { status } = await scene.until('it has 25 % again', 20_000, () => scene.weight().then((is) => is === 25));
    const approved = status.history.find(({ reason }) => reason === 'Approved');
    expect(approved?.message).to.include('approved by test-admin as on-call: looked at it');
    const used = z
      .array(z.looseObject({ uid: z.string(), by: z.string(), role: z.string() }))
      .parse(status['approvalsUsed']);
    expect(used.map(({ by, role }) => [by, role])).to.deep.equal([['test-admin', 'on-call']]);

    await zeroAgain(scene);
    expect(await scene.weight()).to.equal(0);
    await scene.approve();
    await scene.until('another one opens it again', 20_000, () => scene.weight().then((weight) => weight === 25));
  });

  it('counts nothing while forged ones are taken, nor what was made then, and goes on with one made after that', async () => {
    const scene = await waiting();
    await unguardApprovals(scene.server);
    try {
      await scene.approve({ by: 'anybody' });
      const unguarded = await scene.until(
        'it says so',
        10_000,
        (rollout) => reasonOf(rollout) === 'ApprovalsUnguarded',
      );
      expect(messageOf(unguarded)).to.include('ValidatingAdmissionPolicy rolloutapprovals.latchkey.dev');
    } finally {
      await guardApprovals(scene.server);
    }
    // Rings the bell, and opens nothing.
    await scene.approve({ role: 'team-lead' });
    await scene.until('the forged one is void', 10_000, (rollout) =>
      messageOf(rollout).includes('was made while nothing refused a forged one'),
    );
    expect(await scene.weight()).to.equal(0);
    // The API server dates an approval by whole seconds, downwards: one of the same second as the last unguarded look is void too.
    await scene.until('a later second', 5_000, ({ status }) => {
      return Math.floor(Date.now() / 1_000) * 1_000 > Date.parse(String(status['approvalsUnguardedAt']));
    });
    await scene.approve();
    await scene.until('it has 25 % again', 20_000, () => scene.weight().then((weight) => weight === 25));
  });

  it('does without a guard only where its configuration says so', async () => {
    const scene = await waiting({ env: { ACCEPT_UNGUARDED_APPROVALS: 'true' } });
    await unguardApprovals(scene.server);
    try {
      await scene.approve({ by: 'anybody' });
      await scene.until('it has 25 % again', 20_000, () => scene.weight().then((weight) => weight === 25));
    } finally {
      await guardApprovals(scene.server);
    }
  });

  for (const [how, fault] of [
    ['are refused', { status: 500 }],
    ['are never answered', { hangs: true }],
  ] as const) {
    it(`takes the traffic away while questions about approvals ${how}`, async () => {
      const scene = await Scene.create({ schedule: SLOW });
      const proxy = await FaultProxy.start(scene.server);
      try {
        scene.operator({ kubeconfig: scene.server.kubeconfig(undefined, proxy.url) });
        await scene.adopted();
        await scene.release('v2');
        await scene.until('v2 has 25 %', 20_000, () => scene.weight().then((weight) => weight === 25));
        let asked = 0;
        proxy.faults.push({
          ...fault,
          matches: (method, path) => {
            const isHit = method === 'GET' && path.includes('rolloutapprovals') && !path.includes('watch=true');
            asked += isHit ? 1 : 0;
            return isHit;
          },
        });
        // Figures from before them, or they are no increase.
        await scene.until('the canary answers', 5_000, () =>
          scene.workloads.podsOf('auth-api').some((pod) => pod.scrapes >= 2),
        );
        for (const pod of scene.workloads.podsOf('auth-api')) pod.add('auth_user_complaints_total', 4);
        await scene.until('it asks for approvals, and gets none', 20_000, () => asked >= 2);
        expect(await scene.weight()).to.equal(25);
        scene.workloads.behaviours.set('v2', { errorShare: 0.5 });
        await scene.until('the weight is 0', 10_000, () => scene.weight().then((weight) => weight === 0));
        await scene.until('zero is proven', 20_000, ({ status }) =>
          JSON.stringify(status['zero'] ?? {}).includes('provenAt'),
        );
        const exposedMs = scene.workloads.exposureMs;
        console.log(`      fault to last canary answer ${Math.round(exposedMs)} ms`);
        expect(exposedMs).to.be.below(3_000);
      } finally {
        await proxy.close();
      }
    });
  }
});
