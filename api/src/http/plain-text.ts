/**
 * Takes the HTML out of a text that some page may show one day. Called by the schemas in routes/. sanitize-html decides what a tag is; the
 * result is text, not HTML: `Tom & Ann` stays so, and is not stored as `Tom &amp; Ann`.
 */
import { createRequire } from 'node:module';
import type sanitize from 'sanitize-html';

/** What sanitize-html writes for the characters of a text. */
const ENTITIES: Readonly<Record<string, string>> = { '&amp;': '&', '&lt;': '<', '&gt;': '>', '&quot;': '"' };
/** Each round takes one layer of escaping away; nobody's name has more. */
const MAX_ROUNDS = 5;

/** Loaded with the first text that looks like HTML: most processes never see one, and it is 8 MB. */
let sanitizeHtml: typeof sanitize | undefined;
// What the package exports is what its types say.
// oxlint-disable-next-line typescript/no-unsafe-type-assertion
const loadSanitizer = (): typeof sanitize => createRequire(import.meta.url)('sanitize-html') as typeof sanitize;

const withoutTags = (text: string): string => {
  sanitizeHtml ??= loadSanitizer();
  return sanitizeHtml(text, { allowedTags: [], allowedAttributes: {} });
};
const decoded = (html: string): string => html.replaceAll(/&(?:amp|lt|gt|quot);/g, (entity) => ENTITIES[entity] ?? '');

/**
 * Text without a tag in it, in whatever number of escapings it came: decoding once must not bring to life what was escaped twice.
 * What is not settled after some rounds loses the characters that could make a tag, so that a second time changes nothing.
 */
export const plainText = (text: string): string => {
  if (!/[<>&]/.test(text)) return text;
  let current = text;
  for (let round = 0; round < MAX_ROUNDS; round += 1) {
    const next = decoded(withoutTags(current));
    if (next === current) return current;
    current = next;
  }
  return current.replaceAll(/[<>&]/g, '');
};
