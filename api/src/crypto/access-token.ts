/**
 * Access tokens: ES256 JWTs of type at+jwt (RFC 9068), signed at login and refresh, verified by http/authenticate.ts on every hot path.
 * The verifier takes the algorithm from our key, never from the token, refuses any header it does not know (`crit`, `jku`, `x5u`, `jwk`),
 * any second spelling of base64url, and remembers what it verified under the SHA-256 of the whole token (never of its claims: CVE-2026-35039).
 * @see docs/adr/0004-access-token.md
 */
import { hash, sign, verify } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { z } from 'zod';
import { AppError } from '../errors.ts';
import type { SigningKeys } from './signing-keys.ts';

/** The age of the seed's access token is not given; 15 min is what a stolen one is worth where the session check cannot be reached. */
export const ACCESS_TOKEN_SECONDS = 15 * 60;
/** Pods' clocks may differ by this much before a token "from the future" is refused. */
const CLOCK_SKEW_SECONDS = 60;
const MAX_TOKEN_LENGTH = 4_096;
const MAX_CACHED_TOKENS = 20_000;

const header = z.strictObject({ alg: z.literal('ES256'), typ: z.literal('at+jwt'), kid: z.string() });
const claims = z.object({
  iss: z.string(),
  aud: z.string(),
  sub: z.uuid(),
  sid: z.uuid(),
  tid: z.uuid(),
  iat: z.int(),
  exp: z.int(),
  jti: z.string(),
});

export type AccessClaims = Readonly<z.infer<typeof claims>>;

export interface AccessTokenDeps {
  readonly keys: SigningKeys;
  readonly issuer: string;
  readonly audience: string;
  readonly nowMs: () => number;
}

export interface AccessTokens {
  sign(subject: { readonly userId: string; readonly sessionId: string; readonly tenantId: string }): string;
  /** @throws AppError `access-token-invalid` | `access-token-expired` */
  verify(token: string): AccessClaims;
}

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

/** Bytes of canonical base64url only: what does not come out the same way is refused before anything is parsed. */
const decode = (part: string): Buffer => {
  const bytes = Buffer.from(part, 'base64url');
  if (bytes.toString('base64url') !== part) throw new TypeError('not canonical base64url');
  return bytes;
};

const readJson = (part: string): unknown => JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(decode(part)));

/** The full check, a signature verification (about 110 µs). @throws any error for any token that we did not sign for ourselves. */
const verifyFresh = (token: string, { keys, issuer, audience, nowMs }: AccessTokenDeps): AccessClaims => {
  const parts = token.split('.');
  const [headerPart, payloadPart, signaturePart] = parts;
  if (parts.length !== 3 || headerPart === undefined || payloadPart === undefined || signaturePart === undefined) {
    throw new TypeError('not three parts');
  }
  const key = keys.publicKeys.get(header.parse(readJson(headerPart)).kid);
  if (key === undefined) throw new TypeError('unknown key id');
  const signature = decode(signaturePart);
  const signed = Buffer.from(`${headerPart}.${payloadPart}`);
  if (!verify('sha256', signed, { key, dsaEncoding: 'ieee-p1363' }, signature)) throw new TypeError('wrong signature');
  const read = claims.parse(readJson(payloadPart));
  if (read.iss !== issuer || read.aud !== audience) throw new TypeError('for somebody else');
  if (read.iat > nowMs() / 1000 + CLOCK_SKEW_SECONDS) throw new TypeError('from the future');
  return read;
};

export const createAccessTokens = (deps: AccessTokenDeps): AccessTokens => {
  const verified = new LRUCache<string, AccessClaims>({ max: MAX_CACHED_TOKENS });
  const headerPart = encode({ alg: 'ES256', typ: 'at+jwt', kid: deps.keys.keyId });

  const signToken: AccessTokens['sign'] = ({ userId, sessionId, tenantId }) => {
    const iat = Math.floor(deps.nowMs() / 1000);
    const body: AccessClaims = {
      iss: deps.issuer,
      aud: deps.audience,
      sub: userId,
      sid: sessionId,
      tid: tenantId,
      iat,
      exp: iat + ACCESS_TOKEN_SECONDS,
      jti: crypto.randomUUID(),
    };
    const signed = `${headerPart}.${encode(body)}`;
    const signature = sign('sha256', Buffer.from(signed), { key: deps.keys.privateKey, dsaEncoding: 'ieee-p1363' });
    return `${signed}.${signature.toString('base64url')}`;
  };

  const verifyToken = (token: string): AccessClaims => {
    if (token.length > MAX_TOKEN_LENGTH) throw new AppError('access-token-invalid');
    const digest = hash('sha256', token, 'base64');
    let found = verified.get(digest);
    if (found === undefined) {
      try {
        found = verifyFresh(token, deps);
      } catch (cause) {
        throw new AppError('access-token-invalid', { cause });
      }
      verified.set(digest, found);
    }
    if (found.exp <= deps.nowMs() / 1000) throw new AppError('access-token-expired');
    return found;
  };

  return { sign: signToken, verify: verifyToken };
};
