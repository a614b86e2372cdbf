/**
 * Our own two rules on the HTTPRoute: what they must be for a weight, and what those on the live route do. route-patch.ts writes them in
 * the weight's own PATCH, route-record.ts counts them into the live weight, drift.ts and cohort.ts compare.
 *
 * @see docs/adr/0027-cohorts.md
 */

import { cohortExpression, escaped, readExpression, type Side } from './cohort-expression.ts';
import type { CohortView, OwnRule, RouteMatch, RouteRule } from './cohort-view.ts';
import type { ProgrammableRoute } from './observation.ts';
import { canonicalJson } from './revision.ts';

export const COHORT_RULES = { canary: 'latchkey-cohort-canary', stable: 'latchkey-cohort-stable' } as const;
const HEADER = 'Cookie';
const EXPRESSION = 'RegularExpression';

export type Wanted = Readonly<Record<Side, RouteRule | undefined>>;

/** The rules for a weight. At 0 and at 100 everybody is on one side and the user's rule says it all: none, as without a cookie. */
export function wantedRules(route: ProgrammableRoute, cookie: string | undefined, weight: number): Wanted {
  const { cohort } = route;
  if (cohort === undefined || cookie === undefined || weight <= 0 || weight >= 100)
    return { canary: undefined, stable: undefined };
  const rule = (side: Side): RouteRule =>
    copyOf(cohort.rule, side, route[side].index, cohortExpression(cookie, side, weight));
  return { canary: rule('canary'), stable: rule('stable') };
}

/** The user's rule with one more condition and one backend; timeouts, filters and all else as they are. */
function copyOf(rule: RouteRule, side: Side, backendIndex: number, value: string): RouteRule {
  const condition = { name: HEADER, type: EXPRESSION, value };
  const matches: readonly RouteMatch[] = rule.matches === undefined || rule.matches.length === 0 ? [{}] : rule.matches;
  return {
    ...rule,
    name: COHORT_RULES[side],
    matches: matches.map((match) => ({ ...match, headers: [...(match.headers ?? []), condition] })),
    backendRefs: (rule.backendRefs ?? []).slice(backendIndex, backendIndex + 1).map((ref) => ({ ...ref, weight: 1 })),
  };
}

/** True when the live rules are, field by field, those of this cookie and weight. */
export function isCurrent(route: ProgrammableRoute, cookie: string | undefined, weight: number): boolean {
  const wanted = wantedRules(route, cookie, weight);
  return SIDES.every(
    (side) => canonicalJson(route.cohort?.[side]?.rule ?? null) === canonicalJson(wanted[side] ?? null),
  );
}

/** True when the live rules send these buckets where we sent them, whatever else of the user's rule has changed since. */
export function isAsWritten(route: ProgrammableRoute, cookie: string | undefined, weight: number): boolean {
  const wanted = wantedRules(route, cookie, weight);
  return SIDES.every((side) => {
    const live = route.cohort?.[side];
    if (live === undefined || wanted[side] === undefined) return live === undefined && wanted[side] === undefined;
    const read = readRule(live, side, route);
    return (
      read?.cookie === escaped(cookie ?? '') && read.weight === weight && read.share === (side === 'canary' ? 100 : 0)
    );
  });
}

/** The canary's share, in percent, of those who have the cookie: between the two where a rule cannot be read. */
export function cohortShare(
  route: ProgrammableRoute,
  weighted: number,
): { readonly least: number; readonly most: number } | undefined {
  const { cohort } = route;
  if (cohort?.canary === undefined && cohort?.stable === undefined) return undefined;
  const canary = cohort.canary && readRule(cohort.canary, 'canary', route);
  const stable = cohort.stable && readRule(cohort.stable, 'stable', route);
  const isReadable = (cohort.canary === undefined) === (canary === undefined);
  if (!isReadable || (cohort.stable === undefined) !== (stable === undefined)) return { least: 0, most: 100 };
  const shareOf = (bucket: number): number => {
    if (canary !== undefined && bucket < canary.weight) return canary.share;
    return stable !== undefined && bucket >= stable.weight ? stable.share : weighted;
  };
  let total = 0;
  for (let bucket = 0; bucket < 100; bucket += 1) total += shareOf(bucket);
  return { least: total / 100, most: total / 100 };
}

const SIDES: readonly Side[] = ['canary', 'stable'];

type Read = { readonly cookie: string; readonly weight: number; readonly share: number };

/** undefined for a rule that lets somebody in on other terms than ours. */
function readRule({ rule }: OwnRule, side: Side, route: ProgrammableRoute): Read | undefined {
  const expressions = new Set((rule.matches ?? [{}]).map(expressionOf));
  const [only] = expressions;
  const read = only === undefined || expressions.size > 1 ? undefined : readExpression(only);
  const refs = rule.backendRefs ?? [];
  const total = refs.reduce((sum, ref) => sum + (ref.weight ?? 1), 0);
  if (read?.side !== side || total === 0) return undefined;
  const canary = refs.filter(({ name }) => name === route.canary.name);
  const share = (canary.reduce((sum, ref) => sum + (ref.weight ?? 1), 0) * 100) / total;
  return { cookie: read.cookie, weight: read.weight, share };
}

function expressionOf({ headers = [] }: RouteMatch): string | undefined {
  const conditions = headers.filter(isCookie);
  const [only] = conditions;
  return conditions.length === 1 && only?.type === EXPRESSION ? only.value : undefined;
}

/** Header names know no case. */
export function isCookie({ name }: { readonly name?: string | undefined }): boolean {
  return name?.toLowerCase() === 'cookie';
}

/** Both rules that are there, for messages. */
export function ownRuleNames(cohort: CohortView | undefined): readonly string[] {
  return SIDES.filter((side) => cohort?.[side] !== undefined).map((side) => COHORT_RULES[side]);
}
