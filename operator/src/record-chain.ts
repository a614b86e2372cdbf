/**
 * The chain of decision records: what a record's hash covers, and how a list of records is read. decision-log.ts seals with
 * it, the plugin checks with it. The values come from core/decision-record.ts.
 */
import { gunzipSync, gzipSync } from 'node:zlib';
import { z } from 'zod';
import { type DecisionDraft, RECORD_FORMAT, RECORD_KIND } from './core/decision-record.ts';
import { canonicalJson } from './core/revision.ts';
import { sha256Hex } from './objects.ts';

/** `previous` of the first record of all. */
export const GENESIS = '0'.repeat(64);

/** The last record of a chain, as far as the next one needs it. */
export interface Head {
  readonly sequence: number;
  readonly hash: string;
}

export interface Sealed extends Head {
  /** One line of canonical JSON. */
  readonly line: string;
}

/** @param gap what is known to be missing right before this record */
export function seal(draft: DecisionDraft, head: Head, gap?: string): Sealed {
  const body = {
    ...draft,
    sequence: head.sequence + 1,
    previous: head.hash,
    ...(gap === undefined ? {} : { gap }),
  };
  const hash = sha256Hex(canonicalJson(body));
  return { sequence: body.sequence, hash, line: canonicalJson({ ...body, hash }) };
}

const hash = z.string().regex(/^[0-9a-f]{64}$/);

/** As far as the chain and its readers need a record; the rest is kept as it is. */
export const recordShape = z.looseObject({
  kind: z.literal(RECORD_KIND),
  format: z.literal(RECORD_FORMAT),
  sequence: z.int().min(1),
  previous: hash,
  hash,
  time: z.string(),
  gap: z.string().optional(),
  rollout: z.looseObject({ namespace: z.string(), name: z.string(), uid: z.string() }),
  actor: z.looseObject({ pod: z.string(), token: z.number(), version: z.string() }),
  revision: z.string(),
  observation: z.unknown(),
  judgement: z.unknown(),
  decision: z.looseObject({
    kind: z.string(),
    reason: z.string(),
    message: z.string(),
    severity: z.string().optional(),
    want: z.unknown(),
    write: z.looseObject({ weight: z.number() }).optional(),
  }),
});
export type ChainRecord = z.infer<typeof recordShape>;

/** True when nothing in the record was changed since it was sealed. */
export function isIntact(record: ChainRecord): boolean {
  const { hash: claimed, ...body } = record;
  return sha256Hex(canonicalJson(body)) === claimed;
}

/** For the cluster: a quarter of the bytes; `base64 -d | gunzip` gives the line again. */
export function packLine(line: string): string {
  return gzipSync(line, { level: 9 }).toString('base64');
}

/** Longer than any record by far, so that a text made by somebody else cannot fill the memory. */
const MAX_LINE_BYTES = 4 * 1024 * 1024;

/** @throws when it is not what packLine made */
export function unpackLine(data: string): string {
  return gunzipSync(Buffer.from(data, 'base64'), { maxOutputLength: MAX_LINE_BYTES }).toString('utf8');
}
