/**
 * Why rules of our own may not stand on a route: limits of the Gateway API, or requests that a rule of the user's would lose to them.
 * Called by cohort-view.ts.
 *
 * @see https://gateway-api.sigs.k8s.io/reference/spec/#httprouterule (which rule a request goes to)
 */

import { COHORT_RULES, isCookie } from './cohort-rules.ts';
import type { RouteMatch, RouteRule } from './cohort-view.ts';

const MAX_RULES = 16;
const MAX_MATCHES = 128;
const MAX_HEADERS = 16;

/** A sentence that says what to change; undefined where two rules of ours can be added. */
export function cohortObstacle(all: readonly RouteRule[], users: RouteRule): string | undefined {
  const others = all.filter(({ name }) => name !== COHORT_RULES.canary && name !== COHORT_RULES.stable);
  const matches = matchesOf(users);
  const name = `rule ${users.name ?? ''}`;
  if (matches.some(({ headers = [] }) => headers.some(isCookie)))
    return `${name} already asks for a Cookie header, and a match can ask for a header only once: move that into another rule`;
  if (matches.some(({ headers = [] }) => headers.length >= MAX_HEADERS))
    return `a match of ${name} has ${MAX_HEADERS} headers, the most that one may have: take one away`;
  if (others.length + 2 > MAX_RULES)
    return `the route has ${others.length} rules of at most ${MAX_RULES}, and a cohort needs two more: move some into another HTTPRoute`;
  const count = others.reduce((sum, other) => sum + matchesOf(other).length, 0) + 2 * matches.length;
  if (count > MAX_MATCHES)
    return `the route would have ${count} matches of at most ${MAX_MATCHES}, since a cohort repeats those of ${name} twice: join some, or move other rules into another HTTPRoute`;
  const robbed = others.find((other) => other !== users && wouldLose(all, other, users));
  return (
    robbed &&
    `rule ${robbed.name ?? all.indexOf(robbed)} would lose requests of users in the cohort, since a header counts for more than its conditions: give it a path of its own, or a method`
  );
}

function matchesOf({ matches = [] }: RouteRule): readonly RouteMatch[] {
  return matches.length === 0 ? [{}] : matches;
}

/** True when a request that this rule gets beside the user's would go to a copy of the user's with one header more. */
function wouldLose(all: readonly RouteRule[], other: RouteRule, users: RouteRule): boolean {
  const isEarlier = all.indexOf(other) < all.indexOf(users);
  return matchesOf(other).some((theirs) =>
    matchesOf(users).some((ours) => {
      if (rank(theirs) !== rank(ours)) return false;
      const [headers, queries] = [
        size(theirs.headers) - size(ours.headers),
        size(theirs.queryParams) - size(ours.queryParams),
      ];
      const wonBefore = headers > 0 || (headers === 0 && (queries > 0 || (queries === 0 && isEarlier)));
      // Ours stand last: a tie goes to the rule before them.
      const winsAfter = headers > 1 || (headers === 1 && queries >= 0);
      return wonBefore && !winsAfter;
    }),
  );
}

/** What decides before headers do, where both can match the same request: path and method. */
function rank({ path, method }: RouteMatch): string {
  return JSON.stringify([path?.type ?? 'PathPrefix', path?.value ?? '/', method ?? null]);
}

function size(list: readonly unknown[] | undefined): number {
  return list?.length ?? 0;
}
