/** How a caller says who it is, in OpenAPI's words. Called by document.ts. */
import { ACCESS_COOKIE } from '../http/cookies.ts';
import { CSRF_COOKIE, CSRF_HEADER } from '../http/csrf.ts';
import type { EndpointSpec } from '../http/endpoint.ts';
import type { JsonSchema } from './schemas.ts';

export const SECURITY_SCHEMES: JsonSchema = {
  bearer: {
    type: 'http',
    scheme: 'bearer',
    bearerFormat: 'JWT',
    description: 'An access token, from login or refresh, in `Authorization`.',
  },
  cookie: {
    type: 'apiKey',
    in: 'cookie',
    name: ACCESS_COOKIE,
    description: 'The access token of a browser that logged in for cookies.',
  },
  csrf: {
    type: 'apiKey',
    in: 'header',
    name: CSRF_HEADER,
    description: `With the cookie, on everything but reads: what the readable cookie \`${CSRF_COOKIE}\` says.`,
  },
  signature: {
    type: 'apiKey',
    in: 'header',
    name: 'Signature',
    description: 'Another service signs with RFC 9421 and its key of `SERVICE_KEYS` (docs/api/edges.md).',
  },
};

/** Public endpoints take no credential of a session; an empty list says so. */
export const securityOf = ({ access, method }: EndpointSpec): readonly JsonSchema[] => {
  if (access === 'public') return [];
  if (access === 'service') return [{ signature: [] }];
  return [{ bearer: [] }, method === 'get' ? { cookie: [] } : { cookie: [], csrf: [] }];
};
