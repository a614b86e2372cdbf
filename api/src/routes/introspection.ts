/** What other services ask. Mounted by app.ts through http/mount.ts. */
import { z } from 'zod';
import { type Endpoint, endpoint } from '../http/endpoint.ts';
import type { TokenIntrospection } from '../services/introspection.ts';

export interface IntrospectionRouteDeps {
  readonly introspection: TokenIntrospection;
}

const active = z.object({
  active: z.literal(true),
  token_type: z.literal('Bearer'),
  iss: z.string(),
  aud: z.string(),
  sub: z.uuid(),
  sid: z.uuid(),
  tid: z.uuid(),
  jti: z.string(),
  iat: z.int(),
  exp: z.int(),
});

const answer = z.union([active, z.object({ active: z.literal(false) })]).meta({ id: 'TokenIntrospection' });

export const introspectionEndpoints = ({ introspection }: IntrospectionRouteDeps): readonly Endpoint[] => [
  endpoint(
    {
      method: 'post',
      path: '/api/v1/auth/introspect',
      tag: 'Sessions',
      summary: 'Say to another service whether an access token is good now (RFC 7662)',
      access: 'service',
      openDuring: ['maintenance'],
      takesCredential: true,
      body: z.strictObject({ token: z.string().min(1).max(8_192) }),
      answers: {
        200: { description: 'Active with its claims, or only not active: unknown, expired, revoked', schema: answer },
      },
    },
    async ({ body }) => {
      const found = await introspection.introspect(body.token);
      return {
        status: 200,
        body: found.active ? { active: true, token_type: 'Bearer', ...found.claims } : { active: false },
      };
    },
  ),
];
