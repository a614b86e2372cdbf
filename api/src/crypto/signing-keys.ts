/**
 * The ES256 keys of this installation as KeyObjects. Called by config.ts with the configured text and by services/key-ring.ts with the stored ones;
 * used by crypto/access-token.ts. KeyObjects only: a string or Buffer as key costs 50 times the verification and opens the door to algorithm
 * confusion (facts/auth §0.1).
 */
import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { z } from 'zod';

/** The one algorithm that a key is accepted with, whatever a token says. */
export const ALGORITHM = 'ES256';

export interface VerificationKey {
  readonly keyId: string;
  readonly algorithm: typeof ALGORITHM;
  readonly publicKey: KeyObject;
}

export interface SigningKey extends VerificationKey {
  readonly privateKey: KeyObject;
}

/** What signs and verifies now. */
export interface KeyRing {
  signingKey(): SigningKey;
  /** undefined for a key that we do not know, or no longer accept. */
  verificationKey(keyId: string): VerificationKey | undefined;
}

/** The keys of the configuration. */
export interface SigningKeys {
  readonly keyId: string;
  readonly privateKey: KeyObject;
  /** Public keys by key id: the current one and those that may still have live tokens. */
  readonly publicKeys: ReadonlyMap<string, KeyObject>;
}

/** A public key as RFC 7517 writes it, with what it is for. */
export const publicJwk = z.object({ kty: z.literal('EC'), crv: z.literal('P-256'), x: z.string(), y: z.string() });
export type PublicJwk = Readonly<z.infer<typeof publicJwk>>;
const jwks = z.object({ keys: z.array(publicJwk) });

/** The public half of a key. */
export const jwkOf = (key: KeyObject): PublicJwk => publicJwk.parse(key.export({ format: 'jwk' }));

/** RFC 7638: the members in this order, and no others. */
export const thumbprint = (key: KeyObject): string => {
  const { crv, kty, x, y } = jwkOf(key);
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

/** @throws when it is no P-256 public key. */
export const readPublicKey = (jwk: unknown): KeyObject => createPublicKey({ key: publicJwk.parse(jwk), format: 'jwk' });

/** Reads a JWKS. @throws when one of its keys is no P-256 public key. */
export const readPublicKeys = (text: string): readonly KeyObject[] =>
  jwks.parse(JSON.parse(text)).keys.map((key) => createPublicKey({ key, format: 'jwk' }));

export const generatePrivateKey = (): KeyObject => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;

/** Signs with `privateKey`; verifies with its public half and with `older`, whose tokens may still be live. */
export const createSigningKeys = (privateKey: KeyObject, older: readonly KeyObject[] = []): SigningKeys => {
  const current = createPublicKey(privateKey);
  const keys = [current, ...older];
  return { keyId: thumbprint(current), privateKey, publicKeys: new Map(keys.map((key) => [thumbprint(key), key])) };
};

/** The configured keys and nothing else. */
export const ringOf = ({ keyId, privateKey, publicKeys }: SigningKeys): KeyRing => {
  const keys = new Map(
    [...publicKeys].map(([id, publicKey]) => [id, { keyId: id, algorithm: ALGORITHM, publicKey } as const]),
  );
  const signing = { keyId, algorithm: ALGORITHM, privateKey, publicKey: createPublicKey(privateKey) } as const;
  return { signingKey: () => signing, verificationKey: (id) => keys.get(id) };
};
