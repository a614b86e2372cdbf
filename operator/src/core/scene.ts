/**
 * What every rule of decide.ts looks at, and the draft that a rule answers with. decide.ts sets the scene, asks the rules
 * in order and finishes the first draft.
 */

import type { Judgement } from './judge.ts';
import type { Severity } from './matrix.ts';
import type { DecisionKind, DeploymentView, Observation, ProgrammableRoute } from './observation.ts';
import type { Reason } from './reason.ts';
import { canaryReplicas, isFullyReady } from './revision.ts';
import { liveWeight } from './route-record.ts';
import type { Run } from './run.ts';
import type { Spec } from './spec.ts';

/** What shall be true of the cluster; 'leave' means that this pass has no business with it. */
export type Want = {
  /** A number only when the route must be written in this pass. */
  readonly weight: number | 'leave';
  /** 'at-least' never scales down, 'exactly' does. */
  readonly canaryReplicas: 'leave' | { readonly kind: 'at-least' | 'exactly'; readonly replicas: number };
  /** Which template stable shall have: the target's, or the one of status.stableRevision. */
  readonly stable: 'leave' | 'target-template' | 'previous-template';
  /** 'detached': the canary Service selects stable's pods. */
  readonly canaryService: 'leave' | 'attached' | 'detached';
  /** 'release': take the finalizer off, the last thing of a deletion. */
  readonly finalizer: 'leave' | 'add' | 'release';
};

export type Scene = {
  readonly observation: Observation;
  readonly judgement: Judgement;
  readonly spec: Spec;
  readonly run: Run;
  /** Undefined when the route, its rule or its backends are not there. */
  readonly route: ProgrammableRoute | undefined;
  /** The canary's percent on the live route. */
  readonly live: number | undefined;
  readonly nowMs: number;
};

/** Sets the scene for the rules. */
export function sceneOf(observation: Observation, judgement: Judgement, spec: Spec, run: Run): Scene {
  const route = observation.route.kind === 'programmable' ? observation.route : undefined;
  const live = route === undefined ? undefined : liveWeight(route);
  return { observation, judgement, spec, run, route, live, nowMs: observation.nowMs };
}

/** A rule's answer. What it leaves out stays as it is. */
export type Draft = {
  readonly kind: DecisionKind;
  readonly reason: Reason;
  readonly message: string;
  readonly severity?: Severity;
  /** The weight the route shall have, with the record of this decision; the run follows from the record. */
  readonly write?: number;
  /** The step the record names; the run's own without it. */
  readonly stepIndex?: number;
  /** The revision the record names; the run's own without it. */
  readonly revision?: string;
  /** Changes of the run that no record tells. */
  readonly run?: Partial<Run>;
  readonly want?: Partial<Want>;
};

export type Rule = (scene: Scene) => Draft | undefined;

/** True while requests reach the canary, or may. */
export function isExposed({ run, live }: Pick<Scene, 'run' | 'live'>): boolean {
  const isUnproven = run.zero !== undefined && run.zero.provenAtMs === undefined;
  return (live ?? run.weight ?? 0) > 0 || (run.weight ?? 0) > 0 || isUnproven;
}

/** Replicas that the canary needs for a weight. */
export function replicasFor({ spec, observation }: Scene, weight: number): number {
  return canaryReplicas(spec.replicas ?? observation.stable?.replicas ?? 1, weight);
}

/** True when the canary can carry the weight now. */
export function hasCapacity(target: DeploymentView, replicas: number): boolean {
  return isFullyReady(target, replicas);
}

/** The template that stable shall have while the run is not promoting. */
export function stableToRestore({ observation, run }: Scene): Want['stable'] {
  const { stable } = observation;
  if (run.stableRevision === undefined || stable?.revision === run.stableRevision) return 'leave';
  return 'previous-template';
}
