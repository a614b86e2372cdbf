/**
 * Plays the Deployment controller, the kubelet, the gateway and the users in one namespace of the test apiserver: Deployments get
 * ReplicaSets, pods with loopback addresses and a status; the route's weights decide which pod counts a request; each pod serves its
 * counters over HTTP. What the operator reads and writes is real; only who carries it out is played. Used by scene.ts.
 */
import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import type { TestApiserver } from './apiserver.ts';
import { PodServer } from './pod-server.ts';

const labels = z.record(z.string(), z.string());
const deploymentList = z.object({
  items: z.array(
    z.looseObject({
      metadata: z.looseObject({ name: z.string(), uid: z.string(), generation: z.number() }),
      spec: z.looseObject({
        replicas: z.number(),
        template: z.looseObject({
          metadata: z.looseObject({ labels }),
          spec: z.looseObject({ containers: z.array(z.looseObject({ image: z.string() })) }),
        }),
      }),
      status: z.looseObject({}).default({}),
    }),
  ),
});
type Deployment = z.infer<typeof deploymentList>['items'][number];
const selectorShape = z.object({ spec: z.looseObject({ selector: labels.default({}) }) });
const routeShape = z.object({
  spec: z.object({
    rules: z.array(
      z.looseObject({
        name: z.string().optional(),
        backendRefs: z.array(z.looseObject({ name: z.string(), weight: z.number().default(1) })),
      }),
    ),
  }),
});

/** What a version of the API does to the requests it gets. Shares are 0–1. */
export interface Behaviour {
  readonly errorShare?: number;
  readonly slowShare?: number;
  readonly loginFailureShare?: number;
  /** Does not answer scrapes. */
  readonly silent?: boolean;
  readonly unready?: boolean;
  /** Whether each request is a throw of dice by the shares; otherwise they are spread evenly, so that a test's figures are exact. */
  readonly isRandom?: boolean;
}

const TICK_MS = 50;

/** What a registry would say of an image, were there one. */
export const digestOf = (image: string): string =>
  `latchkey/api@sha256:${createHash('sha256').update(image).digest('hex')}`;

export class Workloads {
  readonly server: TestApiserver;
  readonly namespace: string;
  readonly pods = new Map<string, PodServer>();
  /** By image tag. */
  readonly behaviours = new Map<string, Behaviour>();
  readonly unready = new Set<string>();
  requestsPerSecond = 200;
  /** A gateway that goes on sending a share to the canary whatever the route says. */
  stuckCanaryShare: number | undefined;
  lastCanaryAnswerAt = 0;
  firstFaultAt: number | undefined;
  highestCanaryWeight = 0;
  weights: number[] = [];
  /** Called for a new pod before it is ready. */
  onPod: (pod: PodServer) => Promise<void> = async () => {};
  readonly #stop = new AbortController();
  readonly #loops: Promise<unknown>[] = [];
  readonly #statuses = new Map<string, string>();
  #owed = { canary: 0, stable: 0 };
  #lastTrafficAt = performance.now();

  constructor(server: TestApiserver, namespace: string) {
    this.server = server;
    this.namespace = namespace;
  }

  start(): void {
    this.#loops.push(
      this.#every(() => this.#reconcileAll()),
      this.#every(() => this.#sendTraffic()),
    );
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#loops);
    await Promise.all([...this.pods.values()].map((pod) => pod.close()));
  }

  podsOf(deployment: string): readonly PodServer[] {
    return [...this.pods.values()].filter((pod) => pod.deployment === deployment);
  }

  /** Milliseconds from the first faulty answer to the last answer of a canary pod; out of every bound where none was faulty. */
  get exposureMs(): number {
    return this.lastCanaryAnswerAt - (this.firstFaultAt ?? 0);
  }

  async #every(work: () => Promise<void>): Promise<void> {
    while (!this.#stop.signal.aborted) {
      await work().catch((error: unknown) => {
        // Two actors on one object: the next tick sees it as it is. Anything else is the test's bug and shows in its output.
        const text = error instanceof Error ? error.message : String(error);
        if (!/ (404|409|422) /.test(text)) console.error(text);
      });
      await delay(TICK_MS, undefined, { signal: this.#stop.signal }).catch(() => undefined);
    }
  }

  async #reconcileAll(): Promise<void> {
    const { items } = deploymentList.parse(await this.#get('/apis/apps/v1', 'deployments'));
    const names = new Set(items.map(({ metadata }) => metadata.name));
    for (const pod of this.pods.values()) if (!names.has(pod.deployment)) await this.#removePod(pod);
    await Promise.all(items.map((deployment) => this.#reconcile(deployment)));
  }

  async #reconcile(deployment: Deployment): Promise<void> {
    const { name } = deployment.metadata;
    const { replicas, template } = deployment.spec;
    const hash = createHash('sha256').update(JSON.stringify(template)).digest('hex').slice(0, 8);
    const version = template.spec.containers[0]?.image.split(':')[1] ?? '';
    await this.#ensureReplicaSet(deployment, hash);
    const current = this.podsOf(name).filter((pod) => pod.hash === hash);
    for (let missing = replicas - current.length; missing > 0; missing--) await this.#addPod(deployment, hash, version);
    for (const surplus of current.slice(replicas)) await this.#removePod(surplus);
    const ready = this.podsOf(name).filter((pod) => pod.hash === hash && this.isReady(pod));
    // maxUnavailable 0: the old ones go when the new ones are ready.
    if (ready.length >= replicas)
      for (const old of this.podsOf(name).filter((pod) => pod.hash !== hash)) await this.#removePod(old);
    await this.#writeStatus(deployment, hash, replicas);
  }

  isReady(pod: PodServer): boolean {
    const behaviour = this.behaviours.get(pod.version);
    return pod.isUp && !this.unready.has(pod.deployment) && behaviour?.unready !== true;
  }

  async #writeStatus({ metadata, status }: Deployment, hash: string, wanted: number): Promise<void> {
    const pods = this.podsOf(metadata.name);
    const ready = pods.filter((pod) => this.isReady(pod)).length;
    const next = {
      observedGeneration: metadata.generation,
      replicas: pods.length,
      updatedReplicas: pods.filter((pod) => pod.hash === hash).length,
      readyReplicas: ready,
      availableReplicas: ready,
      unavailableReplicas: Math.max(0, wanted - ready),
    };
    const text = JSON.stringify(next);
    if (this.#statuses.get(metadata.name) === text && Object.keys(status).length > 0) return;
    this.#statuses.set(metadata.name, text);
    const path = `/apis/apps/v1/namespaces/${this.namespace}/deployments/${metadata.name}/status`;
    await this.server.request('PATCH', path, { status: next }, 'application/merge-patch+json');
  }

  async #ensureReplicaSet({ metadata, spec }: Deployment, hash: string): Promise<void> {
    const name = `${metadata.name}-${hash}`;
    if (this.#statuses.has(`rs/${name}`)) return;
    this.#statuses.set(`rs/${name}`, 'made');
    const podLabels = { ...spec.template.metadata.labels, 'pod-template-hash': hash };
    const owner = {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      name: metadata.name,
      uid: metadata.uid,
      controller: true,
    };
    const template = { ...spec.template, metadata: { ...spec.template.metadata, labels: podLabels } };
    const body = {
      apiVersion: 'apps/v1',
      kind: 'ReplicaSet',
      metadata: { name, labels: podLabels, ownerReferences: [owner] },
      spec: { replicas: 0, selector: { matchLabels: podLabels }, template },
    };
    await this.server.request('POST', `/apis/apps/v1/namespaces/${this.namespace}/replicasets`, body);
  }

  async #addPod(deployment: Deployment, hash: string, version: string): Promise<void> {
    const { template } = deployment.spec;
    const pod = await PodServer.start(
      deployment.metadata.name,
      hash,
      version,
      () => this.behaviours.get(version) ?? {},
    );
    this.pods.set(pod.name, pod);
    await this.onPod(pod);
    pod.labels = { ...template.metadata.labels, 'pod-template-hash': hash };
    const body = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: pod.name, labels: pod.labels },
      spec: template.spec,
    };
    const path = `/api/v1/namespaces/${this.namespace}/pods`;
    await this.server.request('POST', path, body);
    const containerStatuses = template.spec.containers.map(({ image }) => ({
      name: 'api',
      image,
      imageID: digestOf(image),
      ready: true,
      restartCount: 0,
    }));
    const status = { phase: 'Running', podIP: pod.address, podIPs: [{ ip: pod.address }], containerStatuses };
    await this.server.request('PATCH', `${path}/${pod.name}/status`, { status }, 'application/merge-patch+json');
    pod.isUp = true;
  }

  async #removePod(pod: PodServer): Promise<void> {
    this.pods.delete(pod.name);
    await pod.close();
    await this.server.request('DELETE', `/api/v1/namespaces/${this.namespace}/pods/${pod.name}?gracePeriodSeconds=0`);
  }

  async #sendTraffic(): Promise<void> {
    const now = performance.now();
    const elapsedMs = now - this.#lastTrafficAt;
    this.#lastTrafficAt = now;
    const { spec } = routeShape.parse(await this.#get('/apis/gateway.networking.k8s.io/v1', 'httproutes', 'auth-api'));
    const refs = spec.rules.find(({ name }) => name === 'api')?.backendRefs ?? [];
    const weightOf = (name: string): number => refs.find((ref) => ref.name === name)?.weight ?? 0;
    const canary = weightOf('auth-api-canary');
    const total = canary + weightOf('auth-api-stable');
    if (this.weights.at(-1) !== canary) this.weights.push(canary);
    const share = this.stuckCanaryShare ?? (total === 0 ? 0 : canary / total);
    const requests = (this.requestsPerSecond * elapsedMs) / 1000;
    this.#owed.canary += requests * share;
    this.#owed.stable += requests * (1 - share);
    await this.#serve('canary');
    await this.#serve('stable');
  }

  async #serve(track: 'canary' | 'stable'): Promise<void> {
    const count = Math.floor(this.#owed[track]);
    this.#owed[track] -= count;
    if (count === 0) return;
    const { spec } = selectorShape.parse(await this.#get('/api/v1', 'services', `auth-api-${track}`));
    const matches = (pod: PodServer): boolean =>
      Object.entries(spec.selector).every(([key, value]) => pod.labels[key] === value);
    const pods = [...this.pods.values()].filter((pod) => matches(pod) && this.isReady(pod));
    for (let index = 0; index < count; index++) {
      const pod = pods[index % pods.length];
      if (pod === undefined) return;
      const { isFault } = pod.serve();
      if (pod.deployment !== 'auth-api') continue;
      this.lastCanaryAnswerAt = performance.now();
      if (isFault) this.firstFaultAt ??= performance.now();
    }
  }

  #get(api: string, plural: string, name?: string): Promise<unknown> {
    return this.server.request(
      'GET',
      `${api}/namespaces/${this.namespace}/${plural}${name === undefined ? '' : `/${name}`}`,
    );
  }
}
