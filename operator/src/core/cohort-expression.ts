/**
 * Which buckets of the cohort cookie a rule of ours stands for, as a regular expression over the whole Cookie header. cohort-rules.ts
 * writes them into the route and reads them back. One grammar for RE2 (Envoy) and PCRE: no look-around, anchored, nothing to backtrack.
 *
 * @see docs/adr/0027-cohorts.md
 */

export type Side = 'canary' | 'stable';

/** A cookie may stand anywhere in the header; its name begins behind a semicolon, its value ends before one. */
const HEAD = '^(?:[^;]*;)*[ \\t]*';
const VALUE = '=(?:';
const TAIL = ')[ \\t]*(?:;.*)?$';

/** Matches a Cookie header that names a bucket below `weight` (canary) or from it on (stable). @param weight 1–99 */
export function cohortExpression(cookie: string, side: Side, weight: number): string {
  return `${HEAD}${escaped(cookie)}${VALUE}${bucketsOf(side, weight)}${TAIL}`;
}

/** What `cohortExpression` was given, the cookie's name still escaped; undefined for anything that it did not write. */
export function readExpression(
  expression: string,
): { readonly cookie: string; readonly side: Side; readonly weight: number } | undefined {
  if (!expression.startsWith(HEAD) || !expression.endsWith(TAIL)) return undefined;
  const middle = expression.slice(HEAD.length, -TAIL.length);
  const at = middle.lastIndexOf(VALUE);
  const known = at === -1 ? undefined : BY_BUCKETS.get(middle.slice(at + VALUE.length));
  return known && { ...known, cookie: middle.slice(0, at) };
}

/** Tokens of RFC 6265 that mean something in a regular expression: $ * + . ^ | */
export function escaped(cookie: string): string {
  return cookie.replaceAll(/[$*+.^|]/g, String.raw`\$&`);
}

function bucketsOf(side: Side, weight: number): string {
  return side === 'canary' ? range(0, weight - 1) : range(weight, 99);
}

/** Decimal numbers without leading zeros from `first` to `last`: 3–27 is [3-9]|1[0-9]|2[0-7]. */
function range(first: number, last: number): string {
  const tens = Array.from({ length: 10 }, (_, ten) => ten);
  const parts = tens.map((ten) => ({
    ten,
    digits: digits(Math.max(first - ten * 10, 0), Math.min(last - ten * 10, 9)),
  }));
  const whole = parts.filter(({ ten, digits: text }) => ten > 0 && text === '[0-9]').map(({ ten }) => ten);
  const wholeTens = digits(whole[0] ?? 1, whole.at(-1) ?? 0);
  return parts
    .flatMap(({ ten, digits: text }) => {
      if (text === '') return [];
      if (ten === 0) return [text];
      if (text !== '[0-9]') return [`${ten}${text}`];
      return ten === whole[0] ? [`${wholeTens}[0-9]`] : [];
    })
    .join('|');
}

function digits(first: number, last: number): string {
  if (first > last) return '';
  return first === last ? String(first) : `[${first}-${last}]`;
}

const WEIGHTS = Array.from({ length: 99 }, (_, index) => index + 1);
const SIDES: readonly Side[] = ['canary', 'stable'];
const BY_BUCKETS: ReadonlyMap<string, { readonly side: Side; readonly weight: number }> = new Map(
  SIDES.flatMap((side) => WEIGHTS.map((weight) => [bucketsOf(side, weight), { side, weight }] as const)),
);
