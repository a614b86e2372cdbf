/** What a leader sees of a world: the observation that observe.ts would make of a real cluster. */

import { askedOf, type CheckpointFact } from '../../../operator/src/core/checkpoints.ts';
import { checkpointsDue, checksDue } from '../../../operator/src/core/checks-due.ts';
import type {
  DeploymentView,
  Observation,
  RouteView,
  Sample,
  StepSamples,
} from '../../../operator/src/core/observation.ts';
import { parseSpec } from '../../../operator/src/core/spec.ts';
import type { Evidence } from '../../../operator/src/core/trial.ts';
import type { Counts, SentinelView } from '../../../operator/src/core/window.ts';
import { counts } from './counting.ts';
import { type Deployment, type Health, type Json, T0, type World } from './world.ts';

export function routeView(world: World): RouteView {
  const { route } = world;
  if (route === undefined) return { kind: 'missing' };
  if (route.ruleName !== 'api') return { kind: 'rule-missing', uid: 'r', ruleNames: [route.ruleName] };
  if (route.canary.name !== 'api-canary') {
    return { kind: 'backends-missing', uid: 'r', backendNames: [route.canary.name] };
  }
  return {
    kind: 'programmable',
    uid: 'r',
    resourceVersion: String(world.routeVersion),
    ruleName: 'api',
    ruleIndex: 0,
    stable: { name: 'api-stable', index: 0, weight: route.stable.weight },
    canary: { name: 'api-canary', index: 1, weight: route.canary.weight },
    hasAnnotations: true,
    fence: route.annotations['latchkey.dev/fence'],
    write: route.annotations['latchkey.dev/write'],
    rulesManager: { name: 'somebody', at: new Date(world.nowMs).toISOString() },
    accepted: true,
  };
}

function deploymentView(name: string, seen: Deployment, revision: string): DeploymentView {
  return {
    name,
    uid: name,
    revision,
    template: seen.template,
    selector: seen.selector,
    generation: 1,
    observedGeneration: 1,
    replicas: seen.replicas,
    currentReplicas: seen.current,
    updatedReplicas: seen.updated,
    readyReplicas: seen.ready,
  };
}

const COUNTS = counts();

const REQUESTS = 10_000;

const ERRORS: Readonly<Partial<Record<Health, number>>> = { P0: 5_000, P1: 200, P2: 90, P3: 20 };

function sentinelView(world: World): SentinelView | undefined {
  const weight = world.route?.canary.weight ?? 0;
  const isThin = world.health === 'thin' || weight === 0;
  const requests = isThin ? 3 : REQUESTS;
  const canary: Counts = {
    ...COUNTS,
    requests,
    serverErrors: isThin ? (world.health === 'thin' ? 1 : 0) : (ERRORS[world.health] ?? 0),
    fasterThan: { '200ms': requests, '300ms': requests, '500ms': requests },
    logins: isThin ? 0 : 1_000,
  };
  const pods = world.target?.current ?? 0;
  const isSilent = world.health === 'silent' || pods === 0;
  const isQuiet = world.quiet && weight === 0 && !isSilent;
  return {
    takenAtMs: world.nowMs,
    spans: [{ spanMs: 1_000, canary, stable: COUNTS }],
    canaryPods: pods,
    canaryPodsAnswering: isSilent ? 0 : pods,
    silentSinceMs: isSilent ? world.nowMs - 1_000 : undefined,
    quietSinceMs: isQuiet ? T0 - 3_600_000 : undefined,
    dataLoss: world.health === 'dataLoss' ? 1 : 0,
    evidence: evidenceOn(isThin ? 'good' : world.health),
  };
}

/** What ten thousand requests of this health have proven: the trial's own tests show how it comes to that. */
function evidenceOn(health: Health): Evidence {
  const nothing = 1;
  const certainty = 1e9;
  const isSevere = health === 'P0' || health === 'P1';
  const isWorse = isSevere || health === 'P2' || health === 'P3';
  return {
    errorRate: { over: isSevere ? certainty : nothing, worse: isWorse ? certainty : nothing },
    authFailureRate: { over: nothing, worse: nothing },
    latencyP95: { p1: nothing, p2: nothing },
  };
}

const value = (number: number): Sample => ({ kind: 'value', value: number });

function stepSamples(world: World): StepSamples {
  const why = { blind: 'PrometheusUnreachable', several: 'SeveralSeries', nan: 'NotANumber' } as const;
  const { health } = world;
  const isUnknown = health === 'blind' || health === 'several' || health === 'nan';
  const sample = (number: number): Sample => (isUnknown ? { kind: 'unknown', why: why[health] } : value(number));
  const isThin = health === 'thin' || (world.route?.canary.weight ?? 0) === 0;
  const requests = isThin ? 3 : REQUESTS;
  return {
    takenAtMs: world.nowMs,
    windowMs: 60_000,
    replicaSets: ['api-1'],
    requests: sample(requests),
    serverErrors: sample(isThin ? 0 : (ERRORS[health] ?? 0)),
    slow: { p1: sample(0), p2: sample(0), p3: sample(0) },
    logins: sample(isThin ? 0 : 1_000),
    loginFailures: sample(0),
    stableLogins: sample(1_000),
    stableLoginFailures: sample(0),
    databaseErrors: sample(0),
    databaseWindowMs: 60_000,
    complaints: sample(health === 'complaints' ? 3 : 0),
    dataLoss: sample(health === 'dataLoss' ? 1 : 0),
  };
}

function signals({ health, nowMs }: World): Observation['signals'] {
  if (health !== 'alertP0' && health !== 'alertP2') return [];
  return [{ name: 'Alert', severity: health === 'alertP0' ? 'P0' : 'P2', sinceMs: nowMs }];
}

/** Five users, a minute ago, by way of the support desk. */
function complaints({ health, status, nowMs }: World): Observation['complaints'] {
  const { revision } = status ?? {};
  return health === 'reported' && revision !== undefined ? [{ revision, createdAtMs: nowMs - 60_000, count: 5 }] : [];
}

/** What a leader with this token sees now. */
export function observe(world: World, token = world.leaseToken): Observation {
  const { target, stable, services, status } = world;
  const canary = services['api-canary'];
  const stableService = services['api-stable'];
  const bare: Observation = {
    nowMs: world.nowMs,
    leader: { token, leaseToken: world.leaseToken },
    rollout: {
      namespace: 'auth',
      name: 'api',
      uid: 'u',
      generation: world.generation,
      deleting: world.deleting,
      hasFinalizer: world.finalizer,
    },
    spec: readSpec(world.spec),
    status,
    target: target && deploymentView('api', target, target.revision),
    stable: stable && deploymentView('api-stable', stable, stable.revision),
    previousTemplate: status?.stableRevision === undefined ? undefined : world.oldTemplates[status.stableRevision],
    services: {
      stable: stableService && { name: 'api-stable', selector: stableService },
      canary: canary && { name: 'api-canary', selector: canary },
    },
    route: routeView(world),
    samples: undefined,
    approvals: status?.approvalNeeded === undefined ? undefined : world.approvals,
    sentinel: sentinelView(world),
    signals: signals(world),
    complaints: complaints(world) ?? [],
  };
  const sampled = checksDue(bare) ? { ...bare, samples: stepSamples(world) } : bare;
  const question = checkpointsDue(sampled);
  if (question === undefined) return sampled;
  const checkpoints = question.checkpoints.flatMap((checkpoint): CheckpointFact[] => {
    const fact = { name: checkpoint.name, asked: askedOf(checkpoint), takenAtMs: world.nowMs };
    if (checkpoint.kind === 'query') return [{ ...fact, kind: 'query', sample: world.figure }];
    return checkpoint.kind === 'job' ? [{ ...fact, kind: 'job', job: world.job }] : [];
  });
  return { ...sampled, checkpoints, approvals: world.approvals };
}

/** parseSpec costs more than a whole pass, and the worlds of a test share a handful of specs. */
const specs = new WeakMap<Json, ReturnType<typeof parseSpec>>();

function readSpec(manifest: Json): ReturnType<typeof parseSpec> {
  const known = specs.get(manifest) ?? parseSpec(manifest);
  specs.set(manifest, known);
  return known;
}
