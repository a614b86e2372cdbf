/**
 * Carries out a plan, in order, and stops at the first action that fails. Called by reconcile.ts; nothing else writes.
 *
 * Each action is idempotent and carries its own precondition (a test in the patch), so a process that dies, or sleeps, between any
 * two of them leaves something that the next pass understands. The token is asked again before each write: a process that was
 * frozen must not go on with a plan that is older than its lease.
 */
import { ApiError, isApiError } from './clients/api-error.ts';
import type { CallInput, CallName, Kubernetes } from './clients/kubernetes.ts';
import type { LeaseElector } from './clients/lease.ts';
import type { Action, Outcome, PatchOperation } from './core/plan.ts';
import { REVISION_LABEL } from './core/revision.ts';
import type { Status } from './core/status.ts';
import { FINALIZER, type Handles, type Seen } from './observe.ts';

export interface ActParts {
  readonly kubernetes: Kubernetes;
  readonly elector: LeaseElector;
  /** After each action that succeeded, before the next. */
  readonly onDone: (action: Action, seen: Seen) => void;
}

/** A write that has not returned by then is worth more as a retry. */
const WRITE_DEADLINE_MS = 3_000;
/** Keeps a template for each of the last revisions: the way back of a promotion that fails. */
const REVISION_HISTORY = 10;

/** `error` is for the log and for the queue's Retry-After; the core needs only the outcome. */
export interface Acted {
  readonly outcome: Outcome;
  readonly error?: ApiError;
}

/** @throws only what is not the world's fault: an abort, or the loss of the lease */
export async function act(
  parts: ActParts,
  actions: readonly Action[],
  seen: Seen,
  signal: AbortSignal,
): Promise<Acted> {
  for (const [index, action] of actions.entries()) {
    try {
      assertFence(parts.elector, seen.observation.leader.token);
      await carryOut(parts.kubernetes, action, seen, signal);
      parts.onDone(action, seen);
    } catch (error) {
      if (!(error instanceof ApiError) || error.code === 'ERR_API_ABORTED') throw error;
      return { outcome: { kind: isChangedWorld(error) ? 'conflict' : 'failed', at: index, code: error.code }, error };
    }
  }
  return { outcome: { kind: 'done' } };
}

/** Changed, made or removed by somebody else since we read it. */
function isChangedWorld(error: ApiError): boolean {
  return isApiError(error, 'ERR_API_CONFLICT', 'ERR_API_EXISTS', 'ERR_API_NOT_FOUND');
}

function assertFence(elector: LeaseElector, token: number): void {
  if (elector.fence() !== token)
    throw new ApiError('ERR_API_ABORTED', 'the lease was lost or taken anew since this pass began');
}

async function carryOut(kubernetes: Kubernetes, action: Action, seen: Seen, signal: AbortSignal): Promise<void> {
  const { namespace, spec } = seen.handles;
  const send = async (call: CallName, input: Omit<CallInput, 'namespace'>): Promise<void> => {
    await kubernetes.call(call, { namespace, deadlineMs: WRITE_DEADLINE_MS, signal, ...input });
  };
  switch (action.kind) {
    case 'write-route':
    case 'claim-fence':
      return await send('patchRoute', { name: spec?.httpRoute ?? '', body: action.patch });
    case 'create-service':
      return await send('createService', { body: serviceBody(action, seen) });
    case 'set-service-selector':
      return await send('patchService', { name: action.name, body: selectorPatch(action, seen) });
    case 'create-stable':
      return await send('createDeployment', { body: stableBody(action, seen) });
    case 'set-stable-template':
      return await send('patchDeployment', { name: action.name, body: templatePatch(action, seen) });
    case 'scale':
      return await send('patchScale', { name: action.name, body: scalePatch(action, seen.handles) });
    case 'add-finalizer':
      return await send('patchRollout', { name: seen.handles.rollout.name, body: finalizerPatch(seen.handles, true) });
    case 'remove-finalizer':
      return await send('patchRollout', { name: seen.handles.rollout.name, body: finalizerPatch(seen.handles, false) });
  }
}

/** All three: the garbage collector takes a serving pod away only when nothing is left that could use it. */
function owners({ observation: { rollout, route, target }, handles }: Seen): readonly object[] {
  const ours = { apiVersion: 'latchkey.dev/v1alpha1', kind: 'AuthRollout', name: rollout.name, uid: rollout.uid };
  const deployment = target && { apiVersion: 'apps/v1', kind: 'Deployment', name: target.name, uid: target.uid };
  const name = handles.spec?.httpRoute ?? '';
  const httpRoute =
    route.kind === 'missing'
      ? undefined
      : { apiVersion: 'gateway.networking.k8s.io/v1', kind: 'HTTPRoute', name, uid: route.uid };
  return [ours, deployment, httpRoute].filter((owner) => owner !== undefined);
}

function serviceBody(action: Extract<Action, { kind: 'create-service' }>, seen: Seen): object {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: action.name, ownerReferences: owners(seen) },
    spec: { selector: action.selector, ports: [{ name: 'http', port: 80, targetPort: 'http', protocol: 'TCP' }] },
  };
}

function stableBody(action: Extract<Action, { kind: 'create-stable' }>, seen: Seen): object {
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: action.name, labels: action.selector, ownerReferences: owners(seen) },
    spec: {
      replicas: action.replicas,
      revisionHistoryLimit: REVISION_HISTORY,
      selector: { matchLabels: action.selector },
      // Stable serves everybody: a new pod is ready before an old one goes.
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 0, maxSurge: '25%' } },
      template: action.template,
    },
  };
}

function selectorPatch(
  action: Extract<Action, { kind: 'set-service-selector' }>,
  { observation }: Seen,
): readonly PatchOperation[] {
  const service = [observation.services.stable, observation.services.canary].find((one) => one?.name === action.name);
  return [
    { op: 'test', path: '/spec/selector', value: service?.selector },
    { op: 'replace', path: '/spec/selector', value: action.selector },
  ];
}

/** generation moves with the spec only, so a rolling update in progress does not fail the test. */
function templatePatch(
  action: Extract<Action, { kind: 'set-stable-template' }>,
  { observation }: Seen,
): readonly PatchOperation[] {
  return [
    { op: 'test', path: '/metadata/generation', value: observation.stable?.generation },
    {
      op: 'test',
      path: `/spec/template/metadata/labels/${pointer(REVISION_LABEL)}`,
      value: observation.stable?.revision,
    },
    { op: 'replace', path: '/spec/template', value: action.template },
  ];
}

function scalePatch(action: Extract<Action, { kind: 'scale' }>, handles: Handles): readonly PatchOperation[] {
  return [
    { op: 'test', path: '/metadata/resourceVersion', value: handles.resourceVersions.get(action.name) },
    { op: 'add', path: '/spec/replicas', value: action.replicas },
  ];
}

function finalizerPatch({ rollout }: Handles, present: boolean): readonly PatchOperation[] {
  const others = rollout.finalizers.filter((name) => name !== FINALIZER);
  return [
    { op: 'test', path: '/metadata/resourceVersion', value: rollout.resourceVersion },
    { op: 'add', path: '/metadata/finalizers', value: present ? [...others, FINALIZER] : others },
  ];
}

function pointer(key: string): string {
  return key.replaceAll('~', '~0').replaceAll('/', '~1');
}

/** The pass's one status write; the whole status, since nobody else writes there. */
export async function writeStatus(parts: ActParts, seen: Seen, next: Status, signal: AbortSignal): Promise<void> {
  assertFence(parts.elector, seen.observation.leader.token);
  const { namespace, rollout } = seen.handles;
  // The uid, not the resourceVersion: the finalizer or the user's edit in between does not change what this pass saw and did.
  const body: readonly PatchOperation[] = [
    { op: 'test', path: '/metadata/uid', value: rollout.uid },
    ...(seen.handles.status === undefined
      ? []
      : [{ op: 'test', path: '/status', value: seen.handles.status } as const]),
    { op: 'add', path: '/status', value: next },
  ];
  await parts.kubernetes.call('patchRolloutStatus', {
    namespace,
    name: rollout.name,
    body,
    deadlineMs: WRITE_DEADLINE_MS,
    signal,
  });
}
