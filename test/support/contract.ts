/**
 * Holds an answer against the OpenAPI document: its status, its body and its headers must be what the document says of that request.
 * Called by test/support/api.ts for every answer of every test, so an endpoint that answers anything it does not declare fails whatever test
 * finds it.
 */
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import { documentOf, type Operation } from '../../api/src/openapi/document.ts';
import { endpointSpecs } from '../../api/src/routes/all.ts';
import type { Answer } from './api.ts';

type Json = Readonly<Record<string, unknown>>;

const document = documentOf(endpointSpecs());
/** Served before the guard; none of these answers with a problem document. */
const PROBES: ReadonlySet<string> = new Set(['/api/health', '/api/health/live', '/api/health/ready', '/api/metrics']);

const FORMATS: Readonly<Record<string, RegExp>> = {
  uuid: /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i,
  'date-time': /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/,
  date: /^\d{4}-\d\d-\d\d$/,
  email: /^[^@\s]+@[^@\s]+$/,
  uri: /^[a-z][a-z0-9+.-]*:\S+$/i,
};

/** Answers may grow for clients; for us, a field that the document does not know is a leak until it is described. */
const closed = (schema: unknown): unknown => {
  if (Array.isArray(schema)) return schema.map(closed);
  if (typeof schema !== 'object' || schema === null) return schema;
  const entries = Object.entries(schema).map(([key, value]) => [key, closed(value)]);
  const isOpenObject = 'properties' in schema && 'required' in schema && !('additionalProperties' in schema);
  return { ...Object.fromEntries(entries), ...(isOpenObject ? { additionalProperties: false } : {}) };
};

const DEFINITIONS = closed(
  JSON.parse(JSON.stringify(document.components['schemas']).replaceAll('#/components/schemas/', '#/$defs/')),
) as Json;

const ajv = new Ajv2020({ strict: true, strictRequired: false, strictTypes: false, allErrors: false });
for (const [name, format] of Object.entries(FORMATS)) ajv.addFormat(name, format);
ajv.addVocabulary(['example']);

/** Compiles a schema of the document; throws when it is no valid one. */
export const compile = (schema: unknown): ValidateFunction => {
  const own = closed(JSON.parse(JSON.stringify(schema).replaceAll('#/components/schemas/', '#/$defs/'))) as Json;
  return ajv.compile({ $defs: DEFINITIONS, ...own });
};

const compiled = new Map<unknown, ValidateFunction>();
const validatorOf = (schema: unknown): ValidateFunction => {
  const known = compiled.get(schema) ?? compile(schema);
  compiled.set(schema, known);
  return known;
};

const patterns = Object.keys(document.paths)
  .filter((path) => path.includes('{'))
  .map((path) => ({
    path,
    pattern: new RegExp(`^${path.replaceAll('.', '[.]').replaceAll(/\{\w+\}/g, '[^/]+')}$`),
  }));

const operationOf = (method: string, path: string): Operation | undefined => {
  const known = document.paths[path] === undefined ? patterns.find(({ pattern }) => pattern.test(path))?.path : path;
  const methods = known === undefined ? undefined : document.paths[known];
  return methods?.[method === 'HEAD' ? 'get' : method.toLowerCase()];
};

interface Described {
  readonly content?: Readonly<Record<string, { readonly schema?: unknown }>>;
}

/** With `$ref` followed, which problem responses are. */
const responseOf = (operation: Operation, status: number): Described | undefined => {
  const response = operation.responses[String(status)];
  const reference = response?.['$ref'];
  if (typeof reference !== 'string') return response;
  return document.components['responses']?.[reference.slice('#/components/responses/'.length)] as Described;
};

/** Text that is no JSON is a text, which no schema of ours takes. */
const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
};

/** What is wrong with the body, or undefined. */
const faultOfBody = ({ content }: Described, { headers, text }: Answer): string | undefined => {
  const type = String(headers['content-type'] ?? '').split(';', 1)[0] ?? '';
  if (content === undefined) return text === '' ? undefined : 'has a body that the document does not know';
  const described = content[type];
  if (described === undefined) return `is ${type || 'without a type'}, which the document does not know`;
  if (described.schema === undefined || !/[/+]json$/.test(type)) return undefined;
  const validate = validatorOf(described.schema);
  if (validate(parsed(text))) return undefined;
  return ajv.errorsText(validate.errors, { dataVar: 'body' });
};

const faultOfHeaders = ({ status, headers }: Answer): string | undefined => {
  if (headers['x-request-id'] === undefined) return 'has no X-Request-Id';
  if (status === 401 && headers['www-authenticate'] === undefined) return 'has no WWW-Authenticate';
  const waits = status === 429 || status === 503;
  return waits && !/^\d+$/.test(String(headers['retry-after'])) ? 'has no Retry-After in seconds' : undefined;
};

/** Nothing is described there: only these refusals are possible. */
const UNDESCRIBED: ReadonlySet<number> = new Set([204, 400, 403, 404, 405, 413, 429, 431, 503]);

/** Why the answer is not what the document says; undefined when it is. */
export const contractFault = (method: string, target: string, answer: Answer): string | undefined => {
  const [path = ''] = target.split('?', 1);
  if (PROBES.has(path) || method === 'OPTIONS') return undefined;
  const operation = operationOf(method, path);
  if (operation === undefined) {
    return UNDESCRIBED.has(answer.status)
      ? undefined
      : `${answer.status} for a request that the document does not know`;
  }
  const described = responseOf(operation, answer.status);
  if (described === undefined) return `the status ${answer.status} is not in the document`;
  const fault = (method === 'HEAD' ? undefined : faultOfBody(described, answer)) ?? faultOfHeaders(answer);
  return fault === undefined ? undefined : `the ${answer.status} ${fault}`;
};
