/**
 * A small simulated world for the core: one route, two Deployments, two Services, one status, one Lease. The tests drive
 * judge → decide → plan through it and apply the plan action by action. Worlds are values: every change makes a new one,
 * so that a test can keep any moment and go on from it twice.
 */

import { checksDue } from '../../../../operator/src/core/checks-due.ts';
import { type Decision, decide } from '../../../../operator/src/core/decide.ts';
import { type Judgement, judge } from '../../../../operator/src/core/judge.ts';
import type {
  DeploymentView,
  Labels,
  Observation,
  PodTemplate,
  RouteView,
  Sample,
  StepSamples,
} from '../../../../operator/src/core/observation.ts';
import { type Action, type Outcome, type PatchOperation, plan } from '../../../../operator/src/core/plan.ts';
import { parseSpec } from '../../../../operator/src/core/spec.ts';
import type { Status } from '../../../../operator/src/core/status.ts';
import { nextStatus } from '../../../../operator/src/core/status-from.ts';
import type { Counts, SentinelView } from '../../../../operator/src/core/window.ts';

export type Json = { readonly [key: string]: unknown };

/** What the canary does; the world turns it into samples and sentinel counts. */
export type Health =
  | 'good'
  | 'P0'
  | 'P1'
  | 'P2'
  | 'P3'
  | 'complaints'
  | 'blind'
  | 'thin'
  | 'silent'
  | 'dataLoss'
  | 'several'
  | 'nan';

export type Deployment = {
  readonly template: PodTemplate;
  readonly revision: string;
  readonly selector: Labels;
  readonly replicas: number;
  readonly ready: number;
  readonly updated: number;
  readonly current: number;
};

export type World = {
  readonly nowMs: number;
  readonly spec: Json;
  readonly generation: number;
  readonly deleting: boolean;
  readonly finalizer: boolean;
  readonly status: Status | undefined;
  readonly statusVersion: number;
  readonly route: RouteObject | undefined;
  readonly routeVersion: number;
  readonly target: Deployment | undefined;
  readonly stable: Deployment | undefined;
  readonly oldTemplates: Readonly<Record<string, PodTemplate>>;
  readonly services: Readonly<Record<string, Labels>>;
  readonly leaseToken: number;
  readonly health: Health;
  /** False: requests still reach the canary although its weight is 0. */
  readonly quiet: boolean;
  readonly podsStart: boolean;
};

export type RouteObject = {
  readonly annotations: Readonly<Record<string, string>>;
  readonly ruleName: string;
  readonly stable: { readonly name: string; readonly weight: number };
  readonly canary: { readonly name: string; readonly weight: number };
};

export const SCHEDULE = [
  { weight: 5, hold: '60s', checkEvery: '10s' },
  { weight: 10, hold: '60s', checkEvery: '10s' },
  { weight: 25, hold: '60s', checkEvery: '10s' },
  { weight: 50, hold: '60s', checkEvery: '10s' },
  { weight: 100, hold: '60s', checkEvery: '10s' },
];

export const T0 = Date.parse('2030-01-01T00:00:00.000Z');

export const REVISION = (number: number): string => `${number}`.padStart(10, 'a');

const template = (revision: string): PodTemplate => ({
  metadata: { labels: { app: 'api', 'latchkey.dev/track': 'canary' } },
  spec: { image: revision },
});

export function deployment(revision: string, replicas: number): Deployment {
  const selector = { app: 'api', 'latchkey.dev/track': 'canary' };
  return {
    template: template(revision),
    revision,
    selector,
    replicas,
    ready: replicas,
    updated: replicas,
    current: replicas,
  };
}

export const specManifest = (changes: Json = {}): Json => ({
  targetRef: { name: 'api' },
  route: { httpRoute: 'api', rule: 'api' },
  schedule: SCHEDULE,
  metrics: { prometheus: { address: 'http://prometheus:9090' }, blindLimit: '30s' },
  ...changes,
});

/** A fresh install: the target serves everything, the operator has never run. */
export function freshWorld(): World {
  return {
    nowMs: T0,
    spec: specManifest(),
    generation: 1,
    deleting: false,
    finalizer: false,
    status: undefined,
    statusVersion: 1,
    route: {
      annotations: {},
      ruleName: 'api',
      stable: { name: 'api-stable', weight: 0 },
      canary: { name: 'api-canary', weight: 100 },
    },
    routeVersion: 1,
    target: deployment(REVISION(1), 4),
    stable: undefined,
    oldTemplates: {},
    services: { 'api-canary': { app: 'api', 'latchkey.dev/track': 'canary' } },
    leaseToken: 1,
    health: 'good',
    quiet: true,
    podsStart: true,
  };
}

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

const COUNTS: Counts = {
  requests: 0,
  serverErrors: 0,
  fasterThan: {},
  logins: 0,
  loginFailures: 0,
  databaseErrors: 0,
  complaints: 0,
  dataLoss: 0,
};

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
    fasterThan: { 200: requests, 300: requests, 500: requests },
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
    sentinel: sentinelView(world),
  };
  return checksDue(bare) ? { ...bare, samples: stepSamples(world) } : bare;
}

/** parseSpec costs more than a whole pass, and the worlds of a test share a handful of specs. */
const specs = new WeakMap<Json, ReturnType<typeof parseSpec>>();

function readSpec(manifest: Json): ReturnType<typeof parseSpec> {
  const known = specs.get(manifest) ?? parseSpec(manifest);
  specs.set(manifest, known);
  return known;
}

/** One action on the world; undefined when a test of its patch fails. */
export function apply(world: World, action: Action): World | undefined {
  switch (action.kind) {
    case 'write-route':
    case 'claim-fence':
      return patchRoute(world, action.patch);
    case 'create-service':
    case 'set-service-selector':
      return { ...world, services: { ...world.services, [action.name]: action.selector } };
    case 'create-stable': {
      const created = { ...deployment('', 0), template: action.template, selector: action.selector };
      return converge({
        ...world,
        stable: { ...created, revision: revisionIn(action.template), replicas: action.replicas },
      });
    }
    case 'set-stable-template': {
      const { stable } = world;
      if (stable === undefined) return undefined;
      const oldTemplates = { ...world.oldTemplates, [stable.revision]: stable.template };
      const changed = { ...stable, template: action.template, revision: action.revision, updated: 0 };
      return converge({ ...world, oldTemplates, stable: changed });
    }
    case 'scale':
      return converge(
        action.name === 'api' ? scaled(world, 'target', action.replicas) : scaled(world, 'stable', action.replicas),
      );
    case 'add-finalizer':
      return { ...world, finalizer: true };
    case 'remove-finalizer':
      return { ...world, finalizer: false };
  }
}

function revisionIn(podTemplate: PodTemplate): string {
  return podTemplate.metadata?.labels?.['latchkey.dev/revision'] ?? '';
}

function scaled(world: World, which: 'target' | 'stable', replicas: number): World {
  const before = world[which];
  return before === undefined ? world : { ...world, [which]: { ...before, replicas } };
}

/** Pods follow what is wanted, unless the world's pods do not start. Pods that go, always go. */
export function converge(world: World): World {
  const settle = (seen: Deployment): Deployment => {
    if (world.podsStart) return { ...seen, ready: seen.replicas, updated: seen.replicas, current: seen.replicas };
    const current = Math.min(seen.current, seen.replicas);
    return { ...seen, current, ready: Math.min(seen.ready, current), updated: Math.min(seen.updated, current) };
  };
  return { ...world, target: world.target && settle(world.target), stable: world.stable && settle(world.stable) };
}

/** RFC 6902 on the route, as far as our patches reach; a failed test changes nothing. */
export function patchRoute(world: World, operations: readonly PatchOperation[]): World | undefined {
  const { route } = world;
  if (route === undefined) return undefined;
  const paths: Record<string, unknown> = {
    '/metadata/resourceVersion': String(world.routeVersion),
    '/spec/rules/0/name': route.ruleName,
    '/spec/rules/0/backendRefs/0/name': route.stable.name,
    '/spec/rules/0/backendRefs/1/name': route.canary.name,
    '/spec/rules/0/backendRefs/0/weight': route.stable.weight,
    '/spec/rules/0/backendRefs/1/weight': route.canary.weight,
    '/metadata/annotations/latchkey.dev~1fence': route.annotations['latchkey.dev/fence'],
    '/metadata/annotations/latchkey.dev~1write': route.annotations['latchkey.dev/write'],
  };
  for (const operation of operations) {
    if (!(operation.path in paths)) throw new Error(`a patch touches ${operation.path}`);
    if (operation.op === 'test') {
      if (paths[operation.path] !== operation.value) return undefined;
    } else if (operation.op === 'add') {
      paths[operation.path] = operation.value;
    } else throw new Error(`a patch uses ${operation.op}`);
  }
  return {
    ...world,
    routeVersion: world.routeVersion + 1,
    route: {
      ...route,
      stable: { ...route.stable, weight: Number(paths['/spec/rules/0/backendRefs/0/weight']) },
      canary: { ...route.canary, weight: Number(paths['/spec/rules/0/backendRefs/1/weight']) },
      annotations: {
        'latchkey.dev/fence': String(paths['/metadata/annotations/latchkey.dev~1fence']),
        ...(paths['/metadata/annotations/latchkey.dev~1write'] === undefined
          ? {}
          : { 'latchkey.dev/write': String(paths['/metadata/annotations/latchkey.dev~1write']) }),
      },
    },
  };
}

export type Pass = {
  readonly observation: Observation;
  readonly judgement: Judgement;
  readonly decision: Decision;
  readonly actions: readonly Action[];
};

/** Everything a leader would do about this world now. */
export function think(observation: Observation): Pass {
  const judgement = judge(observation);
  const decision = decide(observation, judgement);
  return { observation, judgement, decision, actions: plan(observation, decision) };
}

export type Acted = { readonly world: World; readonly outcome: Outcome };

/** Carries out a pass's actions, at most `limit` of them: a smaller limit is a crash. `check` sees each one that took effect. */
export function act(
  world: World,
  pass: Pass,
  limit = pass.actions.length,
  check: (before: World, action: Action, after: World, index: number) => void = () => undefined,
): Acted {
  let now = world;
  for (const [index, action] of pass.actions.slice(0, limit).entries()) {
    const next = apply(now, action);
    if (next === undefined) return { world: now, outcome: { kind: 'conflict', at: index, code: 'TestFailed' } };
    check(now, action, next, index);
    now = next;
  }
  return { world: now, outcome: { kind: 'done' } };
}

/** The status write of a pass; refused when somebody wrote the status since the pass looked. */
export function writeStatus(world: World, pass: Pass, outcome: Outcome, seenVersion: number): World {
  if (seenVersion !== world.statusVersion) return world;
  const { observation, judgement, decision } = pass;
  const status = nextStatus(observation, judgement, decision, outcome);
  return { ...world, status, statusVersion: world.statusVersion + 1 };
}

/** One whole pass of the leader. */
export function step(world: World): { readonly world: World; readonly pass: Pass } {
  const pass = think(observe(world));
  const acted = act(world, pass);
  return { world: writeStatus(acted.world, pass, acted.outcome, world.statusVersion), pass };
}

/** Whole passes with time between them, until the condition holds; throws when it never does. */
export function runUntil(start: World, isThere: (world: World) => boolean, beatMs = 2_000, passes = 400): World {
  let world = start;
  for (let count = 0; count < passes; count += 1) {
    if (isThere(world)) return world;
    world = step({ ...world, nowMs: world.nowMs + beatMs }).world;
  }
  throw new Error(`not reached; phase ${world.status?.phase}, ${JSON.stringify(world.status?.lastDecision)}`);
}

export const inPhase = (phase: Status['phase']) => (world: World) => world.status?.phase === phase;
export const atWeight = (weight: number) => (world: World) =>
  world.status?.weight === weight && world.route?.canary.weight === weight;

/** The world after a changed pod template of the target. */
export function deploy(world: World, number: number): World {
  const revision = REVISION(number);
  if (world.target === undefined || world.target.revision === revision) return world;
  return converge({ ...world, target: { ...world.target, revision, template: template(revision), updated: 0 } });
}

/** A world whose first revision is adopted. */
export function adoptedWorld(): World {
  return runUntil(freshWorld(), inPhase('Succeeded'));
}

/** A world in the middle of the run of revision 2, at this weight. */
export function worldAt(weight: number): World {
  return runUntil(deploy(adoptedWorld(), 2), atWeight(weight));
}
