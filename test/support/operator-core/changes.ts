/** What other people and the cluster do to a world between two passes of the operator. Used by the model test. */

import { approvalFor, withApprovals } from './approving.ts';
import { deploy, type Health, type Json, REVISION, SCHEDULE, specManifest, type World } from './world.ts';

const HEALTHS: readonly Health[] = [
  'good',
  'P0',
  'P1',
  'P2',
  'P3',
  'complaints',
  'reported',
  'blind',
  'thin',
  'silent',
  'dataLoss',
  'alertP0',
  'alertP2',
  'several',
  'nan',
];

/** Before every step; what they find changes with the world. */
export const CHECKPOINTS: readonly Json[] = [
  { name: 'figure', query: { promql: 'figure', atMost: 1 } },
  { name: 'job', job: { name: 'verify', freshFor: '10m' } },
  { name: 'person', person: { role: 'team-lead' } },
];

/** Edits of the spec, each one object so that it is parsed once. */
const SPECS: readonly Json[] = [
  specManifest(),
  specManifest({ paused: true }),
  specManifest({ schedule: [{ weight: 7, hold: '20s', checkEvery: '5s' }, ...SCHEDULE.slice(1)] }),
  specManifest({ schedule: SCHEDULE.slice(3) }),
  specManifest({ schedule: [{ weight: 50, hold: '1s', checkEvery: '2s' }] }),
  specManifest({ replicas: 6 }),
  ...[0, 7, 25, 60].map((maxWeight) => specManifest({ maxWeight })),
  specManifest({ maxWeight: 5, paused: true }),
  specManifest({ schedule: SCHEDULE.map((entry) => ({ ...entry, checkpoints: CHECKPOINTS })) }),
  specManifest({ schedule: SCHEDULE.map((entry) => ({ ...entry, checkpoints: CHECKPOINTS.slice(0, 1) })) }),
  { targetRef: {}, route: {} },
];

const WEIGHTS: readonly (readonly [number, number])[] = [
  [93, 7],
  [0, 100],
  [100, 0],
  [50, 50],
  [1, 1],
  [0, 0],
  [199, 1],
  [88, 12],
];

const JUMPS_MS = [-3_600_000, 3_600_000, -10_000, 86_400_000] as const;

/** One change; `what` is 0–16, `size` chooses among its variants. */
export function change(world: World, what: number, size: number): World {
  switch (what) {
    case 0:
    case 1:
    case 2:
      return { ...world, health: HEALTHS[size % HEALTHS.length] ?? 'good' };
    case 3:
      return editWeights(world, size);
    case 4:
      return editAnnotations(world, size);
    case 5:
      return { ...world, nowMs: world.nowMs + (JUMPS_MS[size % JUMPS_MS.length] ?? 0) };
    case 6:
      return approve(world, size);
    case 7:
      return { ...world, spec: SPECS[size % SPECS.length] ?? {}, generation: world.generation + 1 };
    case 8:
    case 9:
      return deploy(world, 1 + (size % 4));
    case 10:
      return { ...world, podsStart: !world.podsStart };
    case 11:
      return losePods(world, size);
    case 12:
      return breakRoute(world, size);
    case 13:
      return size % 2 === 0 ? { ...world, quiet: !world.quiet } : answerCheckpoints(world, size >> 1);
    case 14:
      return loseObjects(world, size);
    case 15:
      return { ...world, deleting: size % 2 === 0 };
    default:
      return loseStatus(world, size);
  }
}

/** A figure, a Job and a word, each of some time, each yes, no or neither. */
function answerCheckpoints(world: World, size: number): World {
  const { nowMs, status } = world;
  const figure = ([0, 2, Number.NaN, 1] as const)[size % 4] ?? 0;
  const createdAtMs = nowMs - ([0, 1_000, 61_000, 3_600_000][(size >> 2) % 4] ?? 0);
  const how = size % 3 === 0 ? ('Failed' as const) : ('Complete' as const);
  const ended = size % 5 === 0 ? undefined : { how, atMs: createdAtMs };
  const revision = size % 7 === 0 ? REVISION(4) : undefined;
  const word = approvalFor(world, {
    uid: `word-${nowMs}`,
    checkpoint: 'person',
    role: 'team-lead',
    stepIndex: status?.checkpoints?.stepIndex ?? 0,
    createdAtMs,
    answer: size % 6 === 0 ? 'no' : 'yes',
  });
  return withApprovals(
    {
      ...world,
      figure: { kind: 'value', value: figure },
      job: size % 11 === 0 ? { kind: 'missing' } : { kind: 'found', uid: `job-${nowMs}`, revision, createdAtMs, ended },
    },
    [word],
    size % 13 === 0 ? 'missing' : 'stands',
  );
}

/** Mostly what is asked for, guarded; sometimes not asked for, not guarded, or not to be read. */
function approve(world: World, size: number): World {
  if (size % 8 === 0) return { ...world, approvals: { kind: 'unknown', why: 'ERR_API_DEADLINE' } };
  const others = [2, 3].flatMap((number) =>
    (['on-call', 'team-lead'] as const).map((role) =>
      approvalFor(world, {
        uid: `${number}-${role}-${size % 5}`,
        role,
        revision: REVISION(number),
        stepIndex: size % 5,
      }),
    ),
  );
  const guard = (['missing', 'not-asked', 'waived', 'stands', 'stands', 'stands', 'stands'] as const)[size % 7];
  return withApprovals(world, size % 2 === 0 ? others : [...others, approvalFor(world)], guard);
}

function editWeights(world: World, size: number): World {
  const [stable, canary] = WEIGHTS[size % WEIGHTS.length] ?? [93, 7];
  if (world.route === undefined) return world;
  const { route } = world;
  const edited = { ...route, stable: { ...route.stable, weight: stable }, canary: { ...route.canary, weight: canary } };
  return { ...world, route: edited, routeVersion: world.routeVersion + 1 };
}

/** Annotations taken away, replaced by nonsense, by a huge fence, or by a record that never was. */
function editAnnotations(world: World, size: number): World {
  if (world.route === undefined) return world;
  const forged = {
    weight: [0, 100, 25][size % 3],
    revision: `${1 + (size % 4)}`.padStart(10, 'a'),
    stepIndex: size % 5,
    decision: ['advance', 'zero', 'promote', 'reduce', 'hold'][size % 5],
    reason: ['NewRevision', 'RevisionWithdrawn', 'SeverityP1'][size % 3],
    at: new Date(world.nowMs + (size % 7) * 1_000).toISOString(),
  };
  const own = world.route.annotations;
  const variants: readonly Readonly<Record<string, string>>[] = [
    {},
    { ...own, 'latchkey.dev/fence': '999999' },
    { ...own, 'latchkey.dev/write': 'nonsense' },
    { ...own, 'latchkey.dev/write': JSON.stringify(forged) },
    { 'latchkey.dev/write': own['latchkey.dev/write'] ?? '' },
  ];
  const annotations = variants[size % variants.length] ?? {};
  return { ...world, route: { ...world.route, annotations }, routeVersion: world.routeVersion + 1 };
}

function losePods(world: World, size: number): World {
  const without = <T extends { readonly ready: number }>(seen: T | undefined): T | undefined =>
    seen && { ...seen, ready: 0 };
  if (size % 2 === 0) return { ...world, podsStart: false, target: without(world.target) };
  return { ...world, podsStart: false, stable: without(world.stable) };
}

function breakRoute(world: World, size: number): World {
  if (world.route === undefined || world.route.ruleName !== 'api' || world.route.canary.name !== 'api-canary') {
    // Made anew from a manifest, with the weights that stand in it.
    const route = {
      annotations: {},
      ruleName: 'api',
      stable: { name: 'api-stable', weight: 100 - (size % 100) },
      canary: { name: 'api-canary', weight: size % 100 },
    };
    return { ...world, route, routeVersion: world.routeVersion + 1 };
  }
  const { route } = world;
  const broken = [undefined, { ...route, ruleName: 'other' }, { ...route, canary: { ...route.canary, name: 'other' } }][
    size % 3
  ];
  return { ...world, route: broken, routeVersion: world.routeVersion + 1 };
}

function loseObjects(world: World, size: number): World {
  switch (size % 4) {
    case 0:
      return { ...world, target: undefined };
    case 1:
      return { ...world, stable: undefined };
    case 2:
      return { ...world, services: {} };
    default:
      return { ...world, oldTemplates: {} };
  }
}

/** Somebody broke or removed the status. */
function loseStatus(world: World, size: number): World {
  if (world.status === undefined) return world;
  const statusVersion = world.statusVersion + 1;
  if (size % 2 === 0) return { ...world, status: undefined, statusVersion };
  const { phase: _phase, ...rest } = world.status;
  return { ...world, status: rest, statusVersion };
}
