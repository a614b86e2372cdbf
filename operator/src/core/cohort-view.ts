/**
 * The HTTPRoute's rules as far as cohorts need them: ours, the one they are copied from, and why they could not stand beside the others.
 * objects.ts calls viewCohort; the result is part of the observation.
 *
 * @see docs/adr/0027-cohorts.md
 */

import * as z from 'zod';
import { cohortObstacle } from './cohort-obstacle.ts';
import { COHORT_RULES } from './cohort-rules.ts';

const header = z.looseObject({
  name: z.string().optional(),
  type: z.string().optional(),
  value: z.string().optional(),
});
const match = z.looseObject({
  path: z.looseObject({ type: z.string().optional(), value: z.string().optional() }).optional(),
  method: z.string().optional(),
  headers: z.array(header).optional(),
  queryParams: z.array(z.unknown()).optional(),
});
const backendRef = z.looseObject({ name: z.string().optional(), weight: z.number().optional() });
const rule = z.looseObject({
  name: z.string().optional(),
  matches: z.array(match).optional(),
  backendRefs: z.array(backendRef).optional(),
});
const rules = z.array(rule);

export type RouteMatch = Readonly<z.infer<typeof match>>;
export type RouteRule = Readonly<z.infer<typeof rule>>;
export type OwnRule = { readonly index: number; readonly rule: RouteRule };

export type CohortView = {
  /** The user's rule as it stands: ours are copies of it. */
  readonly rule: RouteRule;
  readonly canary: OwnRule | undefined;
  readonly stable: OwnRule | undefined;
  /** Why no rule of ours may stand on this route, with what to change. */
  readonly obstacle: string | undefined;
  /** What a Gateway says against the route in its present generation. */
  readonly refusal: string | undefined;
};

/** @returns undefined where nobody asks for a cohort and no rule of ours is there, or the rules have no shape that we know */
export function viewCohort(
  found: unknown,
  ruleName: string,
  { isAsked, refusal }: { readonly isAsked: boolean; readonly refusal: string | undefined },
): CohortView | undefined {
  const all = rules.safeParse(found).data ?? [];
  const own = (name: string): OwnRule | undefined => {
    const index = all.findIndex((one) => one.name === name);
    const there = all[index];
    return there && { index, rule: there };
  };
  const canary = own(COHORT_RULES.canary);
  const stable = own(COHORT_RULES.stable);
  const users = all.find(({ name }) => name === ruleName);
  if (users === undefined || (!isAsked && canary === undefined && stable === undefined)) return undefined;
  return { rule: users, canary, stable, obstacle: cohortObstacle(all, users), refusal };
}
