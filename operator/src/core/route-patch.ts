/**
 * The one PATCH of a pass on the HTTPRoute, as RFC 6902 operations. plan.ts puts it into an action, act.ts sends it.
 * Tests first: the rule, both backends, and the fence that we saw, so that neither a rewritten route nor a newer leader is
 * overwritten. Nothing but two weights, two annotations and, for a cohort, two rules of our own is touched.
 *
 * @see https://www.rfc-editor.org/rfc/rfc6902
 */

import { COHORT_RULES, wantedRules } from './cohort-rules.ts';
import type { ProgrammableRoute, WriteRecord } from './observation.ts';
import { FENCE_ANNOTATION, WRITE_ANNOTATION } from './route-record.ts';

export type PatchOperation =
  | { readonly op: 'test' | 'add' | 'replace'; readonly path: string; readonly value: unknown }
  | { readonly op: 'remove'; readonly path: string };

/**
 * Both weights, the record and the fence. A weight above 0 also tests the weights it was decided on: what was meant to
 * lower them would raise them when somebody has gone lower since. Weight 0 cannot raise, so nothing may refuse it.
 */
export function weightPatch(route: ProgrammableRoute, record: WriteRecord, token: number): readonly PatchOperation[] {
  return [
    ...structureTests(route),
    ...fenceTests(route),
    ...ownRules(route).map(({ index, name }) => test(`/spec/rules/${index}/name`, name)),
    ...(record.weight > 0 ? ownershipTests(route) : []),
    { op: 'add', path: weightPath(route, route.stable.index), value: 100 - record.weight },
    { op: 'add', path: weightPath(route, route.canary.index), value: record.weight },
    ...cohortWrites(route, record),
    ...annotations(route, { [FENCE_ANNOTATION]: String(token), [WRITE_ANNOTATION]: JSON.stringify(record) }),
  ];
}

type OwnRuleAt = {
  readonly index: number;
  readonly name: string;
  readonly rule: unknown;
};

function ownRules({ cohort }: ProgrammableRoute): readonly OwnRuleAt[] {
  return SIDES.flatMap((side) => {
    const live = cohort?.[side];
    return live === undefined ? [] : [{ name: COHORT_RULES[side], ...live }];
  });
}

const SIDES = ['canary', 'stable'] as const;

/**
 * Behind the weights, since until here every index is the one that was read; removals from the end for the same reason. Canary always
 * stands before stable: should a browser send the cookie twice, gateways take the first rule that fits.
 */
function cohortWrites(route: ProgrammableRoute, { cohort, weight }: WriteRecord): readonly PatchOperation[] {
  const wanted = wantedRules(route, cohort, weight);
  const rules = SIDES.flatMap((side) => wanted[side] ?? []);
  const indices = ownRules(route).map(({ index }) => index);
  const isInPlace = rules.length === indices.length && indices.every((index, at) => index > (indices[at - 1] ?? -1));
  if (isInPlace) return rules.map((value, at) => ({ op: 'replace', path: `/spec/rules/${indices[at]}`, value }));
  return [
    ...indices
      .toSorted((left, right) => right - left)
      .map((index): PatchOperation => ({ op: 'remove', path: `/spec/rules/${index}` })),
    ...rules.map((value): PatchOperation => ({ op: 'add', path: '/spec/rules/-', value })),
  ];
}

function test(path: string, value: unknown): PatchOperation {
  return { op: 'test', path, value };
}

/** The fence alone: what a new leader writes first, so that the old one's next write fails its test. */
export function fencePatch(route: ProgrammableRoute, token: number): readonly PatchOperation[] {
  return [...fenceTests(route), ...annotations(route, { [FENCE_ANNOTATION]: String(token) })];
}

function structureTests(route: ProgrammableRoute): readonly PatchOperation[] {
  const rule = `/spec/rules/${route.ruleIndex}`;
  return [
    { op: 'test', path: `${rule}/name`, value: route.ruleName },
    { op: 'test', path: `${rule}/backendRefs/${route.stable.index}/name`, value: route.stable.name },
    { op: 'test', path: `${rule}/backendRefs/${route.canary.index}/name`, value: route.canary.name },
  ];
}

/** JSON Patch cannot test that a member is absent; until the fence exists the resourceVersion stands in for it. */
function fenceTests(route: ProgrammableRoute): readonly PatchOperation[] {
  if (route.fence === undefined) return [resourceVersionTest(route)];
  return [{ op: 'test', path: annotationPath(FENCE_ANNOTATION), value: route.fence }];
}

function ownershipTests(route: ProgrammableRoute): readonly PatchOperation[] {
  return [
    { op: 'test', path: weightPath(route, route.stable.index), value: route.stable.weight },
    { op: 'test', path: weightPath(route, route.canary.index), value: route.canary.weight },
    ...ownRules(route).map(({ index, rule }) => test(`/spec/rules/${index}`, rule)),
    route.write === undefined
      ? resourceVersionTest(route)
      : { op: 'test', path: annotationPath(WRITE_ANNOTATION), value: route.write },
  ];
}

function resourceVersionTest(route: ProgrammableRoute): PatchOperation {
  return { op: 'test', path: '/metadata/resourceVersion', value: route.resourceVersion };
}

function annotations(route: ProgrammableRoute, values: Readonly<Record<string, string>>): readonly PatchOperation[] {
  const writes = Object.entries(values).map(
    ([key, value]): PatchOperation => ({ op: 'add', path: annotationPath(key), value }),
  );
  return route.hasAnnotations ? writes : [{ op: 'add', path: '/metadata/annotations', value: {} }, ...writes];
}

function weightPath(route: ProgrammableRoute, backendIndex: number): string {
  return `/spec/rules/${route.ruleIndex}/backendRefs/${backendIndex}/weight`;
}

/** RFC 6901: a slash inside a key is written ~1. */
function annotationPath(key: string): string {
  return `/metadata/annotations/${key.replaceAll('/', '~1')}`;
}
