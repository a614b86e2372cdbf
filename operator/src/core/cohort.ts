/**
 * spec.cohort: whom the weight selects, by a cookie instead of by chance. Every write of a weight brings its rules along; here is when a
 * weight is written again for their sake alone. Rules of decide.ts.
 *
 * @see docs/adr/0027-cohorts.md
 */

import { isCurrent } from './cohort-rules.ts';
import { readRecord } from './route-record.ts';
import type { Draft, Scene } from './scene.ts';

/** Copies follow the user's rule at most this often: what changes them on their way in would have them written for ever. */
const FOLLOW_MS = 10_000;

/** The cookie that the next write goes by; undefined where there is none, or no rule may stand. */
export function cohortOf({ spec, route, run }: Pick<Scene, 'spec' | 'route' | 'run'>): string | undefined {
  const isPossible = route?.cohort !== undefined && route.cohort.obstacle === undefined;
  return isPossible && run.cohortRefused === undefined ? spec.cohortCookie : undefined;
}

/** A Gateway refuses the route while our rules are on it: they go, and the weight alone goes on, with its whole hold. */
export function cohortRefused({ run, route, nowMs }: Scene): Draft | undefined {
  const cookie = isSplit(run.weight) ? readRecord(route?.write)?.cohort : undefined;
  const refusal = route?.cohort?.refusal;
  if (cookie === undefined || refusal === undefined) return undefined;
  const at = new Date(nowMs).toISOString();
  return {
    kind: 'hold',
    reason: 'CohortRefused',
    message: `${refusal}: our two rules leave the route, and ${run.weight}% goes by chance`,
    write: run.weight ?? 0,
    run: { cohortRefused: { cookie, message: refusal.slice(0, 512), at } },
  };
}

/** Another cookie, none any more, an obstacle, or a rule of the user's that has changed under our copies. */
export function cohortOutdated(scene: Scene): Draft | undefined {
  const { run, route, nowMs } = scene;
  const weight = run.weight ?? 0;
  if (route === undefined || run.phase !== 'Progressing' || !isSplit(weight)) return undefined;
  const cookie = cohortOf(scene);
  if (isCurrent(route, cookie, weight)) return undefined;
  const before = readRecord(route.write)?.cohort;
  const isCopyOnly = cookie === before;
  if (isCopyOnly && nowMs - Date.parse(run.writtenAt ?? '') < FOLLOW_MS) return undefined;
  const message = isCopyOnly
    ? `our two rules follow the changed rule ${route.ruleName}`
    : cookie === undefined
      ? `our two rules leave the route: ${route.cohort?.obstacle ?? 'spec.cohort is gone'}`
      : `the buckets of cookie ${cookie} select who is in the ${weight}%`;
  return { kind: 'hold', reason: 'CohortChanged', message, write: weight };
}

/** At 0 and at 100 there is nobody to choose from. */
export function isSplit(weight: number | undefined): boolean {
  return weight !== undefined && weight > 0 && weight < 100;
}
