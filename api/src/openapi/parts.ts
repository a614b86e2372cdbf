/** The parts that every operation of the OpenAPI document refers to: problem documents and headers. Called by document.ts. */
import { type ErrorCode, PROBLEMS } from '../errors.ts';
import type { JsonSchema } from './schemas.ts';

export const PROBLEM_SCHEMA: JsonSchema = {
  type: 'object',
  description: 'A refusal (RFC 9457). `code` is stable: switch on it.',
  required: ['type', 'title', 'status', 'code', 'requestId'],
  properties: {
    type: { type: 'string', format: 'uri', description: '`urn:latchkey:problem:` and the code.' },
    title: { type: 'string' },
    status: { type: 'integer', minimum: 400, maximum: 599 },
    code: { type: 'string', enum: Object.keys(PROBLEMS).toSorted() },
    detail: { type: 'string', description: 'Of a 5xx in development and staging: what happened, without secrets.' },
    suggestions: {
      type: 'array',
      description: 'Beside `detail`: what an operator may look at.',
      items: { type: 'string' },
    },
    requestId: { type: 'string', description: 'As in `X-Request-Id`: say it when you report a fault.' },
    errors: {
      type: 'array',
      description: 'Each field that was refused, and what it should be.',
      items: {
        type: 'object',
        required: ['field', 'message'],
        properties: { field: { type: 'string' }, message: { type: 'string' } },
      },
    },
  },
};

const text = (description: string): JsonSchema => ({ description, schema: { type: 'string' } });

export const HEADERS: JsonSchema = {
  'X-Request-Id': text('The id of this request: yours, or a new one.'),
  RateLimit: text('What is left of the policies that count this client.'),
  'RateLimit-Policy': text('The policies that count this client.'),
  'Retry-After': { description: 'Seconds to wait.', schema: { type: 'integer', minimum: 0 } },
  'WWW-Authenticate': text('`Bearer`.'),
};

const reference = (name: string): JsonSchema => ({ $ref: `#/components/headers/${name}` });

/** The headers of an answer. */
export const headersOf = (status = 200): JsonSchema => ({
  'X-Request-Id': reference('X-Request-Id'),
  RateLimit: reference('RateLimit'),
  'RateLimit-Policy': reference('RateLimit-Policy'),
  ...(status === 401 ? { 'WWW-Authenticate': reference('WWW-Authenticate') } : {}),
  ...(status === 429 || status === 503 ? { 'Retry-After': reference('Retry-After') } : {}),
});

const REQUEST_ID = '6f1c2a34-5b7d-4e8f-9a0b-1c2d3e4f5a6b';

const exampleOfProblem = ([code, { status, title }]: readonly [string, (typeof PROBLEMS)[ErrorCode]]): JsonSchema => {
  const errors = code === 'invalid-request' ? [{ field: 'email', message: 'must be an e-mail address' }] : undefined;
  return {
    summary: title,
    value: {
      type: `urn:latchkey:problem:${code}`,
      title,
      status,
      code,
      requestId: REQUEST_ID,
      ...(errors && { errors }),
    },
  };
};

/** One of each code. */
export const problemExamples = (): JsonSchema =>
  Object.fromEntries(Object.entries(PROBLEMS).map((problem) => [problem[0], exampleOfProblem(problem)]));

const response = (status: number, codes: readonly ErrorCode[]): JsonSchema => ({
  description: codes.map((code) => `\`${code}\`: ${PROBLEMS[code].title}.`).join(' '),
  headers: headersOf(status),
  content: {
    'application/problem+json': {
      schema: {
        allOf: [
          { $ref: '#/components/schemas/Problem' },
          { type: 'object', properties: { status: { const: status }, code: { enum: codes } } },
        ],
      },
      examples: Object.fromEntries(codes.map((code) => [code, { $ref: `#/components/examples/${code}` }])),
    },
  },
});

/** One status with the codes that it can have here; the same combination is one component, however many endpoints have it. */
export class ProblemResponses {
  readonly #components = new Map<string, JsonSchema>();

  of(status: number, codes: readonly ErrorCode[]): JsonSchema {
    const name = [status, ...codes].join('.');
    this.#components.set(name, response(status, codes));
    return { $ref: `#/components/responses/${name}` };
  }

  get components(): JsonSchema {
    return Object.fromEntries([...this.#components].toSorted(([a], [b]) => (a < b ? -1 : 1)));
  }
}
