/**
 * Access tokens: ES256 JWTs of type at+jwt (RFC 9068), signed at login and refresh, verified by http/authenticate.ts on every hot path.
 * The verifier takes the algorithm from our key, never from the token, refuses any header it does not know (`crit`, `jku`, `x5u`, `jwk`),
 * any second spelling of base64url, and remembers what it verified under the whole token (never under its claims: CVE-2026-35039).
 * @see docs/adr/0004-access-token.md
 */
import { sign, verify } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { z } from 'zod';
import { AppError } from '../errors.ts';
import { ALGORITHM, type KeyRing } from './signing-keys.ts';

/** The age of the seed's access token is not given; 15 min is what a stolen one is worth where the session check cannot be reached. */
export const ACCESS_TOKEN_SECONDS = 15 * 60;
/** Pods' clocks may differ by this much before a token "from the future" is refused. */
export const CLOCK_SKEW_SECONDS = 60;
const MAX_TOKEN_LENGTH = 4_096;
/** Some 8,000 sessions a process; who does not fit is verified again. */
const MAX_CACHED_BYTES = 8_000_000;
/** What a token's claims take beside its text. */
const CLAIMS_BYTES = 600;

const header = z.strictObject({ alg: z.literal(ALGORITHM), typ: z.literal('at+jwt'), kid: z.string() });
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
  readonly keys: KeyRing;
  readonly issuer: string;
  readonly audience: string;
  readonly nowMs: () => number;
}

export interface AccessTokenSubject {
  readonly userId: string;
  readonly sessionId: string;
  readonly tenantId: string;
  /** When the session ends: no token of it lives longer. */
  readonly expiresAtMs: number;
}

export interface AccessTokens {
  sign(subject: AccessTokenSubject): { readonly token: string; readonly expiresInSeconds: number };
  /** @throws AppError `access-token-invalid`, with an UnknownKeyError as its cause where another pod may know the key | `access-token-expired` */
  verify(token: string): AccessClaims;
}

/** A token that may be ours, signed by a key that this process has not heard of yet. */
export class UnknownKeyError extends Error {
  override readonly name = 'UnknownKeyError';
  readonly keyId: string;

  constructor(keyId: string) {
    super('unknown key id');
    this.keyId = keyId;
  }
}

interface VerifiedToken {
  readonly claims: AccessClaims;
  readonly keyId: string;
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
const verifyFresh = (token: string, { keys, issuer, audience, nowMs }: AccessTokenDeps): VerifiedToken => {
  const parts = token.split('.');
  const [headerPart, payloadPart, signaturePart] = parts;
  if (parts.length !== 3 || headerPart === undefined || payloadPart === undefined || signaturePart === undefined) {
    throw new TypeError('not three parts');
  }
  const { alg, kid } = header.parse(readJson(headerPart));
  const known = keys.verificationKey(kid);
  if (known === undefined) throw new UnknownKeyError(kid);
  if (alg !== known.algorithm) throw new TypeError('not the algorithm of this key');
  const signature = decode(signaturePart);
  const signed = Buffer.from(`${headerPart}.${payloadPart}`);
  const key = { key: known.publicKey, dsaEncoding: 'ieee-p1363' } as const;
  if (!verify('sha256', signed, key, signature)) throw new TypeError('wrong signature');
  const read = claims.parse(readJson(payloadPart));
  if (read.iss !== issuer || read.aud !== audience) throw new TypeError('for somebody else');
  if (read.iat > nowMs() / 1000 + CLOCK_SKEW_SECONDS) throw new TypeError('from the future');
  return { claims: read, keyId: kid };
};

export const createAccessTokens = (deps: AccessTokenDeps): AccessTokens => {
  const { keys, nowMs } = deps;
  // By the whole text: its SHA-256 would be a shorter key, and one hash more a request (docs/adr/0011-hot-paths.md).
  const verified = new LRUCache<string, VerifiedToken>({
    maxSize: MAX_CACHED_BYTES,
    sizeCalculation: (_claims, token) => token.length + CLAIMS_BYTES,
  });

  const signToken: AccessTokens['sign'] = ({ userId, sessionId, tenantId, expiresAtMs }) => {
    const iat = Math.floor(nowMs() / 1000);
    const { keyId, algorithm, privateKey } = keys.signingKey();
    const body: AccessClaims = {
      iss: deps.issuer,
      aud: deps.audience,
      sub: userId,
      sid: sessionId,
      tid: tenantId,
      iat,
      exp: Math.min(iat + ACCESS_TOKEN_SECONDS, Math.floor(expiresAtMs / 1000)),
      jti: crypto.randomUUID(),
    };
    const signed = `${encode({ alg: algorithm, typ: 'at+jwt', kid: keyId })}.${encode(body)}`;
    const signature = sign('sha256', Buffer.from(signed), { key: privateKey, dsaEncoding: 'ieee-p1363' });
    return { token: `${signed}.${signature.toString('base64url')}`, expiresInSeconds: body.exp - iat };
  };

  const verifyToken = (token: string): AccessClaims => {
    if (token.length > MAX_TOKEN_LENGTH) throw new AppError('access-token-invalid');
    let found = verified.get(token);
    // A key that was retired meanwhile takes what it signed with it.
    if (found === undefined || keys.verificationKey(found.keyId) === undefined) {
      try {
        found = verifyFresh(token, deps);
      } catch (cause) {
        throw new AppError('access-token-invalid', { cause });
      }
      verified.set(token, found);
    }
    if (found.claims.exp <= nowMs() / 1000) throw new AppError('access-token-expired');
    return found.claims;
  };

  return { sign: signToken, verify: verifyToken };
};
