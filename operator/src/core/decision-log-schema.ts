/**
 * The DecisionLog object: the newest records of one rollout. decision-log.ts writes it, the plugin reads it, and
 * crd/generate.ts makes its definition.
 */

import * as z from 'zod';

/** A rollout of five steps leaves some 30 records; with what went before it that is one rollout or two. */
export const MAX_RECORDS = 64;
/** Far below the 1 MiB of an object: etcd keeps every version of it until it compacts. */
export const MAX_LOG_BYTES = 256 * 1024;
/** One record that is larger is left out of the cluster; the JSON line has it. */
export const MAX_RECORD_BYTES = 64 * 1024;

const hash = z.string().regex(/^[0-9a-f]{64}$/);
const sequence = z.int().min(0);

const entry = z.strictObject({
  sequence: sequence.describe('Place in the chain, from 1.'),
  hash: hash.describe('SHA-256 of the record, which names the hash of the one before it.'),
  time: z.string().max(32),
  decision: z.string().max(16),
  reason: z.string().max(64),
  data: z.string().max(MAX_RECORD_BYTES).describe('The record: one line of JSON, gzipped, in base64.'),
});
export type LogEntry = z.output<typeof entry>;

export const decisionLogSchema = z.strictObject({
  dropped: z
    .strictObject({ count: sequence, hash })
    .describe('What is not kept any more: how many records, and the hash of the last of them.'),
  records: z.array(entry).max(MAX_RECORDS).describe('Oldest first.'),
});
