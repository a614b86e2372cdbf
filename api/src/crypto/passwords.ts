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
  /**
   * As much hashing as the slowest hash in use takes, whether there is something to compare with or not, so that time says nothing.
   * `slowestCost` is the dearest cost that the organization has stored. @throws AppError `overloaded`
   */
  matches(
    password: string,
    stored: string | undefined,
    options?: { readonly signal?: AbortSignal | undefined; readonly slowestCost?: number },
  ): Promise<boolean>;
}

export interface PasswordDeps {
  readonly pepper: Buffer;
  readonly cost: number;
  readonly queue: HashQueue;
}

/** Beyond it a stored hash is not computed: an import of dear hashes must not stop the service. */
const MAX_COST = 15;

/** Of a modular crypt text: `$2b$12$…`. */
const costOf = (hash: string): number => Number(hash.slice(4, 6));

const BCRYPT_ALPHABET = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ';

/** A hash of no password: it takes as long as a real one of this cost. */
const decoyOf = (cost: number): string => {
  const text = Array.from(randomBytes(53), (byte) => BCRYPT_ALPHABET[byte % BCRYPT_ALPHABET.length]);
  return `$2b$${String(cost).padStart(2, '0')}$${text.join('')}`;
};

export const createPasswords = ({ pepper, cost, queue }: PasswordDeps): Passwords => {
  const pepperId = createHash('sha256').update('latchkey pepper id').update(pepper).digest('hex').slice(0, 8);
  const prefix = `$pep$${pepperId}`;

  const prepare = (password: string): string =>
    createHmac('sha384', pepper).update(password.normalize('NFKC')).digest('base64');

  return {
    hash: async (password, signal) => `${prefix}${await queue.run(() => bcrypt.hash(prepare(password), cost), signal)}`,
    matches: (password, stored, { signal, slowestCost = cost } = {}) => {
      const known = stored?.startsWith(prefix) === true ? stored.slice(prefix.length) : undefined;
      const prepared = prepare(password);
      const target = Math.min(Math.max(slowestCost, cost), MAX_COST);
      const compare = async (): Promise<boolean> => {
        const against = known === undefined || costOf(known) > MAX_COST ? decoyOf(target) : known;
        const isSame = await bcrypt.compare(prepared, against);
        // 2^c + (2^c + 2^(c+1) + … + 2^(t-1)) = 2^t: exactly what the slowest takes, in the same turn of the queue.
        for (let padding = costOf(against); padding < target; padding += 1) {
          await bcrypt.compare(prepared, decoyOf(padding));
        }
        return isSame && against === known;
      };
      return queue.run(compare, signal);
    },
  };
};
