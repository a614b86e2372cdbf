/**
 * Encryption of what the database keeps secret: AES-256-GCM under the current key, readable under the older ones. Called by the services
 * that keep such values (MFA secrets, mails that wait, signing keys). The purpose and the row it belongs to are authenticated with it, so a
 * box that is moved to another row does not open.
 */
import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';

/** `1.<key id>.<nonce>.<tag>.<ciphertext>`, base64url. */
const VERSION = '1';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

export interface SealedBoxes {
  /** Id of the key that seals now: 8 hex digits that say nothing of the key. */
  readonly keyId: string;
  /** `context` names purpose and row, such as `totp:<user>:<factor>`. */
  seal(plain: string, context: string): string;
  /** @throws Error when the key is not known, or anything of the box or its context is not what was sealed. */
  open(sealed: string, context: string): string;
  /** Whether the box was sealed under a key that is no longer the current one. */
  isStale(sealed: string): boolean;
}

const idOf = (key: Buffer): string =>
  createHash('sha256').update('latchkey encryption key id').update(key).digest('hex').slice(0, 8);

/** 256 bits for this purpose alone, whatever the length of what was configured. */
const deriveKey = (key: Buffer): Buffer => createHash('sha256').update('latchkey sealed box').update(key).digest();

export const createSealedBoxes = (current: Buffer, previous: readonly Buffer[] = []): SealedBoxes => {
  const keyId = idOf(current);
  const keys = new Map([...previous, current].map((key) => [idOf(key), deriveKey(key)]));

  const cipherKey = (id: string): Buffer => {
    const key = keys.get(id);
    if (key === undefined) throw new Error('sealed under a key that is not configured');
    return key;
  };

  return {
    keyId,
    seal: (plain, context) => {
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv('aes-256-gcm', cipherKey(keyId), nonce).setAAD(Buffer.from(context));
      const sealed = Buffer.concat([cipher.update(plain, 'utf8'), cipher.final()]);
      const parts = [nonce, cipher.getAuthTag(), sealed].map((part) => part.toString('base64url'));
      return [VERSION, keyId, ...parts].join('.');
    },
    open: (sealed, context) => {
      const [version, id = '', nonce = '', tag = '', text = ''] = sealed.split('.');
      const tagBytes = Buffer.from(tag, 'base64url');
      if (version !== VERSION || tagBytes.length !== TAG_BYTES) throw new Error('not a sealed box');
      const decipher = createDecipheriv('aes-256-gcm', cipherKey(id), Buffer.from(nonce, 'base64url'))
        .setAAD(Buffer.from(context))
        .setAuthTag(tagBytes);
      return Buffer.concat([decipher.update(Buffer.from(text, 'base64url')), decipher.final()]).toString('utf8');
    },
    isStale: (sealed) => sealed.split('.')[1] !== keyId,
  };
};
