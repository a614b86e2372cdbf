/** How a caller says who it is, in OpenAPI's words. Called by document.ts. */
import type { EndpointSpec } from '../http/endpoint.ts';
import type { JsonSchema } from './schemas.ts';

export const SECURITY_SCHEMES: JsonSchema = {
  bearer: {
    type: 'http',
    scheme: 'bearer',
    bearerFormat: 'JWT',
    description: 'An access token, from login or refresh, in `Authorization`.',
  },
};

/** Public endpoints take no credential of a session; an empty list says so. */
export const securityOf = ({ access }: EndpointSpec): readonly JsonSchema[] =>
  access === 'public' ? [] : [{ bearer: [] }];
