/**
 * Password hashes: bcrypt over base64(HMAC-SHA-384(pepper, NFKC(password))). Called by the services that check or set passwords.
 * The HMAC makes every password 64 bytes, so bcrypt's cut at 72 bytes never falls inside one, and a stolen table is worthless without
 * the pepper. Stored as `$pep$<pepper id>$2b$12$…`.
 */
import { createHash, createHmac, randomBytes } from 'node:crypto';
import bcrypt from 'bcrypt';
import type { HashQueue } from './hash-queue.ts';

/** The cheapest and the dearest hash that an organization has stored. */
export interface HashCosts {
  readonly cheapest: number;
  readonly slowest: number;
}

export interface Passwords {
  /** @throws AppError `overloaded` */
  hash(password: string, signal?: AbortSignal): Promise<string>;
  /**
   * As much hashing as the slowest hash in use takes, in as many trips to a thread as the cheapest needs, whether there is something to compare
   * with or not, so that time says nothing. @throws AppError `overloaded`
   */
  matches(
    password: string,
    stored: string | undefined,
    options?: { readonly signal?: AbortSignal | undefined; readonly costsInUse?: HashCosts | undefined },
  ): Promise<boolean>;
  /** Whether a hash that just matched was made with another cost or pepper than new ones: the moment to replace it is now. */
  needsRehash(stored: string): boolean;
}

export interface PasswordDeps {
  readonly pepper: Buffer;
  /** Still readable: for hashes that were made before the pepper changed. */
  readonly previousPeppers?: readonly Buffer[];
  readonly cost: number;
  readonly queue: HashQueue;
}

/** Beyond it a stored hash is not computed: an import of dear hashes must not stop the service. */
const MAX_COST = 15;

const STORED = /^\$pep\$([0-9a-f]{8})(\$2b\$(\d\d)\$[./A-Za-z0-9]{53})$/;

interface StoredHash {
  readonly pepperId: string;
  /** Without the pepper's id: what bcrypt reads. */
  readonly hash: string;
  readonly cost: number;
}

const readStored = (stored: string): StoredHash | undefined => {
  const [, pepperId, hash, digits] = STORED.exec(stored) ?? [];
  if (pepperId === undefined || hash === undefined || Number(digits) > MAX_COST) return undefined;
  return { pepperId, hash, cost: Number(digits) };
};

/** What bcrypt looks at in a thread of its pool and finds to be no hash: the trip without the work. */
const NO_HASH = 'none';

const BCRYPT_ALPHABET = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ';

/** A hash of no password: it takes as long as a real one of this cost. */
const decoyOf = (cost: number): StoredHash => {
  const text = Array.from(randomBytes(53), (byte) => BCRYPT_ALPHABET[byte % BCRYPT_ALPHABET.length]);
  return { pepperId: '', hash: `$2b$${String(cost).padStart(2, '0')}$${text.join('')}`, cost };
};

const pepperIdOf = (pepper: Buffer): string =>
  createHash('sha256').update('latchkey pepper id').update(pepper).digest('hex').slice(0, 8);

const prepare = (password: string, pepper: Buffer): string =>
  createHmac('sha384', pepper).update(password.normalize('NFKC')).digest('base64');

export const createPasswords = ({ pepper, previousPeppers = [], cost, queue }: PasswordDeps): Passwords => {
  const pepperId = pepperIdOf(pepper);
  const peppers = new Map([...previousPeppers, pepper].map((known) => [pepperIdOf(known), known]));

  return {
    hash: async (password, signal) =>
      `$pep$${pepperId}${await queue.run(() => bcrypt.hash(prepare(password, pepper), cost), signal)}`,
    matches: (password, stored = '', { signal, costsInUse = { cheapest: cost, slowest: cost } } = {}) => {
      const read = readStored(stored);
      const knownPepper = read === undefined ? undefined : peppers.get(read.pepperId);
      const prepared = prepare(password, knownPepper ?? pepper);
      const target = Math.min(Math.max(costsInUse.slowest, cost), MAX_COST);
      const against = knownPepper === undefined || read === undefined ? decoyOf(target) : read;
      const compare = async (): Promise<boolean> => {
        const isSame = await bcrypt.compare(prepared, against.hash);
        // 2^c + (2^c + 2^(c+1) + … + 2^(t-1)) = 2^t: exactly what the slowest takes, in the same turn of the queue.
        for (let padding = against.cost; padding < target; padding += 1) {
          await bcrypt.compare(prepared, decoyOf(padding).hash);
        }
        // Each of these was a trip to a thread, some tenths of a millisecond, and the cheapest makes the most of them.
        for (let trips = against.cost; trips > costsInUse.cheapest; trips -= 1) await bcrypt.compare(prepared, NO_HASH);
        return isSame && against === read;
      };
      return queue.run(compare, signal);
    },
    needsRehash: (stored) => {
      const read = readStored(stored);
      return read === undefined || read.pepperId !== pepperId || read.cost !== cost;
    },
  };
};
