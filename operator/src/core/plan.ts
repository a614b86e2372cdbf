/**
 * From a decision to the ordered list of writes. reconcile.ts hands the list to act.ts, which carries it out in order and
 * stops at the first that fails; the next pass plans anew from what it sees. Every action is idempotent.
 *
 * The order is the point: a write that lowers the weight is always first. Capacity comes before a write that raises it, and
 * decide.ts asks for such a write only once that capacity is ready, so a rise is last and alone.
 */

import type { Decision } from './decide.ts';
import type { Labels, Observation, PodTemplate } from './observation.ts';
import {
  canaryServiceOf,
  REVISION_LABEL,
  stableNameOf,
  stableSelector,
  stableServiceOf,
  stableTemplate,
} from './revision.ts';
import { fencePatch, type PatchOperation, weightPatch } from './route-patch.ts';
import { liveWeight, readFence } from './route-record.ts';

export type { PatchOperation };

export type Action =
  /** One PATCH on the HTTPRoute: tests, both weights, fence and record. `weight` and `lowers` are for logs and metrics. */
  | {
      readonly kind: 'write-route';
      readonly weight: number;
      readonly lowers: boolean;
      readonly patch: readonly PatchOperation[];
    }
  /** Annotation only: our token becomes the route's fence. */
  | { readonly kind: 'claim-fence'; readonly token: number; readonly patch: readonly PatchOperation[] }
  | { readonly kind: 'create-service'; readonly name: string; readonly selector: Labels }
  /** Replaces spec.selector as a whole: a merge would keep keys that the new selector does not have. */
  | { readonly kind: 'set-service-selector'; readonly name: string; readonly selector: Labels }
  /** The shell adds ownerReferences, strategy maxUnavailable 0 and revisionHistoryLimit 10. */
  | {
      readonly kind: 'create-stable';
      readonly name: string;
      readonly replicas: number;
      readonly selector: Labels;
      readonly template: PodTemplate;
    }
  | {
      readonly kind: 'set-stable-template';
      readonly name: string;
      readonly template: PodTemplate;
      readonly revision: string;
    }
  /** Through deployments/scale. */
  | { readonly kind: 'scale'; readonly name: string; readonly replicas: number }
  | { readonly kind: 'add-finalizer' }
  | { readonly kind: 'remove-finalizer' };

/** What act.ts reports. `conflict`: a test of the patch failed, so read and decide again at once. */
export type Outcome =
  | { readonly kind: 'done' }
  | { readonly kind: 'conflict' | 'failed'; readonly at: number; readonly code: string };

/** The writes that make the decision true, in the order in which they must happen. */
export function plan(observation: Observation, decision: Decision): readonly Action[] {
  if (decision.isDeposed) return [];
  const write = routeWrite(observation, decision);
  const lowering = write.filter((action) => action.lowers);
  const others = write.filter((action) => !action.lowers);
  return [
    ...lowering,
    ...(write.length === 0 ? fenceClaim(observation) : []),
    ...(decision.want.finalizer === 'add' ? [{ kind: 'add-finalizer' as const }] : []),
    ...services(observation, decision),
    ...stableWrites(observation, decision),
    ...canaryScale(observation, decision),
    ...others,
    ...(decision.want.finalizer === 'release' && observation.rollout.hasFinalizer
      ? [{ kind: 'remove-finalizer' as const }]
      : []),
  ];
}

type RouteWrite = Extract<Action, { kind: 'write-route' }>;

function routeWrite({ route, leader }: Observation, { want, record }: Decision): readonly RouteWrite[] {
  if (route.kind !== 'programmable' || want.weight === 'leave' || record === undefined) return [];
  const lowers = want.weight < liveWeight(route);
  return [{ kind: 'write-route', weight: want.weight, lowers, patch: weightPatch(route, record, leader.token) }];
}

function fenceClaim({ route, leader, rollout }: Observation): readonly Action[] {
  if (route.kind !== 'programmable' || rollout.deleting || readFence(route.fence) === leader.token) return [];
  return [{ kind: 'claim-fence', token: leader.token, patch: fencePatch(route, leader.token) }];
}

/** Services are made only when they are missing; of one that exists only the canary's selector is ever changed. */
function services({ target, services: seen, rollout }: Observation, { want }: Decision): readonly Action[] {
  if (target === undefined || rollout.deleting) return [];
  const actions: Action[] = [];
  const stable = stableSelector(target);
  if (seen.stable === undefined) {
    actions.push({ kind: 'create-service', name: stableServiceOf(target.name), selector: stable });
  }
  const name = canaryServiceOf(target.name);
  if (seen.canary === undefined) {
    actions.push({
      kind: 'create-service',
      name,
      selector: want.canaryService === 'detached' ? stable : target.selector,
    });
  } else if (want.canaryService !== 'leave') {
    const selector = want.canaryService === 'detached' ? stable : target.selector;
    if (!isSame(seen.canary.selector, selector)) actions.push({ kind: 'set-service-selector', name, selector });
  }
  return actions;
}

function stableWrites(observation: Observation, { want, run }: Decision): readonly Action[] {
  const { target, stable, previousTemplate, spec, rollout } = observation;
  if (target === undefined || rollout.deleting) return [];
  const name = stableNameOf(target.name);
  const wanted = spec.kind === 'valid' ? spec.spec.replicas : undefined;
  const template =
    want.stable === 'target-template'
      ? stableTemplate(target)
      : want.stable === 'previous-template'
        ? previousTemplate
        : undefined;
  if (stable === undefined) {
    if (template === undefined) return [];
    const replicas = wanted ?? Math.max(1, target.replicas);
    return [{ kind: 'create-stable', name, replicas, selector: stableSelector(target), template }];
  }
  const actions: Action[] = [];
  const revision = want.stable === 'target-template' ? target.revision : (run.stableRevision ?? '');
  if (template !== undefined && stable.revision !== revision) {
    actions.push({ kind: 'set-stable-template', name, template: withRevision(template, revision), revision });
  }
  if (wanted !== undefined && stable.replicas !== wanted) actions.push({ kind: 'scale', name, replicas: wanted });
  return actions;
}

/** A ReplicaSet's template also carries pod-template-hash, which belongs to the ReplicaSet. */
function withRevision(template: PodTemplate, revision: string): PodTemplate {
  const labels = Object.entries(template.metadata?.labels ?? {}).filter(([key]) => key !== 'pod-template-hash');
  return {
    ...template,
    metadata: { ...template.metadata, labels: { ...Object.fromEntries(labels), [REVISION_LABEL]: revision } },
  };
}

function canaryScale({ target, rollout }: Observation, { want }: Decision): readonly Action[] {
  if (target === undefined || rollout.deleting || want.canaryReplicas === 'leave') return [];
  const { kind, replicas } = want.canaryReplicas;
  const isRight = kind === 'exactly' ? target.replicas === replicas : target.replicas >= replicas;
  return isRight ? [] : [{ kind: 'scale', name: target.name, replicas }];
}

function isSame(left: Labels, right: Labels): boolean {
  const keys = Object.keys(left);
  return keys.length === Object.keys(right).length && keys.every((key) => left[key] === right[key]);
}
