/** Keys and claims of tokens, and the key of what is encrypted at rest. Part of config.ts. */
import { z } from 'zod';
import { readPrivateKey, readPublicKeys } from '../crypto/signing-keys.ts';
import { key, olderKeys, readable, variable } from './variable.ts';

export const tokenVariables = {
  JWT_PRIVATE_KEY: variable(
    readable(readPrivateKey, 'must be a P-256 private key, as PEM or JWK'),
    '"$(openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256)"',
  ),
  JWT_VERIFICATION_KEYS: variable(
    readable(readPublicKeys, 'must be a JWKS of P-256 public keys').optional(),
    `'{"keys":[{"kty":"EC","crv":"P-256","x":"…","y":"…"}]}'`,
  ),
  JWT_ISSUER: variable(z.string().min(1).default('latchkey'), 'https://auth.example.com'),
  JWT_AUDIENCE: variable(z.string().min(1).default('latchkey'), 'https://api.example.com'),
  REFRESH_TOKEN_KEY: variable(key, '"$(openssl rand -base64 32)"'),
  ENCRYPTION_KEY: variable(key, '"$(openssl rand -base64 32)"'),
  ENCRYPTION_KEYS_PREVIOUS: variable(olderKeys, '"<the key before>"'),
};

const parsed = z.object(tokenVariables);
type TokenEnvironment = z.infer<typeof parsed>;

export interface TokenConfig {
  readonly issuer: string;
  readonly audience: string;
}

export const readTokens = (env: TokenEnvironment): TokenConfig => ({
  issuer: env.JWT_ISSUER,
  audience: env.JWT_AUDIENCE,
});
