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
