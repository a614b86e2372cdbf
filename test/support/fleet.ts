/**
 * Many AuthRollouts in one namespace of the test apiserver, most of them at rest. Deployments are declared ready as soon as they are
 * asked for, each of their pods is a name and a loopback address of one server, and Prometheus answers every query with health. Used by
 * test/integration/operator/fleet.test.ts, which is about what the operator costs and not about what it decides.
 */
import http from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import type { TestApiserver } from './apiserver.ts';

const APPS = '/apis/apps/v1';
const GATEWAY = '/apis/gateway.networking.k8s.io/v1';
const ROLLOUTS = '/apis/latchkey.dev/v1alpha1';

const deployments = z.object({
  items: z.array(
    z.looseObject({
      metadata: z.looseObject({ name: z.string(), generation: z.number() }),
      spec: z.looseObject({
        replicas: z.number(),
        template: z.looseObject({ metadata: z.looseObject({ labels: z.record(z.string(), z.string()) }) }),
      }),
      status: z
        .looseObject({ observedGeneration: z.number().default(0), readyReplicas: z.number().default(0) })
        .prefault({}),
    }),
  ),
});
type Deployment = z.infer<typeof deployments>['items'][number];

const rollouts = z.object({
  items: z.array(
    z.looseObject({
      metadata: z.looseObject({ name: z.string() }),
      status: z.looseObject({ phase: z.string().optional(), weight: z.number().optional() }).prefault({}),
    }),
  ),
});

/** A list of two thousand Deployments costs the apiserver as much as some adoptions do. */
const TICK_MS = 2_000;
const AT_ONCE = 16;

export class Fleet {
  readonly names: readonly string[];
  readonly #server: TestApiserver;
  readonly #namespace: string;
  readonly #pods: http.Server;
  readonly #prometheus: http.Server;
  readonly #stop = new AbortController();
  readonly #alive = new Set<string>();
  /** Names of the rollouts whose canary fails half of its requests. */
  readonly sick = new Set<string>();
  /** Names of the rollouts that have a new version: only their canaries have traffic. */
  readonly #released = new Set<string>();
  #addresses = new Map<string, string>();
  #startedAt = performance.now();
  #sickSince = new Map<string, number>();

  private constructor(server: TestApiserver, namespace: string, size: number) {
    this.#server = server;
    this.#namespace = namespace;
    this.names = Array.from({ length: size }, (_, index) => `api-${index}`);
    this.#pods = http.createServer((request, response) => {
      response.end(this.#exposition(request.socket.localAddress ?? ''));
    });
    this.#prometheus = http.createServer((request, response) => {
      const query = new URL(request.url ?? '/', 'http://prometheus').searchParams.get('query') ?? '';
      response.end(
        JSON.stringify({
          status: 'success',
          data: { resultType: 'vector', result: [{ metric: {}, value: [0, healthyAnswer(query)] }] },
        }),
      );
    });
  }

  static async start(server: TestApiserver, namespace: string, size: number): Promise<Fleet> {
    const fleet = new Fleet(server, namespace, size);
    await listen(fleet.#pods, '0.0.0.0');
    await listen(fleet.#prometheus, '127.0.0.1');
    await server.request('POST', '/api/v1/namespaces', {
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name: namespace },
    });
    void fleet.#playCluster();
    await eachOf(fleet.names, (name) => fleet.#install(name));
    return fleet;
  }

  /** How many rollouts are in each phase. */
  async phases(): Promise<Readonly<Record<string, number>>> {
    const counts: Record<string, number> = {};
    for (const { status } of await this.#rollouts()) {
      const phase = status.phase ?? 'unseen';
      counts[phase] = (counts[phase] ?? 0) + 1;
    }
    return counts;
  }

  async weightOf(name: string): Promise<number | undefined> {
    const found = (await this.#rollouts()).find(({ metadata }) => metadata.name === name);
    return found?.status.weight;
  }

  /** A new version for each of these. */
  async release(names: readonly string[]): Promise<void> {
    await eachOf(names, async (name) => {
      this.#released.add(name);
      const change = [{ op: 'replace', path: '/spec/template/spec/containers/0/image', value: 'latchkey/api:v2' }];
      await this.#server.request(
        'PATCH',
        `${this.#path(APPS, 'deployments')}/${name}`,
        change,
        'application/json-patch+json',
      );
    });
  }

  async close(): Promise<void> {
    this.#stop.abort();
    for (const server of [this.#pods, this.#prometheus]) {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    }
  }

  #path(group: string, resource: string): string {
    return `${group}/namespaces/${this.#namespace}/${resource}`;
  }

  async #rollouts() {
    return rollouts.parse(await this.#server.request('GET', this.#path(ROLLOUTS, 'authrollouts'))).items;
  }

  async #install(name: string): Promise<void> {
    const labels = { app: name, 'latchkey.dev/track': 'canary' };
    const ports = [{ name: 'http', containerPort: portOf(this.#pods) }];
    const template = { metadata: { labels }, spec: { containers: [{ name: 'api', image: 'latchkey/api:v1', ports }] } };
    const backend = (track: string, weight: number): object => ({ name: `${name}-${track}`, port: 80, weight });
    const post = async (path: string, body: object): Promise<unknown> =>
      await this.#server.request('POST', path, { ...body, metadata: { name } });
    await post(this.#path(APPS, 'deployments'), {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      spec: { replicas: 1, selector: { matchLabels: labels }, template },
    });
    for (const track of ['stable', 'canary']) {
      const spec = {
        selector: { app: name, 'latchkey.dev/track': track },
        ports: [{ name: 'http', port: 80, targetPort: 'http' }],
      };
      await this.#server.request('POST', this.#path('/api/v1', 'services'), {
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { name: `${name}-${track}` },
        spec,
      });
    }
    await post(this.#path(GATEWAY, 'httproutes'), {
      apiVersion: 'gateway.networking.k8s.io/v1',
      kind: 'HTTPRoute',
      spec: {
        parentRefs: [{ name: 'gateway' }],
        rules: [{ name: 'api', backendRefs: [backend('stable', 0), backend('canary', 100)] }],
      },
    });
    await post(this.#path(ROLLOUTS, 'authrollouts'), {
      apiVersion: 'latchkey.dev/v1alpha1',
      kind: 'AuthRollout',
      spec: {
        targetRef: { kind: 'Deployment', name },
        route: { httpRoute: name, rule: 'api' },
        // Long steps: what runs, runs for the whole test. At the runbook's fastest rhythm; the sentinel's second does not depend on it.
        schedule: [
          { weight: 50, hold: '4h', checkEvery: '1m' },
          { weight: 100, hold: '4h', checkEvery: '1m' },
        ],
        metrics: { prometheus: { address: `http://127.0.0.1:${portOf(this.#prometheus)}` } },
      },
    });
  }

  /** The Deployment controller and the kubelet, as far as the operator can tell. */
  async #playCluster(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const { items } = deployments.parse(await this.#server.request('GET', this.#path(APPS, 'deployments')));
      await eachOf(items, (deployment) => this.#settle(deployment)).catch((error: unknown) => {
        if (!this.#stop.signal.aborted) console.error(error);
      });
      await delay(TICK_MS, undefined, { signal: this.#stop.signal }).catch(() => undefined);
    }
  }

  async #settle({ metadata: { name, generation }, spec, status }: Deployment): Promise<void> {
    if (status.observedGeneration === generation && status.readyReplicas === spec.replicas) return;
    const pod = `${name}-${generation}-pod`;
    if (spec.replicas > 0 && !this.#alive.has(name)) await this.#startPod(name, pod, spec.template.metadata.labels);
    const { replicas } = spec;
    const ready = {
      observedGeneration: generation,
      replicas,
      updatedReplicas: replicas,
      readyReplicas: replicas,
      availableReplicas: replicas,
    };
    await this.#server.request(
      'PATCH',
      `${this.#path(APPS, 'deployments')}/${name}/status`,
      { status: ready },
      'application/merge-patch+json',
    );
  }

  async #startPod(deployment: string, name: string, labels: Readonly<Record<string, string>>): Promise<void> {
    this.#alive.add(deployment);
    const index = this.#addresses.size + 1;
    const address = `127.77.${Math.floor(index / 250)}.${(index % 250) + 1}`;
    this.#addresses.set(address, deployment);
    const ports = [{ name: 'http', containerPort: portOf(this.#pods) }];
    const pods = this.#path('/api/v1', 'pods');
    await this.#server.request('POST', pods, {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, labels },
      spec: { containers: [{ name: 'api', image: 'latchkey/api', ports }] },
    });
    await this.#server.request(
      'PATCH',
      `${pods}/${name}/status`,
      { status: { phase: 'Running', podIP: address } },
      'application/merge-patch+json',
    );
  }

  /**
   * Forty requests a second since the beginning, but none at a canary that has no new version: its weight is 0. Half of them fail on a sick
   * canary from the moment that it fell sick.
   */
  #exposition(address: string): string {
    const deployment = this.#addresses.get(address.replace('::ffff:', '')) ?? '';
    const now = performance.now();
    const isServed = deployment.endsWith('-stable') || this.#released.has(deployment);
    const requests = isServed ? Math.floor((now - this.#startedAt) / 25) : 0;
    if (this.sick.has(deployment) && !this.#sickSince.has(deployment)) this.#sickSince.set(deployment, now);
    const errors = Math.floor((now - (this.#sickSince.get(deployment) ?? now)) / 50);
    return [
      `http_requests_total{status="200"} ${requests - errors}`,
      `http_requests_total{status="500"} ${errors}`,
      ...['0.2', '0.3', '0.5'].map((bound) => `http_request_duration_seconds_bucket{le="${bound}"} ${requests}`),
      `auth_login_attempts_total ${Math.floor(requests / 10)}`,
      'auth_login_failures_total 0',
      '',
    ].join('\n');
  }
}

/** A thousand requests in the window, nothing wrong with any of them. */
function healthyAnswer(query: string): string {
  if (query.includes('status=~') || query.includes('_bucket') || query.includes('failures') || query.includes('errors'))
    return '0';
  return query.includes('complaints') || query.includes('data_loss') ? '0' : '1000';
}

async function eachOf<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const queue = [...items];
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(item);
    }),
  );
}

async function listen(server: http.Server, address: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, address, resolve);
  });
}

function portOf(server: http.Server): number {
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}
