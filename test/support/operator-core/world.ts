/**
 * A small simulated world for the core: one route, two Deployments, two Services, one status, one Lease. seeing.ts turns it
 * into observations, doing.ts applies plans to it action by action. Worlds are values: every change makes a new one, so
 * that a test can keep any moment and go on from it twice.
 */

import type { ApprovalsView } from '../../../operator/src/core/approval.ts';
import type { JobView } from '../../../operator/src/core/checkpoints.ts';
import type { Labels, PodTemplate, Sample } from '../../../operator/src/core/observation.ts';
import type { Status } from '../../../operator/src/core/status.ts';

export type Json = { readonly [key: string]: unknown };

/** What the canary does; the world turns it into samples and sentinel counts. */
export type Health =
  | 'good'
  | 'P0'
  | 'P1'
  | 'P2'
  | 'P3'
  | 'complaints'
  | 'reported'
  | 'blind'
  | 'thin'
  | 'silent'
  | 'dataLoss'
  | 'alertP0'
  | 'alertP2'
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
  /** What the shell would find if the status asked. */
  readonly approvals: ApprovalsView;
  /** What a checkpoint's query and Job would say. */
  readonly figure: Sample;
  readonly job: JobView;
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
    approvals: { kind: 'read', approvals: [], guard: 'not-asked' },
    figure: { kind: 'value', value: 0 },
    job: { kind: 'missing' },
  };
}

/** The world after a changed pod template of the target. */
export function deploy(world: World, number: number): World {
  const revision = REVISION(number);
  if (world.target === undefined || world.target.revision === revision) return world;
  return converge({ ...world, target: { ...world.target, revision, template: template(revision), updated: 0 } });
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
