/**
 * The key pair of backups: whoever writes one has the public key alone, so that a stolen pod reads no backup, not even its own. X25519, as
 * text that cannot be mistaken for another key. Called by archive.ts and cli/backup.ts.
 * @see https://www.rfc-editor.org/rfc/rfc7748 X25519
 * @see docs/adr/0033-backup.md
 */
import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';

const PUBLIC_PREFIX = 'lkpub_';
const PRIVATE_PREFIX = 'lkkey_';
const KEY_BYTES = 32;

export interface BackupKeyPair {
  /** `BACKUP_PUBLIC_KEY`: writes backups. */
  readonly publicKey: string;
  /** `BACKUP_PRIVATE_KEY`: reads them; belongs where no cluster is. */
  readonly privateKey: string;
}

export class BackupKeyError extends Error {
  override readonly name = 'BackupKeyError';
  readonly code = 'backup-key-invalid';
}

const bytesAfter = (prefix: string, text: string): string => {
  const bytes = Buffer.from(text.trim().slice(prefix.length), 'base64url');
  if (!text.trim().startsWith(prefix) || bytes.length !== KEY_BYTES) {
    throw new BackupKeyError(
      `a backup key begins with ${prefix} and goes on with 43 characters; make a pair with \`backup keygen\``,
    );
  }
  return bytes.toString('base64url');
};

/** @throws BackupKeyError, without the text. */
export const readPublicKey = (text: string): KeyObject =>
  createPublicKey({ format: 'jwk', key: { kty: 'OKP', crv: 'X25519', x: bytesAfter(PUBLIC_PREFIX, text) } });

/** The text begins the PKCS #8 form of RFC 8410, which alone needs no public half beside it. @throws BackupKeyError, without the text. */
export const readPrivateKey = (text: string): KeyObject => {
  const raw = Buffer.from(bytesAfter(PRIVATE_PREFIX, text), 'base64url');
  const pkcs8 = Buffer.concat([Buffer.from('302e020100300506032b656e04220420', 'hex'), raw]);
  return createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' });
};

/** The 32 bytes of a public key. */
export const rawPublicKey = (key: KeyObject): Buffer => {
  const publicKey = key.type === 'private' ? createPublicKey(key) : key;
  return Buffer.from(publicKey.export({ format: 'jwk' }).x ?? '', 'base64url');
};

/** Names a pair in listings and errors: 8 hex digits of the public key's digest. */
export const keyIdOf = (key: KeyObject): string =>
  createHash('sha256').update('latchkey backup key id').update(rawPublicKey(key)).digest('hex').slice(0, 8);

export const generateBackupKeys = (): BackupKeyPair => {
  const { privateKey } = generateKeyPairSync('x25519');
  const { d = '', x = '' } = privateKey.export({ format: 'jwk' });
  return { publicKey: `${PUBLIC_PREFIX}${x}`, privateKey: `${PRIVATE_PREFIX}${d}` };
};
