/**
 * Helm and the operator write the same objects. On a real apiserver, with the operator's writes made here as it makes
 * them: what Helm leaves alone, what it refuses, and what needs a flag. docs/adr/0006-helm-and-the-route.md quotes it.
 */
import { expect } from 'chai';
import { z } from 'zod';
import {
  type HelmAnswer,
  helm,
  only,
  readObjects,
  upgradeApi,
  type Values,
  workload,
} from '../../contract/charts/helm.ts';
import { type TestApiserver, testApiserver } from '../../support/apiserver.ts';
import { serveDefinitions } from '../../support/definitions.ts';

const FIELD_MANAGER = 'fieldManager=latchkey-operator';
const JSON_PATCH = 'application/json-patch+json';
const MERGE_PATCH = 'application/merge-patch+json';

const routeShape = z.looseObject({
  metadata: z.looseObject({ annotations: z.record(z.string(), z.string()) }),
  spec: z.looseObject({
    hostnames: z.array(z.string()).optional(),
    rules: z.tuple([
      z.looseObject({
        timeouts: z.unknown().optional(),
        backendRefs: z.tuple([
          z.looseObject({ name: z.literal('auth-api-stable'), weight: z.number() }),
          z.looseObject({ name: z.literal('auth-api-canary'), weight: z.number() }),
        ]),
      }),
    ]),
  }),
});
const deploymentShape = z.looseObject({
  spec: z.looseObject({
    replicas: z.number(),
    template: z.looseObject({ spec: z.looseObject({ containers: z.tuple([z.looseObject({ image: z.string() })]) }) }),
  }),
});
const serviceShape = z.looseObject({ spec: z.looseObject({ selector: z.record(z.string(), z.string()) }) });

/** One release in a namespace of its own. */
class Release {
  readonly #server: TestApiserver;
  readonly #namespace: string;
  readonly #kubeconfig: string;

  constructor(server: TestApiserver, namespace: string) {
    this.#server = server;
    this.#namespace = namespace;
    this.#kubeconfig = server.kubeconfig();
  }

  upgrade(tag: string, values: Values = {}, flags: readonly string[] = []): Promise<HelmAnswer> {
    const place = { namespace: this.#namespace, kubeconfig: this.#kubeconfig };
    return upgradeApi(place, { image: { tag }, ...values }, flags);
  }

  rollback(revision: number): Promise<HelmAnswer> {
    const args = ['rollback', 'auth-api', String(revision), '--namespace', this.#namespace];
    return helm(args, undefined, this.#kubeconfig);
  }

  /** What the newest revision says of the Deployment, as Helm keeps it for a rollback. */
  async renderedDeployment() {
    const args = ['get', 'manifest', 'auth-api', '--namespace', this.#namespace];
    const { stdout } = await helm(args, undefined, this.#kubeconfig);
    return workload(only(readObjects(stdout), 'Deployment'));
  }

  async route() {
    const { metadata, spec } = routeShape.parse(await this.#server.request('GET', this.#path.route));
    const [rule] = spec.rules;
    const [stable, canary] = rule.backendRefs;
    const weights = [stable.weight, canary.weight];
    return { weights, hostnames: spec.hostnames, timeouts: rule.timeouts, annotations: metadata.annotations };
  }

  async deployment() {
    const { spec } = deploymentShape.parse(await this.#server.request('GET', this.#path.deployment));
    return { replicas: spec.replicas, image: spec.template.spec.containers[0].image };
  }

  async canarySelector() {
    return serviceShape.parse(await this.#server.request('GET', this.#path.canaryService)).spec.selector;
  }

  /** The operator's one patch: tests, both weights, fence and record. */
  async writeWeight(canary: number, total = 100): Promise<void> {
    const backends = '/spec/rules/0/backendRefs';
    const annotations = '/metadata/annotations/latchkey.dev~1';
    await this.#write(this.#path.route, JSON_PATCH, [
      { op: 'test', path: `${backends}/0/name`, value: 'auth-api-stable' },
      { op: 'test', path: `${backends}/1/name`, value: 'auth-api-canary' },
      { op: 'replace', path: `${backends}/0/weight`, value: total - canary },
      { op: 'replace', path: `${backends}/1/weight`, value: canary },
      { op: 'add', path: `${annotations}fence`, value: '7' },
      { op: 'add', path: `${annotations}write`, value: JSON.stringify({ weight: canary }) },
    ]);
  }

  async scale(replicas: number): Promise<void> {
    await this.#write(`${this.#path.deployment}/scale`, MERGE_PATCH, { spec: { replicas } });
  }

  async selectNothing(): Promise<void> {
    const value = { 'latchkey.dev/zero': 'proven' };
    await this.#write(this.#path.canaryService, JSON_PATCH, [{ op: 'replace', path: '/spec/selector', value }]);
  }

  async pauseByHand(): Promise<void> {
    await this.#server.request('PATCH', this.#path.rollout, { spec: { paused: true } }, MERGE_PATCH);
  }

  async rollout(): Promise<unknown> {
    return await this.#server.request('GET', this.#path.rollout);
  }

  async #write(path: string, type: string, body: unknown): Promise<void> {
    await this.#server.request('PATCH', `${path}?${FIELD_MANAGER}`, body, type);
  }

  get #path() {
    const within = `namespaces/${this.#namespace}`;
    return {
      route: `/apis/gateway.networking.k8s.io/v1/${within}/httproutes/auth-api`,
      deployment: `/apis/apps/v1/${within}/deployments/auth-api`,
      rollout: `/apis/latchkey.dev/v1alpha1/${within}/authrollouts/auth-api`,
      canaryService: `/api/v1/${within}/services/auth-api-canary`,
    };
  }
}

const SERVED = { code: 0 } as const;
/** Made of the two weights in which a canary carries 25 %. */
const IN_THE_MIDDLE = [75, 25] as const;

describe('helm upgrade beside the operator', function () {
  this.timeout(90_000);
  let server: TestApiserver;
  let count = 0;

  /** A release that the operator has adopted and brought to 25 % of version 2. */
  async function midRun(): Promise<Release> {
    const release = new Release(server, `charts-${++count}`);
    expect(await release.upgrade('v1')).to.include(SERVED);
    await release.writeWeight(0);
    await release.scale(0);
    expect(await release.upgrade('v2')).to.include(SERVED);
    await release.scale(3);
    await release.writeWeight(25);
    return release;
  }

  before(async () => {
    server = await testApiserver();
    await serveDefinitions(server);
  });

  it('the first install serves from its own pods', async () => {
    const release = new Release(server, `charts-${++count}`);
    expect(await release.upgrade('v1')).to.include(SERVED);
    expect(await release.route()).to.deep.include({ weights: [0, 100] });
    expect(await release.deployment()).to.include({ replicas: 1 });
  });

  it('a new image in the middle of a run moves neither the weight nor the replicas, and keeps the annotations', async () => {
    const release = await midRun();
    const before = await release.route();
    expect(await release.upgrade('v3')).to.include(SERVED);
    expect(await release.route()).to.deep.equal(before);
    expect(before.weights).to.deep.equal(IN_THE_MIDDLE);
    expect(before.annotations).to.include({ 'latchkey.dev/fence': '7', 'latchkey.dev/write': '{"weight":25}' });
    expect(await release.deployment()).to.deep.equal({ replicas: 3, image: 'latchkey/api:v3' });
  });

  it('a new image meets no conflict though the operator answers it at once: Helm is done with the route by then', async () => {
    const release = await midRun();
    const race = { ended: false };
    const upgrade = release.upgrade('v3').finally(() => {
      race.ended = true;
    });
    let isSeen = false;
    while (!isSeen && !race.ended) isSeen = (await release.deployment()).image === 'latchkey/api:v3';
    await release.writeWeight(0);
    expect(await upgrade).to.include(SERVED);
    expect(await release.route()).to.deep.include({ weights: [100, 0] });
  });

  it('a changed host name in the middle of a run arrives and moves no weight', async () => {
    const release = await midRun();
    expect(await release.upgrade('v2', { route: { hostnames: ['auth.example.com'] } })).to.include(SERVED);
    expect(await release.route()).to.deep.include({ weights: IN_THE_MIDDLE, hostnames: ['auth.example.com'] });
  });

  it('a changed rule is refused, and with --force-conflicts arrives without moving the weight', async () => {
    const release = await midRun();
    const values = { route: { timeouts: { request: '15s' } } };
    const refused = await release.upgrade('v2', values);
    expect(refused.code).not.to.equal(0);
    expect(refused.stderr).to.include('conflict with "latchkey-operator"').and.to.include('.spec.rules');
    expect(await release.upgrade('v2', values, ['--force-conflicts'])).to.include(SERVED);
    expect(await release.route()).to.deep.include({ weights: IN_THE_MIDDLE, timeouts: { request: '15s' } });
  });

  it('after a forced change the operator and the next upgrade go on as before', async () => {
    const release = await midRun();
    const values = { route: { timeouts: { request: '15s' } } };
    expect(await release.upgrade('v2', values, ['--force-conflicts'])).to.include(SERVED);
    await release.writeWeight(50);
    expect(await release.upgrade('v3', values)).to.include(SERVED);
    expect(await release.route()).to.deep.include({ weights: [50, 50], timeouts: { request: '15s' } });
  });

  it('a weight written while Helm runs stands: the upgrade is refused, and goes through when it is repeated', async () => {
    const release = await midRun();
    const race = { ended: false };
    const upgrade = release.upgrade('v3').finally(() => {
      race.ended = true;
    });
    // Fine steps, so that no weight comes twice: the one that Helm rendered is never the live one again.
    const total = 100_000;
    let written = 25_000;
    while (!race.ended) await release.writeWeight(++written, total);
    expect((await upgrade).stderr).to.include('conflict with "latchkey-operator"');
    expect(await release.route()).to.deep.include({ weights: [total - written, written] });
    expect(await release.upgrade('v3')).to.include(SERVED);
    expect(await release.route()).to.deep.include({ weights: [total - written, written] });
  });

  it('a rollback brings the old image back and is refused the old weights', async () => {
    const release = await midRun();
    const answer = await release.rollback(1);
    expect(answer.stderr).to.include('conflict with "latchkey-operator"');
    expect(await release.deployment()).to.include({ image: 'latchkey/api:v1' });
    expect(await release.route()).to.deep.include({ weights: IN_THE_MIDDLE });
  });

  it('a rollback between two quiet revisions succeeds and moves no weight', async () => {
    const release = await midRun();
    await release.writeWeight(0);
    expect(await release.upgrade('v3')).to.include(SERVED);
    expect(await release.rollback(2)).to.include(SERVED);
    expect(await release.deployment()).to.include({ image: 'latchkey/api:v2' });
    expect(await release.route()).to.deep.include({ weights: [100, 0] });
  });

  it('switching the rollout on keeps the replicas until the operator takes them over', async () => {
    const release = new Release(server, `charts-${++count}`);
    expect(await release.upgrade('v1', { replicas: 3, rollout: { enabled: false } })).to.include(SERVED);
    expect(await release.upgrade('v1', { replicas: 3 })).to.include(SERVED);
    expect(await release.deployment()).to.include({ replicas: 3 });
    expect(await release.route()).to.deep.include({ weights: [0, 100] });
    await release.scale(0);
    expect(await release.upgrade('v2', { replicas: 3 })).to.include(SERVED);
    expect(await release.deployment()).to.include({ replicas: 0 });
    expect(await release.renderedDeployment()).not.to.have.property('replicas');
  });

  it("the canary Service's selector stays as the operator left it", async () => {
    const release = await midRun();
    await release.selectNothing();
    expect(await release.upgrade('v3')).to.include(SERVED);
    expect(await release.canarySelector()).to.deep.equal({ 'latchkey.dev/zero': 'proven' });
  });

  it('a pause by hand stays', async () => {
    const release = await midRun();
    await release.pauseByHand();
    expect(await release.upgrade('v3')).to.include(SERVED);
    expect(await release.rollout()).to.have.nested.property('spec.paused', true);
  });
});
