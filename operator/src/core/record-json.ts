/**
 * Values as JSON that loses nothing which judge and decide could see. decision-record.ts keeps observations with it,
 * record-chain.ts hashes what it made, and the plugin reads it back before it judges again.
 */

/** A key that no observation has: what JSON cannot say stands under it as text or list. */
const NUMBER = '$number';
const MAP = '$map';
const SET = '$set';

/** Plain JSON: undefined goes, NaN and the infinities, Maps and Sets are spelled out. */
export function toJson(value: unknown): unknown {
  if (typeof value === 'number') return Number.isFinite(value) ? value : { [NUMBER]: String(value) };
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((entry) => toJson(entry ?? null));
  if (value instanceof Map) return { [MAP]: [...value].map(toJson) };
  if (value instanceof Set) return { [SET]: [...value].map(toJson) };
  const fields = Object.entries(value).filter(([, field]) => field !== undefined);
  return Object.fromEntries(fields.map(([key, field]) => [key, toJson(field)]));
}

/** What `toJson` was given, but for fields that were undefined: they are missing now, which reads the same. */
export function fromJson(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(fromJson);
  const fields = Object.entries(value);
  const [only] = fields;
  if (only !== undefined && fields.length === 1) {
    const [key, content] = only;
    if (key === NUMBER) return Number(content);
    if (key === MAP && Array.isArray(content)) return new Map(content.map(asPair));
    if (key === SET && Array.isArray(content)) return new Set(content.map(fromJson));
  }
  return Object.fromEntries(fields.map(([key, field]) => [key, fromJson(field)]));
}

function asPair(entry: unknown): readonly [unknown, unknown] {
  return Array.isArray(entry) ? [fromJson(entry[0]), fromJson(entry[1])] : [undefined, undefined];
}
