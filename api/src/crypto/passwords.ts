/**
 * Password hashes: bcrypt over base64(HMAC-SHA-384(pepper, NFKC(password))). Called by services/accounts.ts.
 * The HMAC makes every password 64 bytes, so bcrypt's cut at 72 bytes never falls inside one, and a stolen table is worthless without
 * the pepper. Stored as `$pep$<pepper id>$2b$12$…`.
 */
import { createHash, createHmac, randomBytes } from 'node:crypto';
import bcrypt from 'bcrypt';
import type { HashQueue } from './hash-queue.ts';

export interface Passwords {
  /** @throws AppError `overloaded` */
  hash(password: string, signal?: AbortSignal): Promise<string>;
  /** One real hash whether there is something to compare with or not, so that time says nothing. @throws AppError `overloaded` */
  matches(password: string, stored: string | undefined, signal?: AbortSignal): Promise<boolean>;
}

export interface PasswordDeps {
  readonly pepper: Buffer;
  readonly cost: number;
  readonly queue: HashQueue;
}

export const createPasswords = ({ pepper, cost, queue }: PasswordDeps): Passwords => {
  const pepperId = createHash('sha256').update('latchkey pepper id').update(pepper).digest('hex').slice(0, 8);
  const prefix = `$pep$${pepperId}`;
  // Nobody knows the password of this hash; it costs the same as a real one.
  const decoy = bcrypt.hash(randomBytes(32).toString('base64'), cost);

  const prepare = (password: string): string =>
    createHmac('sha384', pepper).update(password.normalize('NFKC')).digest('base64');

  return {
    hash: async (password, signal) => `${prefix}${await queue.run(() => bcrypt.hash(prepare(password), cost), signal)}`,
    matches: async (password, stored, signal) => {
      const known = stored?.startsWith(prefix) === true ? stored.slice(prefix.length) : undefined;
      const against = known ?? (await decoy);
      const isSame = await queue.run(() => bcrypt.compare(prepare(password), against), signal);
      return isSame && known !== undefined;
    },
  };
};
