/** What the operator's next write changes on the live route. Pure; plan.ts calls it, plan-view.ts draws it. */
import { isSplit } from '../core/cohort.ts';
import { COHORT_RULES } from '../core/cohort-rules.ts';
import type { ProgrammableRoute } from '../core/observation.ts';
import { stableNameOf } from '../core/revision.ts';
import { FENCE_ANNOTATION, WRITE_ANNOTATION } from '../core/route-record.ts';
import { nextStep } from '../core/schedule.ts';
import type { Spec } from '../core/spec.ts';
import type { Status } from '../core/status.ts';

export interface RouteDiff {
  readonly httpRoute: string;
  readonly rule: string;
  readonly backends: readonly [BackendDiff, BackendDiff];
  readonly when: string;
  /** Annotations that the write adds or changes; nothing else of the route is touched. */
  readonly annotations: readonly string[];
  /** What becomes of spec.cohort in the write; undefined without one. */
  readonly cohort: string | undefined;
  /** A Gateway reports the route as accepted. */
  readonly isAccepted: boolean;
}

export interface BackendDiff {
  readonly name: string;
  readonly from: number;
  readonly to: number;
}

/** Gateway API's weight of a backendRef that names none. */
const DEFAULT_WEIGHT = 1;

/** @returns undefined where no write is to come: every step is passed */
export function routeDiff(route: ProgrammableRoute, spec: Spec, status: Status | undefined): RouteDiff | undefined {
  const isAdopted = status?.phase !== undefined && status.phase !== 'Initializing';
  const next = isAdopted ? nextStep(spec.schedule, status.weight ?? 0) : undefined;
  if (isAdopted && next === undefined) return undefined;
  const canary = next?.step.weight ?? 0;
  const diff = (name: string, from = DEFAULT_WEIGHT, to = 0): BackendDiff => ({ name, from, to });
  return {
    httpRoute: spec.httpRoute,
    rule: route.ruleName,
    backends: [
      diff(route.stable.name, route.stable.weight, 100 - canary),
      diff(route.canary.name, route.canary.weight, canary),
    ],
    when:
      next === undefined ? `when ${stableNameOf(spec.targetName)} is ready` : `when step ${next.index + 1} is entered`,
    annotations: [FENCE_ANNOTATION, WRITE_ANNOTATION],
    cohort: cohortText(route, spec, canary),
    isAccepted: route.accepted,
  };
}

function cohortText(route: ProgrammableRoute, { cohortCookie }: Spec, weight: number): string | undefined {
  if (cohortCookie === undefined) return undefined;
  const obstacle = route.cohort?.obstacle;
  if (obstacle !== undefined) return `no rules for cookie ${cohortCookie}: ${obstacle}`;
  const names = `${COHORT_RULES.canary} and ${COHORT_RULES.stable}`;
  return isSplit(weight)
    ? `rules ${names}: buckets 0 to ${weight - 1} of cookie ${cohortCookie} on the canary`
    : `rules ${names}: none at ${weight} %`;
}
