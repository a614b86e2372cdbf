/**
 * The five watches and whom they ring for. Run by controller.ts; `ring` puts a key into workqueue.ts.
 * A change of a route or a Deployment rings for each AuthRollout that names it, a RolloutApproval or a RolloutComplaint for the one that it names.
 */
import { z } from 'zod';
import type { Kubernetes } from './clients/kubernetes.ts';
import { Reflector } from './clients/reflector.ts';
import { complaintsAbout, type Reported, readComplaint } from './complaints.ts';
import type { Complaint } from './core/complaints.ts';
import { percentageOf } from './core/percentage.ts';
import { stableNameOf } from './core/revision.ts';
import { statusSchema } from './core/status.ts';

export interface DoorbellOptions {
  readonly kubernetes: Kubernetes;
  /** Empty: all. */
  readonly namespace: string;
  readonly ring: (key: string) => void;
  readonly gone: (key: string) => void;
  readonly onError: (error: unknown) => void;
}

/** What must be known of an AuthRollout: whom its neighbours ring for, what of it is the user's doing, and how far it is. */
const projection = z.object({
  metadata: z.object({ generation: z.number().default(0), deletionTimestamp: z.string().optional() }),
  spec: z
    .object({
      targetRef: z.object({ name: z.string() }).catch({ name: '' }),
      route: z.object({ httpRoute: z.string() }).catch({ httpRoute: '' }),
    })
    .catch({ targetRef: { name: '' }, route: { httpRoute: '' } }),
  status: statusSchema.pick({ phase: true, weight: true }).strip().catch({}).default({}),
});
type Projection = z.infer<typeof projection>;

/** An approval that names nothing rings for nobody. */
const namedRollout = z
  .object({ spec: z.object({ rolloutName: z.string() }) })
  .transform(({ spec }) => spec.rolloutName)
  .catch('');

/** The loops answer within minutes even on a dead connection; one that has not moved for so long never will. */
const STUCK_MS = 300_000;

export class Doorbells {
  readonly #options: DoorbellOptions;
  readonly #rollouts: Reflector<Projection>;
  readonly #routes: Reflector<true>;
  readonly #deployments: Reflector<true>;
  readonly #approvals: Reflector<string>;
  readonly #complaints: Reflector<Reported | undefined>;

  constructor(options: DoorbellOptions) {
    this.#options = options;
    const { kubernetes, namespace, onError } = options;
    const shared = { kubernetes, namespace, onError, metadataOnly: false };
    const neighbour = { ...shared, metadataOnly: true, project: () => true as const };
    this.#rollouts = new Reflector({
      ...shared,
      list: 'listRollouts',
      watch: 'watchRollouts',
      project: (object) => projection.parse(object),
      onChange: (key, seen, before) => this.#rolloutChanged(key, seen, before),
    });
    this.#routes = new Reflector({
      ...neighbour,
      list: 'listRoutes',
      watch: 'watchRoutes',
      onChange: (key) => this.#ringFor(key, ({ spec }) => [spec.route.httpRoute]),
    });
    this.#deployments = new Reflector({
      ...neighbour,
      list: 'listDeployments',
      watch: 'watchDeployments',
      onChange: (key) => this.#ringFor(key, ({ spec }) => [spec.targetRef.name, stableNameOf(spec.targetRef.name)]),
    });
    this.#approvals = new Reflector({
      ...shared,
      list: 'listApprovals',
      watch: 'watchApprovals',
      project: (object) => namedRollout.parse(object),
      onChange: (key, seen) => this.#ringNamed(key, seen),
    });
    this.#complaints = new Reflector({
      ...shared,
      list: 'listComplaints',
      watch: 'watchComplaints',
      project: readComplaint,
      onChange: (key, seen) => this.#ringNamed(key, seen?.rolloutName),
    });
  }

  async run(signal: AbortSignal): Promise<void> {
    await Promise.all(this.#all().map(([, reflector]) => reflector.run(signal)));
  }

  ringAll(): void {
    for (const [key] of this.#rollouts.entries()) this.#options.ring(key);
  }

  knows(key: string): boolean {
    return this.#rollouts.has(key);
  }

  /** Percent of the users that this rollout has reached, as far as the watch has heard; undefined where there is none. */
  percentageOf(key: string): number | undefined {
    const seen = this.#rollouts.get(key);
    return seen === undefined ? undefined : percentageOf(seen.status);
  }

  /** What people reported about this rollout. */
  complaints(key: string): readonly Complaint[] {
    return complaintsAbout(key, this.#complaints.entries());
  }

  /** Reasons why a watch is not yet usable. */
  unsynced(): readonly string[] {
    return this.#all().flatMap(([resource, reflector]) =>
      reflector.synced ? [] : [`the watch of ${resource} is not synced`],
    );
  }

  /** Reasons why only a restart would help. */
  stuck(): readonly string[] {
    return this.#all().flatMap(([resource, reflector]) =>
      reflector.stillMs() > STUCK_MS ? [`the watch of ${resource} stands still`] : [],
    );
  }

  /** Seconds since each watch heard anything, for the metric. */
  ages(): readonly (readonly [resource: string, seconds: number])[] {
    return this.#all().map(([resource, reflector]) => [resource, reflector.ageMs() / 1000] as const);
  }

  #all(): readonly (readonly [
    resource: string,
    reflector: Reflector<Projection> | Reflector<true> | Reflector<string> | Reflector<Reported | undefined>,
  ])[] {
    return [
      ['authrollouts', this.#rollouts],
      ['httproutes', this.#routes],
      ['deployments', this.#deployments],
      ['rolloutapprovals', this.#approvals],
      ['rolloutcomplaints', this.#complaints],
    ];
  }

  #rolloutChanged(key: string, seen: Projection | undefined, before: Projection | undefined): void {
    if (seen === undefined) this.#options.gone(key);
    // Our own status writes ring here too and would answer themselves for ever; they leave generation and deletion alone.
    const isEcho =
      seen !== undefined &&
      seen.metadata.generation === before?.metadata.generation &&
      seen.metadata.deletionTimestamp === before.metadata.deletionTimestamp;
    if (!isEcho) this.#options.ring(key);
  }

  #ringNamed(changed: string, rolloutName: string | undefined): void {
    if (rolloutName === undefined) return;
    const [namespace = ''] = changed.split('/');
    const key = `${namespace}/${rolloutName}`;
    if (this.#rollouts.has(key)) this.#options.ring(key);
  }

  #ringFor(changed: string, namesOf: (rollout: Projection) => readonly string[]): void {
    const [namespace = '', name = ''] = changed.split('/');
    for (const [key, rollout] of this.#rollouts.entries()) {
      if (key.startsWith(`${namespace}/`) && namesOf(rollout).includes(name)) this.#options.ring(key);
    }
  }
}
