/**
 * All reads of a pass, live from the apiserver. Called by reconcile.ts; the Observation goes to core/judge.ts and core/decide.ts,
 * the handles (what a write needs and no decision does) to act.ts.
 */
import { readApprovals } from './approvals.ts';
import { askCheckpoints } from './checkpoints.ts';
import { isApiError } from './clients/api-error.ts';
import type { CallName, Kubernetes } from './clients/kubernetes.ts';
import type { LeaseElector } from './clients/lease.ts';
import { deposed } from './clients/lease.ts';
import { checkpointsDue, checksDue, checkWindowMs } from './core/checks-due.ts';
import type { Complaint } from './core/complaints.ts';
import type { ContainerImage } from './core/decision-record.ts';
import type { Observation, PodTemplate, RouteView } from './core/observation.ts';
import { canaryServiceOf, REVISION_LABEL, stableNameOf, stableServiceOf } from './core/revision.ts';
import { parseSpec, type Spec } from './core/spec.ts';
import { parseStatus, type Status } from './core/status.ts';
import {
  type ReadDeployment,
  type RolloutMetadata,
  readDeployment,
  readPreviousTemplate,
  readRoute,
  readService,
  rolloutObject,
} from './objects.ts';
import type { Sentinel } from './sentinel.ts';
import type { Signals } from './signals.ts';
import { runStepChecks } from './step-checks.ts';
import type { Lane } from './workqueue.ts';

export interface ObserveParts {
  readonly kubernetes: Kubernetes;
  readonly elector: LeaseElector;
  readonly sentinel: Sentinel;
  readonly signals: Signals;
  /** What people reported about a rollout, by its key. */
  readonly complaints: (key: string) => readonly Complaint[];
  readonly now: () => number;
  /** ACCEPT_UNGUARDED_APPROVALS. */
  readonly acceptUnguarded: boolean;
}

/** What act.ts and the record need beside the observation. */
export interface Handles {
  readonly namespace: string;
  readonly rollout: {
    readonly name: string;
    readonly uid: string;
    readonly resourceVersion: string;
    readonly finalizers: readonly string[];
  };
  /** The raw text of the present status, to see whether the next one differs. */
  readonly status: unknown;
  readonly spec: Spec | undefined;
  readonly resourceVersions: ReadonlyMap<string, string>;
  /** By digest. */
  readonly runningImages: readonly ContainerImage[];
}

export interface Seen {
  readonly observation: Observation;
  readonly handles: Handles;
}

interface Reading {
  readonly parts: ObserveParts;
  readonly key: string;
  readonly token: number;
  readonly namespace: string;
  readonly signal: AbortSignal;
}

interface Surroundings {
  readonly route: RouteView;
  readonly target: ReadDeployment | undefined;
  readonly stable: ReadDeployment | undefined;
  readonly services: Observation['services'];
  readonly previousTemplate: PodTemplate | undefined;
}

const NOTHING: Surroundings = {
  route: { kind: 'missing' },
  target: undefined,
  stable: undefined,
  services: { stable: undefined, canary: undefined },
  previousTemplate: undefined,
};

export const FINALIZER = 'latchkey.dev/route';

/**
 * Reads everything that one decision needs.
 * @returns undefined when the AuthRollout is gone
 * @throws {ApiError} the pass fails and is tried again; ERR_API_ABORTED when it was pre-empted
 */
export async function observe(
  parts: ObserveParts,
  key: string,
  lane: Lane,
  signal: AbortSignal,
): Promise<Seen | undefined> {
  const token = parts.elector.fence();
  if (token === undefined) throw deposed();
  const [namespace = '', name = ''] = key.split('/');
  const reading: Reading = { parts, key, namespace, signal, token };
  const raw = await getOrNothing(reading, 'getRollout', name);
  if (raw === undefined) return undefined;
  const rollout = rolloutObject.parse(raw);
  const spec = parseSpec(rollout.spec);
  const usable = spec.kind === 'valid' ? spec.spec : spec.usable;
  const status = parseStatus(rollout.status);
  const [around, approvals] = await Promise.all([
    usable === undefined ? NOTHING : readSurroundings(reading, usable, status),
    lane === 'urgent' ? undefined : approvalsFor(reading, name, status),
  ]);
  const unsampled = await toObservation(reading, rollout.metadata, { spec, status, around, approvals });
  // The urgent lane asks nobody: its verdict is known, and a slow Prometheus must not stand before weight 0.
  const isAsking = lane === 'normal' && usable !== undefined && checksDue(unsampled);
  const sampled = isAsking ? await withSamples(reading, unsampled, usable) : unsampled;
  const observation = lane === 'normal' ? await withAnswers(reading, sampled) : sampled;
  const { uid, resourceVersion, finalizers } = rollout.metadata;
  const read = [around.target, around.stable].filter((deployment) => deployment !== undefined);
  const resourceVersions = new Map(read.map((deployment) => [deployment.view.name, deployment.resourceVersion]));
  const handles = {
    namespace,
    rollout: { name, uid, resourceVersion, finalizers },
    status: rollout.status,
    spec: usable,
    resourceVersions,
    runningImages: parts.sentinel.runningImages(key),
  };
  return { observation, handles };
}

interface Parsed {
  readonly spec: Observation['spec'];
  readonly status: Status | undefined;
  readonly around: Surroundings;
  readonly approvals: Observation['approvals'];
}

async function toObservation(
  reading: Reading,
  metadata: RolloutMetadata,
  { spec, status, around, approvals }: Parsed,
): Promise<Observation> {
  const { parts, key, namespace, token } = reading;
  return {
    leader: { token, leaseToken: await presentToken(reading, around.route) },
    nowMs: parts.now(),
    rollout: {
      namespace,
      name: metadata.name,
      uid: metadata.uid,
      generation: metadata.generation,
      deleting: metadata.deletionTimestamp !== undefined,
      hasFinalizer: metadata.finalizers.includes(FINALIZER),
    },
    spec,
    status,
    target: around.target?.view,
    stable: around.stable?.view,
    previousTemplate: around.previousTemplate,
    services: around.services,
    route: around.route,
    samples: undefined,
    approvals,
    sentinel: parts.sentinel.view(key),
    signals: parts.signals.view(key),
    complaints: parts.complaints(key),
  };
}

/** The question stands in the status; without one nobody is asked. */
async function approvalsFor(
  { parts, namespace, signal }: Reading,
  rolloutName: string,
  status: Status | undefined,
): Promise<Observation['approvals']> {
  const { approvalNeeded: needed, revision } = status ?? {};
  if (needed === undefined || revision === undefined) return undefined;
  const question = { role: needed.role, stepIndex: needed.stepIndex, sinceMs: Date.parse(needed.since), revision };
  const { kubernetes, acceptUnguarded } = parts;
  return await readApprovals({ kubernetes, namespace, rolloutName, questions: [question], acceptUnguarded, signal });
}

async function withSamples(reading: Reading, observation: Observation, spec: Spec): Promise<Observation> {
  const { parts, key, namespace, signal } = reading;
  const windowMs = checkWindowMs(observation);
  const stableName = stableNameOf(spec.targetName);
  const replicaSets = parts.sentinel.replicaSets(key);
  const samples = await runStepChecks({ spec, namespace, stableName, replicaSets, windowMs, signal });
  const meanwhile = momentOf(reading);
  return { ...observation, ...meanwhile, samples: { ...samples, takenAtMs: meanwhile.nowMs } };
}

/** Time has passed: what the sentinel saw meanwhile belongs to the same moment as what was asked. */
function momentOf({ parts, key }: Reading): Pick<Observation, 'nowMs' | 'sentinel' | 'signals'> {
  return { nowMs: parts.now(), sentinel: parts.sentinel.view(key), signals: parts.signals.view(key) };
}

/** The last thing that is read, and only where everything else is decided. */
async function withAnswers(reading: Reading, observation: Observation): Promise<Observation> {
  const question = checkpointsDue(observation);
  const { spec, rollout, status } = observation;
  if (question === undefined || spec.kind === 'invalid') return observation;
  const { parts, namespace, signal } = reading;
  const { kubernetes, acceptUnguarded, now } = parts;
  const { prometheusAddress } = spec.spec;
  const about = { namespace, rolloutName: rollout.name, revision: status?.revision ?? '', question, prometheusAddress };
  const answers = await askCheckpoints({ kubernetes, ...about, acceptUnguarded, now, signal });
  return { ...observation, ...answers, ...momentOf(reading) };
}

async function readSurroundings(reading: Reading, spec: Spec, status: Status | undefined): Promise<Surroundings> {
  const stableName = stableNameOf(spec.targetName);
  const place = {
    rule: spec.rule,
    stableService: stableServiceOf(spec.targetName),
    canaryService: canaryServiceOf(spec.targetName),
    hasCohort: spec.cohortCookie !== undefined,
  };
  const [route, target, stable, stableService, canaryService] = await Promise.all([
    getOrNothing(reading, 'getRoute', spec.httpRoute),
    getOrNothing(reading, 'getDeployment', spec.targetName),
    getOrNothing(reading, 'getDeployment', stableName),
    getOrNothing(reading, 'getService', place.stableService),
    getOrNothing(reading, 'getService', place.canaryService),
  ]);
  const stableRead = stable === undefined ? undefined : readDeployment(stable, 'stable');
  return {
    route: route === undefined ? { kind: 'missing' } : readRoute(route, place),
    target: target === undefined ? undefined : readDeployment(target, 'target'),
    stable: stableRead,
    services: {
      stable: stableService === undefined ? undefined : readService(stableService),
      canary: canaryService === undefined ? undefined : readService(canaryService),
    },
    previousTemplate: await previousTemplate(reading, stableRead, status),
  };
}

async function previousTemplate(
  reading: Reading,
  stable: ReadDeployment | undefined,
  status: Status | undefined,
): Promise<PodTemplate | undefined> {
  const wanted = status?.stableRevision;
  if (stable === undefined || wanted === undefined || stable.view.revision === wanted) return undefined;
  const { parts, namespace, signal } = reading;
  const query = { labelSelector: `${REVISION_LABEL}=${wanted}` };
  return readPreviousTemplate(
    await parts.kubernetes.call('listReplicaSets', { namespace, query, signal }),
    stable.view.uid,
  );
}

/** Asked only when the route's fence is above ours, after the route was read (see core/observation.ts). */
async function presentToken({ parts, signal, token }: Reading, route: RouteView): Promise<number> {
  const fence = route.kind === 'programmable' ? Number(route.fence) : Number.NaN;
  return fence > token ? await parts.elector.presentToken(signal) : token;
}

async function getOrNothing({ parts, namespace, signal }: Reading, call: CallName, name: string): Promise<unknown> {
  try {
    return await parts.kubernetes.call(call, { namespace, name, signal });
  } catch (error) {
    if (isApiError(error, 'ERR_API_NOT_FOUND')) return undefined;
    throw error;
  }
}
