/** Keys and claims of tokens, and the key of what is encrypted at rest. Part of config.ts. */
import { z } from 'zod';
import { readPrivateKey, readPublicKeys } from '../crypto/signing-keys.ts';
import { key, olderKeys, readable, variable } from './variable.ts';

export const tokenVariables = {
  JWT_PRIVATE_KEY: variable(
    readable(readPrivateKey, 'must be a P-256 private key, as PEM or JWK'),
    '"$(openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256)"',
    'P-256 private key that signs access tokens, PEM or JWK.',
  ),
  JWT_VERIFICATION_KEYS: variable(
    readable(readPublicKeys, 'must be a JWKS of P-256 public keys').optional(),
    `'{"keys":[{"kty":"EC","crv":"P-256","x":"…","y":"…"}]}'`,
    'JWKS of older public keys that may still have live tokens.',
  ),
  JWT_ISSUER: variable(
    z.string().min(1).default('latchkey'),
    'https://auth.example.com',
    'What access tokens say, and must say, as `iss`.',
  ),
  JWT_AUDIENCE: variable(
    z.string().min(1).default('latchkey'),
    'https://api.example.com',
    'What access tokens say, and must say, as `aud`.',
  ),
  REFRESH_TOKEN_KEY: variable(
    key,
    '"$(openssl rand -base64 32)"',
    'Makes refresh tokens; at least 32 random bytes as base64. Losing it ends all sessions.',
  ),
  ENCRYPTION_KEY: variable(
    key,
    '"$(openssl rand -base64 32)"',
    'Encrypts secrets at rest; at least 32 random bytes as base64. Losing it loses second factors and waiting mails.',
  ),
  ENCRYPTION_KEYS_PREVIOUS: variable(
    olderKeys,
    '"<the key before>"',
    'Comma list of encryption keys before; they read, and never write.',
  ),
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

const KEYS = ['REFRESH_TOKEN_KEY', 'ENCRYPTION_KEY', 'PASSWORD_PEPPER', 'AUDIT_KEY'] as const;

/** One key for two purposes: who learns one of them has the other too. The later name is said. */
export const tokenConflicts = (env: NodeJS.ProcessEnv): readonly string[] =>
  KEYS.flatMap((name, i) => {
    const text = env[name];
    const first = text === undefined || text === '' ? undefined : KEYS.slice(0, i).find((other) => env[other] === text);
    const example = `for example ${name}="$(openssl rand -base64 32)"`;
    return first === undefined ? [] : [`${name}: is the same as ${first}, but each needs a key of its own; ${example}`];
  });
