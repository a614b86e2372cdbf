/**
 * zod → JSON Schema 2020-12, which is what OpenAPI 3.1 takes. Called by document.ts; what a client sends is read with `input`, what it gets
 * with `output`. A schema with `.meta({ id })` becomes a component and is referred to.
 */
import { z } from 'zod';

export type JsonSchema = Readonly<Record<string, unknown>>;
type Io = 'input' | 'output';

const jsonSchema = z.record(z.string(), z.unknown());
const hoisted = z.looseObject({ $defs: z.record(z.string(), jsonSchema).optional(), $schema: z.unknown().optional() });

/** Formats that say it all: the patterns that zod adds to them are noise for a reader. */
const NAMED_FORMATS: ReadonlySet<unknown> = new Set(['uuid', 'date-time', 'email', 'date']);

type Override = NonNullable<Parameters<typeof z.toJSONSchema>[1]>['override'];

/** Answers may grow by a field without breaking a client, so only what is sent to us is closed; tests close the answers (test/support). */
const tidy =
  (io: Io): NonNullable<Override> =>
  ({ zodSchema, jsonSchema: json }) => {
    // zod leaves the examples of a transforming schema out of its input; ours are inputs.
    const examples = z.globalRegistry.get(zodSchema)?.['examples'];
    if (Array.isArray(examples)) json.examples = examples;
    if (NAMED_FORMATS.has(json.format)) delete json.pattern;
    if (json.minimum === Number.MIN_SAFE_INTEGER) delete json.minimum;
    if (json.maximum === Number.MAX_SAFE_INTEGER) delete json.maximum;
    if (io === 'output' && json.additionalProperties === false) delete json.additionalProperties;
  };

/** The schemas of one document; `components` holds what has a name. */
export class Schemas {
  readonly #components = new Map<string, JsonSchema>();

  input(schema: z.ZodType): JsonSchema {
    return this.#convert(schema, 'input');
  }

  output(schema: z.ZodType): JsonSchema {
    return this.#convert(schema, 'output');
  }

  get components(): Readonly<Record<string, JsonSchema>> {
    return Object.fromEntries([...this.#components].toSorted(([a], [b]) => (a < b ? -1 : 1)));
  }

  #convert(schema: z.ZodType, io: Io): JsonSchema {
    const json = z.toJSONSchema(schema, { io, target: 'draft-2020-12', unrepresentable: 'any', override: tidy(io) });
    const referring: unknown = JSON.parse(JSON.stringify(json).replaceAll('"#/$defs/', '"#/components/schemas/'));
    const { $defs = {}, $schema: _dialect, ...rest } = hoisted.parse(referring);
    for (const [id, definition] of Object.entries($defs)) this.#add(id, definition);
    return rest;
  }

  #add(id: string, definition: JsonSchema): void {
    const before = this.#components.get(id);
    if (before !== undefined && JSON.stringify(before) !== JSON.stringify(definition)) {
      throw new TypeError(`two schemas call themselves ${id}`);
    }
    this.#components.set(id, definition);
  }
}
