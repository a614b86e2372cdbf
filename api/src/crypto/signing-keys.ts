/**
 * The ES256 keys of this installation as KeyObjects. Called by main.ts with the configured text; used by crypto/access-token.ts.
 * KeyObjects only: a string or Buffer as key costs 50 times the verification and opens the door to algorithm confusion (facts/auth §0.1).
 */
import { createHash, createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import { z } from 'zod';

export interface SigningKeys {
  readonly keyId: string;
  readonly privateKey: KeyObject;
  /** Public keys by key id: the current one and those that may still have live tokens. */
  readonly publicKeys: ReadonlyMap<string, KeyObject>;
}

const publicJwk = z.object({ kty: z.literal('EC'), crv: z.literal('P-256'), x: z.string(), y: z.string() });
const jwks = z.object({ keys: z.array(publicJwk) });

/** RFC 7638: the members in this order, and no others. */
const thumbprint = (key: KeyObject): string => {
  const { crv, kty, x, y } = publicJwk.parse(key.export({ format: 'jwk' }));
  return createHash('sha256').update(JSON.stringify({ crv, kty, x, y })).digest('base64url');
};

/** Reads PEM or JWK text. @throws when it is no P-256 private key. */
export const readPrivateKey = (text: string): KeyObject => {
  const key = text.trimStart().startsWith('{')
    ? createPrivateKey({ key: z.record(z.string(), z.unknown()).parse(JSON.parse(text)), format: 'jwk' })
    : createPrivateKey(text);
  if (key.asymmetricKeyType !== 'ec' || key.asymmetricKeyDetails?.namedCurve !== 'prime256v1') {
    throw new TypeError('must be a P-256 (ES256) key');
  }
  return key;
};

/** Reads a JWKS. @throws when one of its keys is no P-256 public key. */
export const readPublicKeys = (text: string): readonly KeyObject[] =>
  jwks.parse(JSON.parse(text)).keys.map((key) => createPublicKey({ key, format: 'jwk' }));

/** Signs with `privateKey`; verifies with its public half and with `older`, whose tokens may still be live. */
export const createSigningKeys = (privateKey: KeyObject, older: readonly KeyObject[] = []): SigningKeys => {
  const current = createPublicKey(privateKey);
  const keys = [current, ...older];
  return { keyId: thumbprint(current), privateKey, publicKeys: new Map(keys.map((key) => [thumbprint(key), key])) };
};
