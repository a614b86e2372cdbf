/** A JSON Schema as rows for people: each field with its type and what it must be. Called by page.ts. */
import { z } from 'zod';
import type { JsonSchema } from './schemas.ts';

export interface FieldRow {
  /** With its parents: `user.id`, `items[].name`. */
  readonly name: string;
  readonly type: string;
  readonly notes: string;
}

const DEPTH = 4;
const REFERENCE = '#/components/schemas/';

const anything = z.record(z.string(), z.unknown());
const shape = z.looseObject({
  $ref: z.string().optional(),
  type: z.union([z.string(), z.array(z.string())]).optional(),
  format: z.string().optional(),
  description: z.string().optional(),
  pattern: z.string().optional(),
  enum: z.array(z.unknown()).optional(),
  minimum: z.number().optional(),
  maximum: z.number().optional(),
  minLength: z.number().optional(),
  maxLength: z.number().optional(),
  required: z.array(z.string()).optional(),
  properties: z.record(z.string(), anything).optional(),
  items: anything.optional(),
  anyOf: z.array(anything).optional(),
  oneOf: z.array(anything).optional(),
  allOf: z.array(anything).optional(),
});
type Shape = z.infer<typeof shape>;

type Components = JsonSchema;

const followed = (schema: JsonSchema, components: Components): Shape => {
  const parsed = shape.parse(schema);
  const target =
    parsed.$ref === undefined ? undefined : anything.safeParse(components[parsed.$ref.slice(REFERENCE.length)]);
  return target?.success ? followed(target.data, components) : parsed;
};

const typeOf = (parsed: Shape, components: Components): string => {
  const choices = parsed.anyOf ?? parsed.oneOf;
  if (choices !== undefined) return choices.map((each) => typeOf(followed(each, components), components)).join(' or ');
  const own = [parsed.type ?? 'any'].flat().join(' or ');
  if (own === 'array' && parsed.items !== undefined)
    return `array of ${typeOf(followed(parsed.items, components), components)}`;
  return parsed.format === undefined ? own : `${own} (${parsed.format})`;
};

const notesOf = (parsed: Shape): string =>
  [
    parsed.description,
    parsed.enum === undefined ? undefined : `One of ${parsed.enum.map((value) => `\`${String(value)}\``).join(', ')}.`,
    parsed.minLength === undefined ? undefined : `At least ${parsed.minLength} characters.`,
    parsed.maxLength === undefined ? undefined : `At most ${parsed.maxLength} characters.`,
    parsed.minimum === undefined ? undefined : `At least ${parsed.minimum}.`,
    parsed.maximum === undefined ? undefined : `At most ${parsed.maximum}.`,
    parsed.pattern === undefined ? undefined : `Matches \`${parsed.pattern}\`.`,
  ]
    .filter((note) => note !== undefined)
    .join(' ');

const below = (parsed: Shape, components: Components): readonly Shape[] =>
  [...(parsed.allOf ?? []), ...(parsed.anyOf ?? []), ...(parsed.oneOf ?? [])].map((each) => followed(each, components));

/** The fields of an object, of each of its alternatives, and of what an array holds. */
export const fieldRows = (schema: JsonSchema, components: Components, prefix = '', depth = 0): readonly FieldRow[] => {
  if (depth > DEPTH) return [];
  const parsed = followed(schema, components);
  const inner = below(parsed, components).flatMap((each) => fieldRows(each, components, prefix, depth + 1));
  const items =
    parsed.items === undefined ? [] : fieldRows(parsed.items, components, `${prefix.replace(/\.$/, '')}[].`, depth + 1);
  const required = new Set(parsed.required);
  const own = Object.entries(parsed.properties ?? {}).flatMap(([name, property]) => {
    const field = followed(property, components);
    const optional = required.has(name) || parsed.required === undefined ? '' : 'Optional. ';
    const row = {
      name: `${prefix}${name}`,
      type: typeOf(field, components),
      notes: `${optional}${notesOf(field)}`.trim(),
    };
    return [row, ...fieldRows(property, components, `${prefix}${name}.`, depth + 1)];
  });
  return [...own, ...inner, ...items];
};
