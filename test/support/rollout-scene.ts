/**
 * A namespace of the test apiserver with everything that the chart would have installed: the target Deployment, both Services, the
 * HTTPRoute at canary 100 and the AuthRollout, with the played cluster around it. Used by test/integration/operator.
 */
import { z } from 'zod';
import { type TestApiserver, testApiserver } from './apiserver.ts';
import { type ApprovalFields, approvalManifest, approvalsIn, guardApprovals } from './approvals.ts';
import { serveDefinitions } from './definitions.ts';
import { eventually } from './eventually.ts';
import { type OperatorOptions, OperatorProcess } from './operator.ts';
import { PrometheusSource } from './prometheus-source.ts';
import { httpRoute, service, target } from './rollout-manifests.ts';
import { Workloads } from './workloads.ts';

const GATEWAY = '/apis/gateway.networking.k8s.io/v1';
const ROLLOUTS = '/apis/latchkey.dev/v1alpha1';

const rolloutShape = z.looseObject({
  metadata: z.looseObject({
    uid: z.string(),
    resourceVersion: z.string(),
    generation: z.number(),
    finalizers: z.array(z.string()).default([]),
  }),
  status: z
    .looseObject({
      phase: z.string().optional(),
      revision: z.string().optional(),
      stableRevision: z.string().optional(),
      stepIndex: z.number().optional(),
      weight: z.number().optional(),
      lastDecision: z.looseObject({ decision: z.string(), reason: z.string(), message: z.string() }).optional(),
      history: z.array(z.looseObject({ decision: z.string(), reason: z.string(), message: z.string() })).default([]),
      conditions: z
        .array(z.looseObject({ type: z.string(), status: z.string(), reason: z.string(), message: z.string() }))
        .default([]),
    })
    .default({ conditions: [], history: [] }),
});
export type Rollout = z.infer<typeof rolloutShape>;

const routeShape = z.looseObject({
  metadata: z.looseObject({ resourceVersion: z.string(), annotations: z.record(z.string(), z.string()).default({}) }),
  spec: z.looseObject({
    rules: z.array(
      z.looseObject({
        name: z.string().optional(),
        backendRefs: z.array(z.looseObject({ name: z.string(), weight: z.number().default(1) })),
      }),
    ),
  }),
});

const deploymentShape = z.looseObject({
  metadata: z.looseObject({ generation: z.number(), uid: z.string() }),
  spec: z.looseObject({
    replicas: z.number(),
    template: z.looseObject({ spec: z.looseObject({ containers: z.array(z.looseObject({ image: z.string() })) }) }),
  }),
});

export interface SceneOptions {
  readonly schedule?: readonly { weight: number; hold: string; checkEvery: string }[];
  readonly spec?: object;
  readonly replicas?: number;
}

/** The runbook's five weights in seconds instead of minutes. */
export const SECONDS = [5, 10, 25, 50, 100].map((weight) => ({ weight, hold: '2s', checkEvery: '1s' }));

let prepared: Promise<TestApiserver> | undefined;
let scenes = 0;
const open = new Set<Scene>();

afterEach(async function closeScenes() {
  this.timeout(15_000);
  for (const scene of open) {
    if (this.currentTest?.state === 'failed')
      console.error(JSON.stringify((await scene.rollout().catch(() => undefined))?.status, null, 1));
    await scene.close();
  }
  open.clear();
});

export class Scene {
  readonly server: TestApiserver;
  readonly namespace: string;
  readonly workloads: Workloads;
  readonly prometheus: PrometheusSource;

  private constructor(server: TestApiserver, namespace: string, workloads: Workloads, prometheus: PrometheusSource) {
    this.server = server;
    this.namespace = namespace;
    this.workloads = workloads;
    this.prometheus = prometheus;
    open.add(this);
  }

  static async create(options: SceneOptions = {}): Promise<Scene> {
    const server = await preparedApiserver();
    const namespace = `scene-${++scenes}`;
    await server.request('POST', '/api/v1/namespaces', {
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name: namespace },
    });
    const workloads = new Workloads(server, namespace);
    const prometheus = await PrometheusSource.start(workloads);
    const scene = new Scene(server, namespace, workloads, prometheus);
    await scene.#install(options);
    workloads.start();
    return scene;
  }

  async #install({ schedule = SECONDS, spec = {}, replicas = 2 }: SceneOptions): Promise<void> {
    for (const track of ['stable', 'canary'])
      await this.server.request('POST', `/api/v1/namespaces/${this.namespace}/services`, service(track));
    await this.server.request('POST', `/apis/apps/v1/namespaces/${this.namespace}/deployments`, target('v1', replicas));
    await this.server.request('POST', `${GATEWAY}/namespaces/${this.namespace}/httproutes`, httpRoute());
    const rollout = {
      apiVersion: 'latchkey.dev/v1alpha1',
      kind: 'AuthRollout',
      metadata: { name: 'auth-api' },
      spec: {
        targetRef: { kind: 'Deployment', name: 'auth-api' },
        route: { httpRoute: 'auth-api', rule: 'api' },
        schedule,
        metrics: { prometheus: { address: this.prometheus.address } },
        ...spec,
      },
    };
    await this.server.request('POST', `${ROLLOUTS}/namespaces/${this.namespace}/authrollouts`, rollout);
  }

  operator(options: Partial<OperatorOptions> = {}): OperatorProcess {
    return new OperatorProcess({ kubeconfig: this.server.kubeconfig(), namespace: this.namespace, ...options });
  }

  async rollout(): Promise<Rollout> {
    return rolloutShape.parse(
      await this.server.request('GET', `${ROLLOUTS}/namespaces/${this.namespace}/authrollouts/auth-api`),
    );
  }

  async patchRollout(patch: object): Promise<void> {
    await this.server.request(
      'PATCH',
      `${ROLLOUTS}/namespaces/${this.namespace}/authrollouts/auth-api`,
      patch,
      'application/merge-patch+json',
    );
  }

  /** The administrator's approval of the revision that runs, as on-call for the first step unless told otherwise. */
  async approve(fields: Partial<ApprovalFields> = {}): Promise<void> {
    const { revision } = (await this.rollout()).status;
    const manifest = approvalManifest({ by: 'test-admin', revision, ...fields });
    await this.server.request('POST', approvalsIn(this.namespace), manifest);
  }

  async deleteRollout(): Promise<void> {
    await this.server.request('DELETE', `${ROLLOUTS}/namespaces/${this.namespace}/authrollouts/auth-api`);
  }

  async route(): Promise<z.infer<typeof routeShape>> {
    return routeShape.parse(
      await this.server.request('GET', `${GATEWAY}/namespaces/${this.namespace}/httproutes/auth-api`),
    );
  }

  /** As `kubectl patch` by the named manager would. */
  async patchRoute(operations: readonly object[], manager = 'kubectl-edit'): Promise<void> {
    const path = `${GATEWAY}/namespaces/${this.namespace}/httproutes/auth-api?fieldManager=${manager}`;
    await this.server.request('PATCH', path, operations, 'application/json-patch+json');
  }

  async setWeights(canary: number, manager?: string): Promise<void> {
    const at = (index: number, value: number): object => ({
      op: 'replace',
      path: `/spec/rules/1/backendRefs/${index}/weight`,
      value,
    });
    await this.patchRoute([at(0, 100 - canary), at(1, canary)], manager);
  }

  async weight(): Promise<number> {
    const refs = (await this.route()).spec.rules.find(({ name }) => name === 'api')?.backendRefs ?? [];
    return refs.find(({ name }) => name === 'auth-api-canary')?.weight ?? 0;
  }

  /** The canary's weights so far, in order: all of them, because the played gateway looks some milliseconds after the operator wrote. */
  async weights(): Promise<readonly number[]> {
    const { weights } = this.workloads;
    await eventually('the gateway has seen the weight', 5_000, async () => weights.at(-1) === (await this.weight()));
    return [...weights];
  }

  async deployment(name: string): Promise<z.infer<typeof deploymentShape>> {
    return deploymentShape.parse(
      await this.server.request('GET', `/apis/apps/v1/namespaces/${this.namespace}/deployments/${name}`),
    );
  }

  /** What `kubectl set image` does. */
  async release(version: string): Promise<void> {
    const path = `/apis/apps/v1/namespaces/${this.namespace}/deployments/auth-api`;
    const operation = {
      op: 'replace',
      path: '/spec/template/spec/containers/0/image',
      value: `latchkey/api:${version}`,
    };
    await this.server.request('PATCH', path, [operation], 'application/json-patch+json');
  }

  async until(
    what: string,
    withinMs: number,
    look: (rollout: Rollout) => boolean | Promise<boolean>,
  ): Promise<Rollout> {
    return await eventually(what, withinMs, async () => {
      const rollout = await this.rollout();
      return (await look(rollout)) && rollout;
    });
  }

  async holdsAt(weight: number): Promise<Rollout> {
    return await this.until(`it holds at ${weight}`, 40_000, ({ status }) => status.weight === weight);
  }

  /** The state that every test starts from: v1 adopted, all traffic on stable. */
  async adopted(): Promise<Rollout> {
    return await this.until(
      'v1 is adopted',
      30_000,
      ({ status }) => status.phase === 'Succeeded' && status.weight === 0,
    );
  }

  /** What the wait for a dead holder's lease comes to, without the wait. */
  async expireLease(): Promise<void> {
    const path = `/apis/coordination.k8s.io/v1/namespaces/${this.namespace}/leases/latchkey-operator`;
    await this.server.request('PATCH', path, { spec: { holderIdentity: '' } }, 'application/merge-patch+json');
  }

  async untilGone(path: string, name: string): Promise<void> {
    await eventually(`${name} is gone`, 15_000, async () => {
      const list = z.object({ items: z.array(z.object({ metadata: z.object({ name: z.string() }) })) });
      return list.parse(await this.server.request('GET', path)).items.every(({ metadata }) => metadata.name !== name);
    });
  }

  /** Leaves no AuthRollout behind that an operator of another test could find. */
  async close(): Promise<void> {
    const path = `${ROLLOUTS}/namespaces/${this.namespace}/authrollouts/auth-api`;
    const isThere = await this.deleteRollout().then(
      () => true,
      () => false,
    );
    if (isThere)
      await this.server
        .request('PATCH', path, { metadata: { finalizers: [] } }, 'application/merge-patch+json')
        .catch(() => undefined);
    await this.workloads.stop();
    await this.prometheus.close();
  }
}

export function condition(
  rollout: Rollout,
  type: string,
): { status: string; reason: string; message: string } | undefined {
  return rollout.status.conditions.find((entry) => entry.type === type);
}

/** The test apiserver with the definitions that the operator needs. */
export async function preparedApiserver(): Promise<TestApiserver> {
  prepared ??= prepare();
  return await prepared;
}

async function prepare(): Promise<TestApiserver> {
  const server = await testApiserver();
  await serveDefinitions(server);
  for (const path of [
    `${ROLLOUTS}/authrollouts`,
    `${ROLLOUTS}/rolloutapprovals`,
    `${ROLLOUTS}/rolloutcomplaints`,
    `${GATEWAY}/httproutes`,
  ]) {
    await eventually(`${path} is served`, 15_000, async () => {
      return await server.request('GET', path).then(
        () => true,
        () => false,
      );
    });
  }
  await guardApprovals(server);
  return server;
}
