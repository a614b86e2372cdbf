/** The OpenAPI document is one that a client can be made from, and the check that every test's answers go through (contract.ts) sees. */
import { expect } from 'chai';
import { type ErrorCode, PROBLEMS } from '../../../api/src/errors.ts';
import type { EndpointSpec } from '../../../api/src/http/endpoint.ts';
import { documentOf } from '../../../api/src/openapi/document.ts';
import { problemsByStatus } from '../../../api/src/openapi/problems.ts';
import { endpointSpecs } from '../../../api/src/routes/all.ts';
import type { Answer } from '../../support/api.ts';
import { compile, contractFault } from '../../support/contract.ts';

type Json = Readonly<Record<string, unknown>>;

const document = documentOf(endpointSpecs());
const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
);

/** Every object inside, the value itself first. */
const walk = (value: unknown): readonly Json[] => {
  if (Array.isArray(value)) return value.flatMap(walk);
  if (typeof value !== 'object' || value === null) return [];
  return [value as Json, ...Object.values(value).flatMap(walk)];
};

const resolve = (reference: string): unknown =>
  reference
    .slice(2)
    .split('/')
    .reduce<unknown>(
      (at, key) => (at as Json | undefined)?.[key.replaceAll('~1', '/').replaceAll('~0', '~')],
      document,
    );

describe('the OpenAPI document', () => {
  it('refers only to what it contains', () => {
    const references = walk(document).flatMap(({ $ref }) => (typeof $ref === 'string' ? [$ref] : []));
    expect(references).to.have.length.greaterThan(10);
    expect(references.filter((reference) => resolve(reference) === undefined)).to.deep.equal([]);
  });

  it('gives every operation an id of its own, a summary, and an answer that is no refusal', () => {
    const ids = operations.map(({ operation }) => operation.operationId);
    expect(new Set(ids).size).to.equal(ids.length);
    const lacking = operations.filter(
      ({ operation }) =>
        operation.summary.length < 8 || !Object.keys(operation.responses).some((status) => /^[23]/.test(status)),
    );
    expect(lacking.map(({ path }) => path)).to.deep.equal([]);
  });

  it('describes every parameter that stands in a path', () => {
    const undescribed = operations.filter(({ path, operation: { parameters = [] } }) =>
      [...path.matchAll(/\{(\w+)\}/g)].some(
        ([, name]) => !parameters.some((each) => each['in'] === 'path' && each['name'] === name),
      ),
    );
    expect(undescribed.map(({ path }) => path)).to.deep.equal([]);
  });

  it('has only schemas that are schemas, and examples that fit them', () => {
    const contents = walk(document.paths).filter(
      ({ schema, example }) => schema !== undefined && example !== undefined,
    );
    expect(contents).to.have.length.greaterThan(5);
    const misfits = contents.flatMap(({ schema, example }) => {
      const validate = compile(schema);
      return validate(example) ? [] : [{ example, errors: validate.errors }];
    });
    expect(misfits, 'the field needs .meta({ examples: […] })').to.deep.equal([]);
  });

  it('shows bodies that the endpoint itself would take', () => {
    const refused = endpointSpecs().flatMap(({ method, path, body }) => {
      const contents = document.paths[path]?.[method]?.requestBody?.['content'] as Json | undefined;
      const { example } = (contents?.['application/json'] ?? {}) as { readonly example?: unknown };
      const parsed = body?.safeParse(example);
      return parsed === undefined || parsed.success ? [] : [{ path, example, issues: parsed.error.issues }];
    });
    expect(refused, 'the field needs .meta({ examples: […] })').to.deep.equal([]);
  });

  it('shows parameters that the endpoint itself would take', () => {
    const refused = endpointSpecs().flatMap(({ method, path, params, query }) => {
      const { parameters = [] } = document.paths[path]?.[method] ?? {};
      const examples = (place: string) =>
        Object.fromEntries(
          parameters.filter((each) => each['in'] === place).map((each) => [each['name'], String(each['example'])]),
        );
      const results = [params?.safeParse(examples('path')), query?.safeParse(examples('query'))];
      return results.flatMap((each) => (each?.error === undefined ? [] : [{ path, issues: each.error.issues }]));
    });
    expect(refused, 'the parameter needs .meta({ examples: […] })').to.deep.equal([]);
  });

  it('shows a problem of each code that fits its schema', () => {
    const validate = compile({ $ref: '#/components/schemas/Problem' });
    for (const code of Object.keys(PROBLEMS)) {
      const { value } = resolve(`#/components/examples/${code}`) as { readonly value: unknown };
      expect(validate(value), `${code} ${JSON.stringify(validate.errors)}`).to.equal(true);
    }
  });

  it('promises no request that refuses unknown fields to take them, and no answer to have no more fields', () => {
    for (const { operation, path } of operations) {
      const sent = walk(operation.requestBody).filter(({ properties }) => properties !== undefined);
      expect(
        sent.every(({ additionalProperties }) => additionalProperties === false),
        path,
      ).to.equal(true);
      expect(walk(operation.responses).some(({ additionalProperties }) => additionalProperties === false)).to.equal(
        false,
      );
    }
  });

  it('names a session for every endpoint that needs one, and none for the others', () => {
    for (const spec of endpointSpecs()) {
      const security = document.paths[spec.path]?.[spec.method]?.security;
      expect(security?.length === 0, spec.path).to.equal(spec.access === 'public');
    }
  });

  it('marks every older path as deprecated', () => {
    const aliases = endpointSpecs().flatMap(({ method, aliases: paths = [] }) =>
      paths.map((path) => ({ method, path })),
    );
    expect(aliases).not.to.be.empty;
    expect(aliases.filter(({ method, path }) => document.paths[path]?.[method]?.deprecated !== true)).to.deep.equal([]);
  });
});

describe('what an endpoint declares brings its refusals along:', () => {
  const base = { path: '/x', tag: 'X', summary: 'Test', answers: {} } as const;
  const codesOf = (spec: Partial<EndpointSpec>): readonly ErrorCode[] =>
    [...problemsByStatus({ ...base, method: 'post', access: 'public', ...spec }).values()].flat();

  it('a session 401s, a change through a cookie 403s, a permission one more', () => {
    expect(codesOf({ access: 'session' })).to.include.members(['session-ended', 'csrf-token-invalid']);
    expect(codesOf({ access: 'session', method: 'get' })).not.to.include('csrf-token-invalid');
    expect(codesOf({ access: { permission: 'users.read' } })).to.include('permission-missing');
    expect(codesOf({ access: 'recent-session' })).to.include('recent-login-needed');
  });

  it('anything a 429 and a 500, and a 503 unless it asks no store', () => {
    expect(codesOf({})).to.include.members(['rate-limited', 'internal', 'database-unavailable', 'database-read-only']);
    expect(codesOf({ isStatic: true })).not.to.include('database-unavailable');
  });
});

describe('the check of every answer', () => {
  const headers = { 'x-request-id': 'x', 'content-type': 'application/json' };
  const answer = (status: number, body: Json, more: Answer['headers'] = {}): Answer => ({
    status,
    headers: { ...headers, ...more },
    text: JSON.stringify(body),
    body,
  });
  const login = (given: Answer) => contractFault('POST', '/api/v1/auth/login', given);
  const problem = (status: number, code: string): Json => ({
    type: `urn:latchkey:problem:${code}`,
    title: 'x',
    status,
    code,
    requestId: 'x',
  });
  const asProblem = { 'content-type': 'application/problem+json', 'www-authenticate': 'Bearer' };

  it('lets through what is described', () => {
    expect(login(answer(401, problem(401, 'invalid-credentials'), asProblem))).to.equal(undefined);
  });

  it('refuses a status, a code, a field, a type and a missing header that are not', () => {
    expect(login(answer(302, {}))).to.match(/302 is not in the document/);
    expect(login(answer(401, problem(401, 'permission-missing'), asProblem))).to.match(/code/);
    expect(login(answer(401, problem(403, 'invalid-credentials'), asProblem))).to.match(/status/);
    expect(login(answer(401, { ...problem(401, 'invalid-credentials'), stack: 'x' }, asProblem))).to.match(
      /additional/,
    );
    expect(login(answer(200, {}))).to.match(/required/);
    expect(login(answer(200, {}, { 'content-type': 'text/html' }))).to.match(/text\/html/);
    expect(login(answer(429, problem(429, 'rate-limited'), asProblem))).to.match(/Retry-After/);
    expect(contractFault('GET', '/api/v1/nowhere', answer(200, {}))).to.match(/does not know/);
  });
});
