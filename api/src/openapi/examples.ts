/** An example of what a JSON Schema describes, always the same one. Called by document.ts; a test holds each example against its schema. */
import { z } from 'zod';
import type { JsonSchema } from './schemas.ts';

const REFERENCE = '#/components/schemas/';

const shape = z.looseObject({
  $ref: z.string().optional(),
  examples: z.array(z.unknown()).optional(),
  const: z.unknown().optional(),
  enum: z.array(z.unknown()).optional(),
  default: z.unknown().optional(),
  type: z.union([z.string(), z.array(z.string())]).optional(),
  format: z.string().optional(),
  minimum: z.number().optional(),
  exclusiveMinimum: z.number().optional(),
  minLength: z.int().optional(),
  minItems: z.int().optional(),
  properties: z.record(z.string(), z.record(z.string(), z.unknown())).optional(),
  items: z.record(z.string(), z.unknown()).optional(),
  anyOf: z.array(z.record(z.string(), z.unknown())).optional(),
  oneOf: z.array(z.record(z.string(), z.unknown())).optional(),
});
type Shape = z.infer<typeof shape>;

const OF_FORMAT: Readonly<Record<string, string>> = {
  uuid: '6f1c2a34-5b7d-4e8f-9a0b-1c2d3e4f5a6b',
  'date-time': '2026-01-31T12:00:00.000Z',
  date: '2026-01-31',
  email: 'ada@example.com',
  uri: 'https://example.com/',
  ipv4: '192.0.2.1',
  ipv6: '2001:db8::1',
};

const ofText = ({ format, minLength = 0 }: Shape): string =>
  (format === undefined ? undefined : OF_FORMAT[format]) ?? 'text'.padEnd(minLength, '-');

type Components = Readonly<Record<string, JsonSchema>>;

const ofObject = ({ properties = {} }: Shape, components: Components): unknown =>
  Object.fromEntries(Object.entries(properties).map(([name, schema]) => [name, exampleOf(schema, components)]));

const ofType = (parsed: Shape, components: Components): unknown => {
  const type = Array.isArray(parsed.type) ? parsed.type[0] : parsed.type;
  switch (type) {
    case undefined:
      return {};
    case 'string':
      return ofText(parsed);
    case 'integer':
    case 'number':
      return parsed.minimum ?? (parsed.exclusiveMinimum === undefined ? 1 : parsed.exclusiveMinimum + 1);
    case 'boolean':
      return true;
    case 'null':
      return null;
    case 'array':
      return parsed.items === undefined ? [] : [exampleOf(parsed.items, components)];
    case 'object':
      return ofObject(parsed, components);
    default:
      return {};
  }
};

/** What the schema's author gave (`examples`, `const`, `enum`, `default`), else a plain value of its type. */
export const exampleOf = (schema: JsonSchema, components: Components): unknown => {
  const parsed = shape.parse(schema);
  if (parsed.examples?.[0] !== undefined) return parsed.examples[0];
  if (parsed.$ref !== undefined) return exampleOf(components[parsed.$ref.slice(REFERENCE.length)] ?? {}, components);
  if (parsed.const !== undefined) return parsed.const;
  if (parsed.enum !== undefined) return parsed.enum[0];
  if (parsed.default !== undefined) return parsed.default;
  const [choice] = parsed.anyOf ?? parsed.oneOf ?? [];
  return choice === undefined ? ofType(parsed, components) : exampleOf(choice, components);
};
