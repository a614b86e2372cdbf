/**
 * The keys of the audit chain, none of them in the database. Called by services/audit-sealing.ts and cli/audit.ts.
 * Everything is derived (HKDF) from one configured secret: a MAC key a tenant, and an Ed25519 key for checkpoints, whose public half is all
 * that an outsider needs. It is not the key of the access tokens: that one is replaced often, and a checkpoint must be verifiable for years.
 */
import {
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  hkdfSync,
  type KeyObject,
  sign,
  verify,
} from 'node:crypto';
import { z } from 'zod';
import type { AuditKeyring } from '../config/audit.ts';
import { type ChainStatement, chainStatement } from '../core/audit-chain.ts';

const TYPE = 'latchkey-audit-checkpoint+jws';
/** RFC 8410: what stands before the 32 bytes of an Ed25519 private key in PKCS #8. */
const ED25519_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex');

const publicJwk = z.object({ kty: z.literal('OKP'), crv: z.literal('Ed25519'), x: z.string() });
const jwks = z.object({ keys: z.array(publicJwk) });
const header = z.strictObject({ alg: z.literal('EdDSA'), kid: z.string(), typ: z.literal(TYPE) });

export type PublicAuditKeys = ReadonlyMap<string, KeyObject>;

export interface AuditKeys {
  /** Id of the key that seals now: 8 hex digits that say nothing of the key. */
  readonly keyId: string;
  /** Hex; undefined when no key of this id is configured. */
  mac(keyId: string, tenantId: string, text: string): string | undefined;
  /** A compact JWS (RFC 7515). */
  sign(statement: ChainStatement): string;
  readonly publicKeys: PublicAuditKeys;
}

export const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

const idOf = (key: Buffer): string =>
  createHash('sha256').update('latchkey audit key id').update(key).digest('hex').slice(0, 8);

const derive = (key: Buffer, purpose: string): Buffer =>
  Buffer.from(hkdfSync('sha256', key, 'latchkey audit', purpose, 32));

const signingKeyOf = (key: Buffer): KeyObject =>
  createPrivateKey({
    key: Buffer.concat([ED25519_PREFIX, derive(key, 'checkpoint signature')]),
    format: 'der',
    type: 'pkcs8',
  });

/** RFC 7638, members of RFC 8037. */
const thumbprint = (key: KeyObject): string => {
  const { crv, kty, x } = publicJwk.parse(key.export({ format: 'jwk' }));
  return createHash('sha256').update(JSON.stringify({ crv, kty, x })).digest('base64url');
};

const byThumbprint = (keys: readonly KeyObject[]): PublicAuditKeys =>
  new Map(keys.map((key) => [thumbprint(key), key]));

const pack = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

export const createAuditKeys = ({ current, previous }: AuditKeyring): AuditKeys => {
  const secrets = new Map([...previous, current].map((key) => [idOf(key), key]));
  const macKeys = new Map<string, Buffer>();
  const macKey = (keyId: string, tenantId: string): Buffer | undefined => {
    const name = `${keyId} ${tenantId}`;
    const known = macKeys.get(name);
    const secret = secrets.get(keyId);
    if (known !== undefined || secret === undefined) return known;
    if (macKeys.size > 10_000) macKeys.clear();
    const derived = derive(secret, `chain ${tenantId}`);
    macKeys.set(name, derived);
    return derived;
  };
  const privateKey = signingKeyOf(current);
  const publicKeys = byThumbprint([current, ...previous].map((key) => createPublicKey(signingKeyOf(key))));
  const kid = thumbprint(createPublicKey(privateKey));
  return {
    keyId: idOf(current),
    publicKeys,
    mac: (keyId, tenantId, text) => {
      const key = macKey(keyId, tenantId);
      return key === undefined ? undefined : createHmac('sha256', key).update(text).digest('hex');
    },
    sign: (statement) => {
      const signed = `${pack({ alg: 'EdDSA', kid, typ: TYPE })}.${pack(statement)}`;
      return `${signed}.${sign(null, Buffer.from(signed), privateKey).toString('base64url')}`;
    },
  };
};

const unpack = (text: string): unknown => JSON.parse(Buffer.from(text, 'base64url').toString('utf8'));

/** The statement of a JWS that one of these keys signed; undefined for anything else. */
export const openStatement = (jws: string, keys: PublicAuditKeys): ChainStatement | undefined => {
  const [head = '', body = '', signature = '', ...rest] = jws.trim().split('.');
  if (rest.length > 0) return undefined;
  try {
    const key = keys.get(header.parse(unpack(head)).kid);
    const isOurs =
      key !== undefined && verify(null, Buffer.from(`${head}.${body}`), key, Buffer.from(signature, 'base64url'));
    return isOurs ? chainStatement.parse(unpack(body)) : undefined;
  } catch {
    return undefined;
  }
};

/** What outsiders verify checkpoints with. */
export const toJwks = (keys: PublicAuditKeys): { readonly keys: readonly object[] } => ({
  keys: [...keys].map(([kid, key]) => ({
    ...publicJwk.parse(key.export({ format: 'jwk' })),
    kid,
    alg: 'EdDSA',
    use: 'sig',
  })),
});

/** @throws when the text is no JWKS of Ed25519 keys. */
export const readAuditJwks = (text: string): PublicAuditKeys =>
  byThumbprint(jwks.parse(JSON.parse(text)).keys.map((key) => createPublicKey({ key, format: 'jwk' })));
