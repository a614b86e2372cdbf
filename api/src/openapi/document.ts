/**
 * The OpenAPI 3.1 document, out of what the endpoints say of themselves. Called by generate.ts (docs/openapi.json), routes/docs.ts (served) and the
 * tests, which hold every answer against it. problems.ts says which refusals each endpoint has; nothing here is written twice.
 */
import { z } from 'zod';
import type { AnswerSpec, EndpointSpec } from '../http/endpoint.ts';
import { exampleOf } from './examples.ts';
import { HEADERS, headersOf, PROBLEM_SCHEMA, ProblemResponses, problemExamples } from './parts.ts';
import { OF_LOGIN_PROXY, problemsByStatus } from './problems.ts';
import { type JsonSchema, Schemas } from './schemas.ts';
import { SECURITY_SCHEMES, securityOf } from './security.ts';
import { tagsOf } from './tags.ts';

export interface OpenApiDocument {
  readonly openapi: '3.1.0';
  readonly info: JsonSchema;
  readonly servers: readonly JsonSchema[];
  readonly tags: readonly JsonSchema[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: Readonly<Record<string, JsonSchema>>;
}

export interface Operation {
  readonly operationId: string;
  readonly summary: string;
  readonly tags: readonly string[];
  readonly description?: string;
  readonly deprecated?: true;
  readonly security: readonly JsonSchema[];
  readonly parameters?: readonly JsonSchema[];
  readonly requestBody?: JsonSchema;
  readonly responses: Readonly<Record<string, JsonSchema>>;
}

const DESCRIPTION = `JSON over HTTP. Refusals are \`application/problem+json\` (RFC 9457): switch on \`code\`. Unknown fields in bodies and queries are
refused; answers may gain fields. Times are ISO 8601 in UTC, durations seconds. Send \`X-Request-Id\` (8–64 letters, digits, \`-\`, \`_\`) to find your
request in our logs.`;

const wordsOf = (path: string): readonly string[] =>
  path
    .replace(/^\/api\//, '')
    .split(/[^A-Za-z0-9]+/)
    .filter(Boolean);

const capital = (word: string): string => `${word.charAt(0).toUpperCase()}${word.slice(1)}`;

const operationId = (method: string, path: string): string => `${method}${wordsOf(path).map(capital).join('')}`;

const objectSchema = z.looseObject({
  properties: z.record(z.string(), z.record(z.string(), z.unknown())).default({}),
  required: z.array(z.string()).default([]),
});

const parametersOf = (place: 'path' | 'query', zod: z.ZodType | undefined, schemas: Schemas): readonly JsonSchema[] => {
  const { properties, required: names } = objectSchema.parse(zod === undefined ? {} : schemas.input(zod));
  const required = new Set(names);
  return Object.entries(properties).map(([name, { description, ...rest }]) => ({
    name,
    in: place,
    required: place === 'path' || required.has(name),
    ...(description === undefined ? {} : { description }),
    schema: rest,
    example: exampleOf(rest, schemas.components),
  }));
};

/** Path parameters that have no schema are any text. */
const pathParameters = (spec: EndpointSpec, schemas: Schemas): readonly JsonSchema[] => {
  if (spec.params !== undefined) return parametersOf('path', spec.params, schemas);
  const names = [...spec.path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => name);
  return names.map((name) => ({ name, in: 'path', required: true, schema: { type: 'string' } }));
};

/** An object that its schema takes: where two optional fields exclude each other, the later one is left out. */
const acceptable = (schema: z.ZodType, example: unknown): unknown => {
  if (typeof example !== 'object' || example === null || schema.safeParse(example).success) return example;
  const shorter = Object.keys(example)
    .toReversed()
    .map((name) => Object.fromEntries(Object.entries(example).filter(([each]) => each !== name)));
  return shorter.find((each) => schema.safeParse(each).success) ?? example;
};

const requestBody = ({ body, rawBody }: EndpointSpec, schemas: Schemas): JsonSchema | undefined => {
  if (rawBody !== undefined) {
    const description = `At most ${rawBody.maxBytes} bytes.`;
    return { required: true, description, content: Object.fromEntries(rawBody.types.map((type) => [type, {}])) };
  }
  if (body === undefined) return undefined;
  const schema = schemas.input(body);
  const example = acceptable(body, exampleOf(schema, schemas.components));
  return { required: !body.safeParse(undefined).success, content: { 'application/json': { schema, example } } };
};

const answer = ({ description, schema, contentType }: AnswerSpec, schemas: Schemas): JsonSchema => {
  if (schema === undefined && contentType === undefined) return { description, headers: headersOf() };
  if (schema === undefined) return { description, headers: headersOf(), content: { [contentType ?? '']: {} } };
  const json = schemas.output(schema);
  const example = exampleOf(json, schemas.components);
  return {
    description,
    headers: headersOf(),
    content: { [contentType ?? 'application/json']: { schema: json, example } },
  };
};

/** What the operations share. */
interface Shared {
  readonly schemas: Schemas;
  readonly problems: ProblemResponses;
}

/** http/https.ts: what only reads is sent on, whatever it asks for. */
const SENT_ON_TO_HTTPS = {
  description: 'Asked over plain HTTP where `HTTPS_REDIRECT` is set: ask again there.',
  headers: { Location: { schema: { type: 'string', format: 'uri' } } },
};

const responses = (spec: EndpointSpec, { schemas, problems }: Shared): Readonly<Record<string, JsonSchema>> => ({
  ...(spec.method === 'get' ? { 308: SENT_ON_TO_HTTPS } : {}),
  ...Object.fromEntries([...problemsByStatus(spec)].map(([status, codes]) => [status, problems.of(status, codes)])),
  ...Object.fromEntries(Object.entries(spec.answers).map(([status, each]) => [status, answer(each, schemas)])),
});

/** What the security schemes cannot say. */
const describe = ({ access }: EndpointSpec): string | undefined => {
  if (access === 'recent-session')
    return 'The session must have proved itself with a password or a code within the last minutes.';
  return typeof access === 'object' ? `Needs the permission \`${access.permission}\`.` : undefined;
};

const operation = (spec: EndpointSpec, shared: Shared): Operation => {
  const { schemas } = shared;
  const description = describe(spec);
  const parameters = [...pathParameters(spec, schemas), ...parametersOf('query', spec.query, schemas)];
  const body = requestBody(spec, schemas);
  return {
    operationId: operationId(spec.method, spec.path),
    summary: spec.summary,
    tags: [spec.tag],
    ...(description === undefined ? {} : { description }),
    security: securityOf(spec),
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(body === undefined ? {} : { requestBody: body }),
    responses: responses(spec, shared),
  };
};

/** The same under its older path: everything that the successor says, and that it is on its way out, or the login proxy's. */
const aliasOf = (spec: EndpointSpec, path: string, shared: Shared): Operation => {
  const older = `An older path of \`${spec.path}\`, with a \`Deprecation\` header.`;
  const isProxied = path.startsWith('/api/auth/');
  const problems = isProxied ? [...(spec.problems ?? []), ...OF_LOGIN_PROXY] : (spec.problems ?? []);
  return {
    ...operation({ ...spec, problems }, shared),
    operationId: operationId(spec.method, path),
    description: isProxied
      ? `${older} Where \`AUTH_UPSTREAM_URL\` is set, the auth service there answers it, without that header.`
      : older,
    deprecated: true,
  };
};

/** @throws TypeError when two schemas have one id, or two endpoints one method and path */
export const documentOf = (specs: readonly EndpointSpec[]): OpenApiDocument => {
  const shared = { schemas: new Schemas(), problems: new ProblemResponses() };
  const paths: Record<string, Record<string, Operation>> = {};
  const place = (method: string, path: string, described: Operation): void => {
    const methods = (paths[path] ??= {});
    if (methods[method] !== undefined) throw new TypeError(`two endpoints are ${method} ${path}`);
    methods[method] = described;
  };
  for (const spec of specs) {
    place(spec.method, spec.path, operation(spec, shared));
    for (const path of spec.aliases ?? []) place(spec.method, path, aliasOf(spec, path, shared));
  }
  return {
    openapi: '3.1.0',
    info: { title: 'Latchkey', version: '1', summary: 'Accounts, sessions and permissions', description: DESCRIPTION },
    servers: [{ url: '/' }],
    tags: tagsOf(specs),
    paths,
    components: {
      schemas: { Problem: PROBLEM_SCHEMA, ...shared.schemas.components },
      responses: shared.problems.components,
      examples: problemExamples(),
      headers: HEADERS,
      securitySchemes: SECURITY_SCHEMES,
    },
  };
};
