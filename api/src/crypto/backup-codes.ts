/**
 * Backup codes: 80 random bits each, of which only a keyed digest is kept, so that neither the table nor a guess at the codes' form is worth
 * anything without the key. Called by services/mfa.ts and services/second-factor.ts.
 */
import { createHash, createHmac, hkdfSync, randomBytes } from 'node:crypto';
import { toBase32 } from './totp.ts';

export const BACKUP_CODE_COUNT = 10;
const CODE_BYTES = 10;

export interface BackupCodes {
  readonly keyId: string;
  /** Ten new ones, in groups of four: `ABCD-EFGH-IJKL-MNOP`. */
  create(): readonly string[];
  /** What is stored of a code of this account. */
  digest(userId: string, code: string): Buffer;
  /** What may be stored of it, under this key and the older ones. */
  digests(userId: string, code: string): readonly Buffer[];
}

/** However it was typed: case, dashes and spaces do not matter. */
const normalise = (code: string): string => code.toUpperCase().replaceAll(/[^A-Z2-7]/g, '');

export const createBackupCodes = (current: Buffer, previous: readonly Buffer[] = []): BackupCodes => {
  const derive = (key: Buffer): Buffer => Buffer.from(hkdfSync('sha256', key, '', 'latchkey backup code', 32));
  const keys = [current, ...previous].map(derive);
  const keyId = createHash('sha256').update('latchkey backup code key id').update(current).digest('hex').slice(0, 8);

  const digests = (userId: string, code: string): readonly Buffer[] =>
    keys.map((key) =>
      createHmac('sha256', key)
        .update(`${userId}\0${normalise(code)}`)
        .digest(),
    );

  return {
    keyId,
    create: () =>
      Array.from({ length: BACKUP_CODE_COUNT }, () =>
        toBase32(randomBytes(CODE_BYTES)).replaceAll(/(.{4})(?=.)/g, '$1-'),
      ),
    digest: (userId, code) => digests(userId, code)[0] ?? Buffer.alloc(0),
    digests,
  };
};
