/**
 * From the JSON Schema that zod makes to the structural schema that a CRD wants. definitions.ts calls it.
 *
 * @see https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema
 */

import type { CelRule } from './rules.ts';

export type Schema = { readonly [key: string]: unknown };

type Rules = Readonly<Record<string, readonly CelRule[]>>;

/** Lists that are maps: two writers may own different entries. Every other list is replaced as a whole. */
const LIST_KEYS: Readonly<Record<string, readonly string[]>> = {
  'status.conditions': ['type'],
  'spec.schedule[].checkpoints': ['name'],
};

/** What zod bounds an integer with when nobody else does; int64 says the same. */
const SAFE_INTEGER = 9_007_199_254_740_991;

/** The schema at `path` made structural, with the CEL rules of its place and of all places below. */
export function toStructural(schema: Schema, path: string, rules: Rules): Schema {
  const structural: Record<string, unknown> = {};
  for (const key of Object.keys(schema)) {
    const kept = keptValue(key, schema, path, rules);
    if (kept !== undefined) structural[key] = kept;
  }
  if (schema['type'] === 'integer') structural['format'] = 'int64';
  if (schema['type'] === 'array') Object.assign(structural, listKind(path));
  const own = rules[path];
  if (own !== undefined) structural['x-kubernetes-validations'] = own;
  return structural;
}

function listKind(path: string): Schema {
  const keys = LIST_KEYS[path];
  if (keys === undefined) return { 'x-kubernetes-list-type': 'atomic' };
  return { 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': keys };
}

function keptValue(key: string, schema: Schema, path: string, rules: Rules): unknown {
  const value = schema[key];
  switch (key) {
    case '$schema':
      return undefined;
    // Structural schemas prune unknown fields, and strict validation (kubectl's default) refuses them by name.
    case 'additionalProperties':
      return undefined;
    case 'minimum':
    case 'maximum':
      return typeof value === 'number' && Math.abs(value) === SAFE_INTEGER ? undefined : value;
    // The apiserver checks the format; zod's expression for it has a thousand characters.
    case 'pattern':
      return schema['format'] === 'date-time' ? undefined : value;
    case 'properties':
      return mapValues(value, (name, child) => toStructural(child, path === '' ? name : `${path}.${name}`, rules));
    case 'items':
      return isSchema(value) ? toStructural(value, `${path}[]`, rules) : undefined;
    case 'default':
      return filled(value, schema);
    case 'type':
    case 'description':
    case 'enum':
    case 'format':
    case 'required':
    case 'minLength':
    case 'maxLength':
    case 'minItems':
    case 'maxItems':
      return value;
    default:
      throw new Error(`${path}: the CRD generator does not know the schema word ${key}; teach structural.ts`);
  }
}

/** A default of {} with the defaults of its fields filled in: CEL rules see the default as it is written here. */
function filled(value: unknown, schema: Schema): unknown {
  const { properties } = schema;
  if (!isSchema(value) || !isSchema(properties)) return value;
  const fields = Object.entries(properties).flatMap(([name, child]): [string, unknown][] => {
    const given = value[name] ?? (isSchema(child) ? child['default'] : undefined);
    return given === undefined || !isSchema(child) ? [] : [[name, filled(given, child)]];
  });
  return Object.fromEntries(fields);
}

function mapValues(value: unknown, change: (name: string, child: Schema) => Schema): Schema {
  if (!isSchema(value)) return {};
  const entries = Object.entries(value).map(([name, child]) => [name, isSchema(child) ? change(name, child) : {}]);
  return Object.fromEntries(entries);
}

function isSchema(value: unknown): value is Schema {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
