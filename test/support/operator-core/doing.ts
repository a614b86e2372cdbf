/** What a leader does to a world: whole passes, and passes that stop at any action, as a crash would. */

import { type Decision, decide } from '../../../operator/src/core/decide.ts';
import { type Judgement, judge } from '../../../operator/src/core/judge.ts';
import type { Observation, PodTemplate } from '../../../operator/src/core/observation.ts';
import { type Action, type Outcome, type PatchOperation, plan } from '../../../operator/src/core/plan.ts';
import type { Status } from '../../../operator/src/core/status.ts';
import { nextStatus } from '../../../operator/src/core/status-from.ts';
import { observe } from './seeing.ts';
import { converge, deploy, deployment, freshWorld, type World } from './world.ts';

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
  const annotation = (key: string): Readonly<Record<string, string>> => {
    const text = paths[`/metadata/annotations/latchkey.dev~1${key}`];
    return typeof text === 'string' ? { [`latchkey.dev/${key}`]: text } : {};
  };
  return {
    ...world,
    routeVersion: world.routeVersion + 1,
    route: {
      ...route,
      stable: { ...route.stable, weight: Number(paths['/spec/rules/0/backendRefs/0/weight']) },
      canary: { ...route.canary, weight: Number(paths['/spec/rules/0/backendRefs/1/weight']) },
      annotations: { ...annotation('fence'), ...annotation('write') },
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

/** Worlds are values, so a moment that many tests start from is walked to once. */
const moments = new Map<string, World>();
function moment(name: string, make: () => World): World {
  const known = moments.get(name) ?? make();
  moments.set(name, known);
  return known;
}

/** A world whose first revision is adopted. */
export function adoptedWorld(): World {
  return moment('adopted', () => runUntil(freshWorld(), inPhase('Succeeded')));
}

/** A world in the middle of the run of revision 2, at this weight. */
export function worldAt(weight: number): World {
  return moment(`at ${weight}`, () => runUntil(deploy(adoptedWorld(), 2), atWeight(weight)));
}
