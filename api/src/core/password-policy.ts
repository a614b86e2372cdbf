/** Which new passwords are good enough, and for how long. Called by services/new-passwords.ts and services/login.ts. */
import { uncommonCharacters } from './common-passwords.ts';

export const MIN_PASSWORD_LENGTH = 12;
/** Bounded before anything walks over it: normalisation and hashing cost time a length (facts: Kratos 2026-07). */
export const MAX_PASSWORD_LENGTH = 256;

const CLASSES: readonly (readonly [RegExp, string])[] = [
  [/\p{Ll}/u, 'a lower-case letter'],
  [/\p{Lu}/u, 'an upper-case letter'],
  [/\p{Nd}/u, 'a digit'],
  [/[^\p{L}\p{Nd}\s]/u, 'a symbol'],
];

/** `seed`: the security plan's rules. `nist`: SP 800-63B-4's, which asks for length and forbids the rest. */
export type PasswordProfile = 'seed' | 'nist';

const NIST_MIN_LENGTH = 15;
/** Different characters that a guessing list does not bring along. */
const NIST_MIN_UNCOMMON = 5;

const seedWeaknesses = (password: string): readonly string[] => {
  if (Array.from(password).length < MIN_PASSWORD_LENGTH) return [`at least ${MIN_PASSWORD_LENGTH} characters`];
  return CLASSES.filter(([pattern]) => !pattern.test(password)).map(([, phrase]) => phrase);
};

const nistWeaknesses = (password: string, context: readonly string[]): readonly string[] => {
  if (Array.from(password).length < NIST_MIN_LENGTH) return [`at least ${NIST_MIN_LENGTH} characters`];
  const isUncommon = uncommonCharacters(password, context) >= NIST_MIN_UNCOMMON;
  return isUncommon ? [] : ['more than common words, runs of the keyboard, your address and repetitions'];
};

export interface PasswordRules {
  readonly profile: PasswordProfile;
  /** Words that an attacker would try for this account: parts of its address, the service's name. */
  readonly context: readonly string[];
}

/** What the password lacks, as phrases for people; empty when it is good enough. */
export const passwordWeaknesses = (
  password: string,
  { profile, context }: PasswordRules = { profile: 'seed', context: [] },
): readonly string[] => {
  if (password.length > MAX_PASSWORD_LENGTH) return [`at most ${MAX_PASSWORD_LENGTH} characters`];
  return profile === 'seed' ? seedWeaknesses(password) : nistWeaknesses(password, context);
};

/** The parts of an address that a password must not be made of. */
export const contextOf = (email: string): readonly string[] => ['latchkey', ...email.split(/[^\p{L}\p{N}]+/u)];

const SEED_MAX_AGE_MS = 90 * 86_400_000;

/** When a password that is set now has to be changed; undefined where nothing expires. */
export const passwordExpiryMs = (profile: PasswordProfile, changedAtMs: number): number | undefined =>
  profile === 'seed' ? changedAtMs + SEED_MAX_AGE_MS : undefined;

export interface PasswordAge {
  readonly changedAtMs: number | undefined;
  /** Written at each change; undefined for accounts of before that column. */
  readonly expiresAtMs: number | undefined;
  /** An administrator asks for a new one, in either profile. */
  readonly mustChange: boolean;
}

/** Whether the right password opens no session until it is changed. */
export const isPasswordExpired = (age: PasswordAge, profile: PasswordProfile, nowMs: number): boolean => {
  if (age.mustChange) return true;
  if (profile === 'nist') return false;
  const expiresAtMs =
    age.expiresAtMs ?? (age.changedAtMs === undefined ? undefined : age.changedAtMs + SEED_MAX_AGE_MS);
  return expiresAtMs !== undefined && expiresAtMs <= nowMs;
};
