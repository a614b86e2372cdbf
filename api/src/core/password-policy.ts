/** Which new passwords are good enough. Called by routes/auth.ts at registration; the profile is the security plan's (`seed`). */

export const MIN_PASSWORD_LENGTH = 12;
/** Bounded before anything walks over it: normalisation and hashing cost time a length (facts: Kratos 2026-07). */
export const MAX_PASSWORD_LENGTH = 256;

const CLASSES: readonly (readonly [RegExp, string])[] = [
  [/\p{Ll}/u, 'a lower-case letter'],
  [/\p{Lu}/u, 'an upper-case letter'],
  [/\p{Nd}/u, 'a digit'],
  [/[^\p{L}\p{Nd}\s]/u, 'a symbol'],
];

/** What the password lacks, as phrases for people; empty when it is good enough. */
export const passwordWeaknesses = (password: string): readonly string[] => {
  if (Array.from(password).length < MIN_PASSWORD_LENGTH) return [`at least ${MIN_PASSWORD_LENGTH} characters`];
  if (password.length > MAX_PASSWORD_LENGTH) return [`at most ${MAX_PASSWORD_LENGTH} characters`];
  return CLASSES.filter(([pattern]) => !pattern.test(password)).map(([, phrase]) => phrase);
};

/** `seed`: the security plan's rules. `nist`: SP 800-63B-4's. */
export type PasswordProfile = 'seed' | 'nist';

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
