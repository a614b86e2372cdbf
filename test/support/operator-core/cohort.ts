/** An HTTPRoute as JSON with the operator's patches applied to it. Used by the tests of cohorts. */
import type { ProgrammableRoute, WriteRecord } from '../../../operator/src/core/observation.ts';
import { type PatchOperation, weightPatch } from '../../../operator/src/core/route-patch.ts';
import { readRoute } from '../../../operator/src/objects.ts';

export type Json = { [key: string]: unknown };

/** The parts of a route that tests look at. */
export class RouteJson {
  readonly object: Json;
  readonly #rules: readonly Json[];

  constructor(rules: readonly Json[], annotations: Json = { 'latchkey.dev/fence': '1' }) {
    this.#rules = rules;
    this.object = {
      metadata: { name: 'api', uid: 'r', resourceVersion: '1', generation: 1, annotations },
      spec: { rules },
    };
  }

  get rules(): readonly Json[] {
    return this.#rules;
  }

  /** As observe.ts sees it. */
  view(hasCohort = true): ProgrammableRoute {
    const place = { rule: 'api', stableService: 'api-stable', canaryService: 'api-canary', hasCohort };
    const view = readRoute(this.object, place);
    if (view.kind !== 'programmable') throw new Error(view.kind);
    return view;
  }

  /** Everything but the two weights and our own rules. */
  others(): unknown {
    const users = this.#rules.filter(({ name }) => !String(name).startsWith('latchkey-cohort-'));
    return JSON.parse(JSON.stringify(users, (key, value: unknown) => (key === 'weight' ? undefined : value)));
  }

  ownCount(): number {
    return this.#rules.filter(({ name }) => String(name).startsWith('latchkey-cohort-')).length;
  }

  own(side: 'canary' | 'stable'): Json {
    const rule = this.#rules.find(({ name }) => name === `latchkey-cohort-${side}`);
    if (rule === undefined) throw new Error(`no rule for ${side}`);
    return rule;
  }

  annotations(): Json {
    const { metadata } = this.object as { metadata: { annotations: Json } };
    return metadata.annotations;
  }

  with(change: (rules: readonly Json[]) => readonly Json[]): RouteJson {
    return new RouteJson(change(structuredClone(this.#rules)), this.annotations());
  }
}

const backend = (name: string, weight: number): Json => ({ group: '', kind: 'Service', name, port: 80, weight });
export const usersRule = (matches: readonly Json[] = [{ path: { type: 'PathPrefix', value: '/api' } }]): Json => ({
  name: 'api',
  matches,
  filters: [{ type: 'RequestHeaderModifier', requestHeaderModifier: { set: [{ name: 'x-kept', value: 'yes' }] } }],
  backendRefs: [backend('api-stable', 100), backend('api-canary', 0)],
  timeouts: { request: '15s' },
});
export const otherRule = (name: string, match: Json): Json => ({
  name,
  matches: [match],
  backendRefs: [backend(name, 3)],
});

/** The user's rule with `before` rules of others before it and one behind it. */
export function cohortRoute(before = 1): RouteJson {
  const docs = (index: number): Json =>
    otherRule(`docs-${index}`, { path: { type: 'PathPrefix', value: `/docs/${index}` } });
  const first = Array.from({ length: before }, (_, index) => docs(index));
  return new RouteJson([...first, usersRule(), docs(9)]);
}

export interface Move {
  readonly weight: number;
  readonly cookie: string | undefined;
}

/** The route after the operator's write. @throws when a test of the patch fails */
export function patched(route: RouteJson, { weight, cookie }: Move): RouteJson {
  const record: WriteRecord = {
    weight,
    revision: 'aaaaaaaaaa',
    stepIndex: 0,
    decision: 'advance',
    reason: 'Advanced',
    at: '2030-01-01T00:00:00.000Z',
    ...(cookie === undefined || weight === 0 || weight === 100 ? {} : { cohort: cookie }),
  };
  return applied(route, weightPatch(route.view(), record, 1));
}

/** RFC 6902, as far as our patches reach. */
export function applied(route: RouteJson, operations: readonly PatchOperation[]): RouteJson {
  const object = structuredClone(route.object);
  for (const operation of operations) carryOut(object, operation);
  const { metadata, spec } = object as { metadata: { annotations: Json }; spec: { rules: readonly Json[] } };
  return new RouteJson(spec.rules, metadata.annotations);
}

function carryOut(object: Json, operation: PatchOperation): void {
  const keys = operation.path
    .slice(1)
    .split('/')
    .map((key) => key.replaceAll('~1', '/').replaceAll('~0', '~'));
  const last = keys.pop() ?? '';
  const holder = keys.reduce<unknown>((within, key) => (within as Json)[key], object) as Json | unknown[];
  if (operation.op === 'test') {
    if (JSON.stringify((holder as Json)[last]) !== JSON.stringify(operation.value))
      throw new Error(`the test of ${operation.path} failed`);
  } else if (operation.op === 'remove') {
    if (!Array.isArray(holder) || holder[Number(last)] === undefined) throw new Error(`nothing at ${operation.path}`);
    holder.splice(Number(last), 1);
  } else if (Array.isArray(holder) && last === '-') holder.push(operation.value);
  else {
    if (operation.op === 'replace' && (holder as Json)[last] === undefined)
      throw new Error(`nothing at ${operation.path}`);
    (holder as Json)[last] = operation.value;
  }
}
