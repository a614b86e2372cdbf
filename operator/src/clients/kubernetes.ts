/**
 * Every call that the operator makes to the apiserver, as one table; nothing else in the operator can reach it.
 * Used by observe.ts (reads), act.ts (writes), reflector.ts (lists and watches), lease.ts, events.ts and decision-log.ts.
 *
 * The ClusterRole in charts/latchkey-operator must equal `rolePermissions`; test/contract/operator/role.test.ts compares them and
 * test/integration/operator/role.test.ts runs the operator under the rendered role on a real apiserver.
 */
import type { IncomingMessage } from 'node:http';
import type { Transport } from './transport.ts';

type Verb = 'get' | 'list' | 'watch' | 'create' | 'update' | 'patch';

interface Call {
  readonly apiGroup: string;
  readonly version: string;
  /** Plural, with the subresource after a slash as RBAC spells it. */
  readonly resource: string;
  readonly verb: Verb;
  /** `watched`: in every namespace that is watched; `own`: only in the operator's namespace. */
  readonly scope: 'watched' | 'own';
}

const rollouts = { apiGroup: 'latchkey.dev', version: 'v1alpha1', scope: 'watched' } as const;
const gateway = { apiGroup: 'gateway.networking.k8s.io', version: 'v1', scope: 'watched' } as const;
const apps = { apiGroup: 'apps', version: 'v1', scope: 'watched' } as const;
const core = { apiGroup: '', version: 'v1', scope: 'watched' } as const;
const leases = { apiGroup: 'coordination.k8s.io', version: 'v1', resource: 'leases', scope: 'own' } as const;

export const CALLS = {
  getRollout: { ...rollouts, resource: 'authrollouts', verb: 'get' },
  listRollouts: { ...rollouts, resource: 'authrollouts', verb: 'list' },
  watchRollouts: { ...rollouts, resource: 'authrollouts', verb: 'watch' },
  /** Only metadata.finalizers; spec belongs to the user. */
  patchRollout: { ...rollouts, resource: 'authrollouts', verb: 'patch' },
  patchRolloutStatus: { ...rollouts, resource: 'authrollouts/status', verb: 'patch' },
  listApprovals: { ...rollouts, resource: 'rolloutapprovals', verb: 'list' },
  watchApprovals: { ...rollouts, resource: 'rolloutapprovals', verb: 'watch' },
  /** Only ever as a dry run: would a forged approval be refused? */
  dryRunApproval: { ...rollouts, resource: 'rolloutapprovals', verb: 'create' },
  listComplaints: { ...rollouts, resource: 'rolloutcomplaints', verb: 'list' },
  watchComplaints: { ...rollouts, resource: 'rolloutcomplaints', verb: 'watch' },
  getRoute: { ...gateway, resource: 'httproutes', verb: 'get' },
  listRoutes: { ...gateway, resource: 'httproutes', verb: 'list' },
  watchRoutes: { ...gateway, resource: 'httproutes', verb: 'watch' },
  /** Two weights and two annotations. */
  patchRoute: { ...gateway, resource: 'httproutes', verb: 'patch' },
  getDeployment: { ...apps, resource: 'deployments', verb: 'get' },
  listDeployments: { ...apps, resource: 'deployments', verb: 'list' },
  watchDeployments: { ...apps, resource: 'deployments', verb: 'watch' },
  /** Only `<target>-stable`, which we own. */
  createDeployment: { ...apps, resource: 'deployments', verb: 'create' },
  patchDeployment: { ...apps, resource: 'deployments', verb: 'patch' },
  /** The target's replicas: the only thing about it that we ever write. */
  patchScale: { ...apps, resource: 'deployments/scale', verb: 'patch' },
  /** Where the previous revision's template is found when a promotion must be taken back. */
  listReplicaSets: { ...apps, resource: 'replicasets', verb: 'list' },
  /** A Job that a checkpoint names, and no other: neither listed nor watched. */
  getJob: { apiGroup: 'batch', version: 'v1', scope: 'watched', resource: 'jobs', verb: 'get' },
  listPods: { ...core, resource: 'pods', verb: 'list' },
  watchPods: { ...core, resource: 'pods', verb: 'watch' },
  getService: { ...core, resource: 'services', verb: 'get' },
  createService: { ...core, resource: 'services', verb: 'create' },
  /** The selector of `<target>-canary`, when weight 0 was written and traffic still arrives. */
  patchService: { ...core, resource: 'services', verb: 'patch' },
  /** The newest decision records of a rollout; nothing of it is ever read to decide. */
  getDecisionLog: { ...rollouts, resource: 'decisionlogs', verb: 'get' },
  createDecisionLog: { ...rollouts, resource: 'decisionlogs', verb: 'create' },
  patchDecisionLog: { ...rollouts, resource: 'decisionlogs', verb: 'patch' },
  getLease: { ...leases, verb: 'get' },
  createLease: { ...leases, verb: 'create' },
  updateLease: { ...leases, verb: 'update' },
  createEvent: { apiGroup: 'events.k8s.io', version: 'v1', resource: 'events', verb: 'create', scope: 'watched' },
} as const satisfies Record<string, Call>;

export type CallName = keyof typeof CALLS;

export interface Permission {
  readonly apiGroup: string;
  readonly resource: string;
  readonly verb: Verb;
  readonly scope: 'watched' | 'own';
}

/** What the role must hold: no more, no less. */
export const rolePermissions: readonly Permission[] = Object.values(CALLS).map(
  ({ apiGroup, resource, verb, scope }) => ({
    apiGroup,
    resource,
    verb,
    scope,
  }),
);

export interface CallInput {
  /** Empty: all namespaces (list and watch only). */
  readonly namespace: string;
  readonly name?: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  readonly patch?: 'json' | 'merge';
  /** Ask for metadata only: the body of a Deployment is of no use to a doorbell. */
  readonly metadataOnly?: boolean;
  readonly deadlineMs?: number;
  readonly signal?: AbortSignal | undefined;
}

/** A healthy apiserver answers in tens of ms; SLO lore for mutating calls is 1 s at p99. Five seconds is "not healthy". */
const DEADLINE_MS = 5_000;
/** Marks our entries in managedFields, so that a drift report can tell our writes from others'. */
export const FIELD_MANAGER = 'latchkey-operator';
const METHODS = { get: 'GET', list: 'GET', watch: 'GET', create: 'POST', update: 'PUT', patch: 'PATCH' } as const;
const PATCH_TYPES = { json: 'application/json-patch+json', merge: 'application/merge-patch+json' } as const;

export class Kubernetes {
  readonly #transport: Transport;
  readonly #onCall: (name: CallName) => void;

  /** @param onCall hears of each request before it is sent: the operator counts what it costs the apiserver */
  constructor(transport: Transport, onCall: (name: CallName) => void = () => undefined) {
    this.#transport = transport;
    this.#onCall = onCall;
  }

  /**
   * Makes one call of the table and returns the parsed JSON, unvalidated.
   * @throws {ApiError}
   */
  call(name: CallName, input: CallInput): Promise<unknown> {
    this.#onCall(name);
    const call: Call = CALLS[name];
    const writes = call.verb === 'create' || call.verb === 'update' || call.verb === 'patch';
    return this.#transport.send({
      method: METHODS[call.verb],
      path: pathOf(call, input, writes ? { fieldManager: FIELD_MANAGER } : {}),
      deadlineMs: input.deadlineMs ?? DEADLINE_MS,
      ...(input.body === undefined ? {} : { body: input.body }),
      ...(call.verb === 'patch' ? { contentType: PATCH_TYPES[input.patch ?? 'json'] } : {}),
      ...(input.metadataOnly ? { accept: metadataAccept(metadataKind(call.verb)) } : {}),
      signal: input.signal,
    });
  }

  /**
   * Opens a watch; the caller reads the lines and watches the idle time.
   * @throws {ApiError} when the server refuses it
   */
  watch(name: CallName, input: CallInput & { readonly signal: AbortSignal }): Promise<IncomingMessage> {
    this.#onCall(name);
    return this.#transport.open({
      method: 'GET',
      path: pathOf(CALLS[name], input, { watch: 'true' }),
      deadlineMs: input.deadlineMs ?? DEADLINE_MS,
      ...(input.metadataOnly ? { accept: metadataAccept('PartialObjectMetadata') } : {}),
      signal: input.signal,
    });
  }
}

function metadataKind(verb: Verb): string {
  return verb === 'list' ? 'PartialObjectMetadataList' : 'PartialObjectMetadata';
}

function metadataAccept(kind: string): string {
  return `application/json;as=${kind};g=meta.k8s.io;v=v1`;
}

function pathOf(call: Call, input: CallInput, extra: Readonly<Record<string, string>>): string {
  const [plural = '', subresource] = call.resource.split('/');
  const segments = [
    call.apiGroup === '' ? `/api/${call.version}` : `/apis/${call.apiGroup}/${call.version}`,
    ...(input.namespace === '' ? [] : ['namespaces', encodeURIComponent(input.namespace)]),
    plural,
    ...(input.name === undefined ? [] : [encodeURIComponent(input.name)]),
    ...(subresource === undefined ? [] : [subresource]),
  ];
  const query = new URLSearchParams({ ...input.query, ...extra }).toString();
  return segments.join('/') + (query === '' ? '' : `?${query}`);
}
