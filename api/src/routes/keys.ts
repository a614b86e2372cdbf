/** The public keys of access tokens, for services that verify them without asking us. Mounted by app.ts through http/mount.ts. */
import { z } from 'zod';
import { type Endpoint, endpoint } from '../http/endpoint.ts';
import type { StoredKeyRing } from '../services/key-ring.ts';

export interface KeyRouteDeps {
  readonly keyRing: StoredKeyRing;
}

const jwk = z.object({
  kty: z.literal('EC'),
  crv: z.literal('P-256'),
  x: z.string(),
  y: z.string(),
  kid: z.string(),
  alg: z.literal('ES256'),
  use: z.literal('sig'),
});

/** Less than the time that a new key is published before it signs, so that no cache is surprised. */
const CACHE_SECONDS = 300;

export const keyEndpoints = ({ keyRing }: KeyRouteDeps): readonly Endpoint[] => [
  endpoint(
    {
      method: 'get',
      path: '/.well-known/jwks.json',
      tag: 'Sessions',
      summary: 'The public keys of access tokens (RFC 7517)',
      access: 'public',
      isStatic: true,
      answers: {
        200: {
          description: 'Keys that sign now, will sign soon, or have signed tokens that may still be good',
          schema: z.object({ keys: z.array(jwk) }).meta({ id: 'KeySet' }),
          contentType: 'application/jwk-set+json',
        },
      },
    },
    () => ({
      status: 200,
      body: keyRing.jwks(),
      headers: { 'content-type': 'application/jwk-set+json', 'cache-control': `public, max-age=${CACHE_SECONDS}` },
    }),
  ),
];
