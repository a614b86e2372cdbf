/**
 * What an address is stored and looked up as. Called by routes/fields.ts, before anything else sees it: what is stored is what was checked.
 */

/** Looks like nothing, or turns the text around: zero width, bidirectional marks, variation selectors, controls, unusual spaces, fillers. */
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}\p{Variation_Selector}\u115F\u1160\u3164\uFFA0]|(?! )\p{Zs}/u;

/** Compatibility forms become the letters that they look like, then capitals small ones. The text is its own normal form from here on. */
export const normalizeEmail = (text: string): string => text.normalize('NFKC').trim().toLowerCase();

/**
 * Why an address is not taken; undefined when it may be. `text` is what came, `normal` is {@link normalizeEmail} of it. An invisible character
 * is refused rather than dropped, and what is left must be ASCII, since no two ASCII addresses look the same by accident of a script.
 */
export const emailFault = (text: string, normal: string): string | undefined => {
  if (INVISIBLE.test(text.trim())) return 'must have no invisible characters';
  if (!/^[\x21-\x7e]+$/.test(normal)) return 'must be in Latin letters without accents, digits and signs';
  return undefined;
};
