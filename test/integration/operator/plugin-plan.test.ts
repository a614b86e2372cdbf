/** kubectl authrollout plan as its user runs it: on the real apiserver, before anything is applied, and of a rollout that runs. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { z } from 'zod';
import { runPlugin, type Said } from '../../support/plugin.ts';
import { Scene } from '../../support/rollout-scene.ts';

const RBAC = '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings';
const planShape = z.looseObject({
  steps: z.array(z.looseObject({ weight: z.number(), requests: z.number().optional() })),
  requestsPerSecond: z.number().optional(),
  stalls: z.array(z.string()),
  route: z.looseObject({ backends: z.array(z.unknown()) }),
  figures: z.looseObject({ queries: z.array(z.looseObject({ name: z.string(), value: z.number().optional() })) }),
});

/** Requests that the target's pods have counted. */
const answered = (scene: Scene): number =>
  scene.workloads
    .podsOf('auth-api')
    .flatMap((pod) => [...pod.series].filter(([name]) => name.startsWith('http_requests_total')))
    .reduce((sum, [, count]) => sum + count, 0);

describe('kubectl authrollout plan', function () {
  this.timeout(120_000);
  let scene: Scene;
  let folder: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'latchkey-plan-'));
  });

  beforeEach(async () => {
    scene = await Scene.create();
    // An operator with every right; the one that is installed elsewhere has none here.
    await scene.server.request('POST', RBAC, {
      metadata: { name: `${scene.namespace}-operator` },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'cluster-admin' },
      subjects: [{ kind: 'ServiceAccount', name: 'operator', namespace: scene.namespace }],
    });
    // Enough in the five minutes that are asked about for 5 % of it to be evidence.
    scene.workloads.requestsPerSecond = 2_000;
    await scene.until('it has answered requests', 20_000, () => answered(scene) > 2_000);
  });

  after(() => rm(folder, { recursive: true }));

  /** A file that nobody has applied. */
  const manifest = async (spec: object = {}): Promise<string> => {
    const file = join(folder, 'rollout.yaml');
    const object = {
      apiVersion: 'latchkey.dev/v1alpha1',
      kind: 'AuthRollout',
      metadata: { name: 'planned' },
      spec: {
        targetRef: { name: 'auth-api' },
        route: { httpRoute: 'auth-api', rule: 'api' },
        metrics: { prometheus: { address: scene.prometheus.address } },
        ...spec,
      },
    };
    await writeFile(file, `# a comment, as people write them\n${JSON.stringify(object)}\n---\nkind: Other\n`);
    return file;
  };
  const plan = (...args: readonly string[]): Promise<Said> =>
    runPlugin(scene, ['plan', '--operator', `${scene.namespace}/operator`, ...args]);

  it('says before apply what would happen, from the live route, rights and figures, and writes nothing', async () => {
    const before = await scene.route();
    const { code, out, err } = await plan('-f', await manifest(), '-o', 'json');
    const planned = planShape.parse(JSON.parse(out));
    expect(planned.stalls, err).to.deep.equal([]);
    expect(code).to.equal(0);
    expect(planned.steps.map(({ weight }) => weight)).to.deep.equal([5, 10, 25, 50, 100]);
    expect(planned.requestsPerSecond).to.be.greaterThan(0);
    expect(planned.steps[0]?.requests).to.be.closeTo((planned.requestsPerSecond ?? 0) * 0.05 * 1_800, 0.01);
    expect(planned.route.backends).to.deep.equal([
      { name: 'auth-api-stable', from: 0, to: 100 },
      { name: 'auth-api-canary', from: 100, to: 0 },
    ]);
    expect(planned.figures.queries.find(({ name }) => name === 'requests')?.value).to.be.greaterThan(0);
    const text = await plan('-f', await manifest());
    expect(text.out)
      .to.include('nothing is in the way')
      .and.to.include('the API server would take it (dry run)')
      .and.to.include(`asked directly at ${scene.prometheus.address}`)
      .and.to.include(`the operator, ${scene.namespace}/operator, has every right that it needs here`);
    expect((await scene.route()).metadata.resourceVersion).to.equal(before.metadata.resourceVersion);
    expect((await runPlugin(scene, ['list'])).out).to.not.include('planned');
  });

  it('exits with 1 and names every reason when it would stall', async () => {
    const file = await manifest({
      schedule: [
        { weight: 10, hold: '60s', checkEvery: '5s' },
        { weight: 100, hold: '60s', checkEvery: '5s' },
      ],
      route: { httpRoute: 'auth-api', rule: 'nowhere' },
      maxWeight: 50,
      paused: true,
    });
    const { code, out } = await runPlugin(scene, ['plan', '-f', file, '--requests-per-second', '0.5']);
    expect(code).to.equal(1);
    expect(out)
      .to.include('would stall: 5 reasons')
      .and.to.include('HTTPRoute auth-api has rules docs, api: name one nowhere')
      .and.to.include('spec.paused is true')
      .and.to.include('spec.maxWeight is 50: step 2 (100 %) is never entered')
      .and.to.include('step 1 (10 %) gets about 15 requests in 5m, and matrix.minRequests is 30')
      .and.to.include('the operator (latchkey-system/latchkey-operator) may not get authrollouts');
  });

  it('has the manifest checked by the schema and by the API server', async () => {
    const falling = [
      { weight: 50, hold: '60s', checkEvery: '5s' },
      { weight: 10, hold: '60s', checkEvery: '5s' },
    ];
    const { code, out } = await plan('-f', await manifest({ schedule: falling }));
    expect(code).to.equal(1);
    expect(out)
      .to.include('spec.schedule[1].weight is 10 after 50: make each weight greater')
      .and.to.include('the API server refuses the manifest')
      .and.to.include('the last step must have weight 100');
    const unknown = await plan('-f', await manifest({ stepz: [] }));
    expect(unknown.out).to.match(/refuses the manifest.*stepz/);
  });

  it('goes through the proxy of the API server where the address is one of the cluster, and says what came of it', async () => {
    await scene.server.request('POST', `/api/v1/namespaces/${scene.namespace}/services`, {
      metadata: { name: 'prometheus' },
      spec: { ports: [{ port: 9090 }] },
    });
    const address = `http://prometheus.${scene.namespace}.svc:9090`;
    const { code, out } = await plan('-f', await manifest({ metrics: { prometheus: { address } } }));
    expect(out)
      .to.include(`unknown, through the API server's proxy, services/http:prometheus:9090 in ${scene.namespace}`)
      .and.to.match(/requests +404 .*prometheus.* not found/);
    expect(code, 'the operator would not find it either').to.equal(1);
    expect(out).to.match(/no figure for requests, .* correct spec.metrics.prometheus.address/);
  });

  it('takes a Prometheus without figures for a stall', async () => {
    scene.prometheus.mode = 'empty';
    const { code, out } = await plan('-f', await manifest());
    scene.prometheus.mode = 'healthy';
    expect(code).to.equal(1);
    expect(out).to.include('no figure for requests, serverErrors');
  });

  it('plans the next revision of a rollout that is applied', async () => {
    scene.operator();
    await scene.adopted();
    const { code, out } = await plan('auth-api', '--requests-per-second', '50');
    expect(out, out)
      .to.include('as it is applied')
      .and.to.match(/auth-api-canary +0 → +5/);
    expect(code).to.equal(0);
  });

  it('says what to do about a file that has none, and about rights that are missing', async () => {
    const file = join(folder, 'other.yaml');
    await writeFile(file, 'kind: Service\n');
    expect((await plan('-f', file)).err).to.equal(`error: ${file} has no AuthRollout of latchkey.dev/v1alpha1\n`);
    expect((await plan('-f', join(folder, 'missing.yaml'))).err).to.include('cannot be read');
    const stranger = scene.server.kubeconfig(await accountToken('stranger'));
    const refused = await runPlugin(scene, ['plan', '-f', await manifest()], stranger);
    expect(refused).to.include({ code: 1, out: '' });
    expect(refused.err).to.include('not allowed');
  });

  async function accountToken(name: string): Promise<string> {
    const account = `/api/v1/namespaces/${scene.namespace}/serviceaccounts`;
    await scene.server.request('POST', account, { metadata: { name } });
    const issued = await scene.server.request('POST', `${account}/${name}/token`, {
      spec: { expirationSeconds: 3600 },
    });
    return z.object({ status: z.object({ token: z.string() }) }).parse(issued).status.token;
  }
});
