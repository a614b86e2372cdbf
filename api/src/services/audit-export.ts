/**
 * A chain as JSON lines that outsiders can verify with the public key alone: the rows as they were sealed, each with its digest, and at the
 * end a signed statement of the last digest. Written and read by cli/audit.ts.
 */
import { z } from 'zod';
import {
  AUDIT_SOURCES,
  type ChainStatement,
  digestInput,
  EMPTY_HEAD,
  type Finding,
  type Head,
  type Link,
  SEALED_FIELDS,
} from '../core/audit-chain.ts';
import { type AuditKeys, openStatement, type PublicAuditKeys, sha256 } from '../crypto/audit-keys.ts';
import { readHead, readLinks, readStatements } from '../db/audit-chain.ts';
import type { Transaction } from '../db/database.ts';
import { newestAnchor } from './audit-verification.ts';

const PAGE = 2_000;

const line = z.discriminatedUnion('type', [
  z.object({ type: z.literal('anchor'), statement: z.string() }),
  z.object({
    type: z.literal('event'),
    sequence: z.int(),
    source: z.enum(AUDIT_SOURCES),
    /** null: the row was let go of after its retention, or is missing. */
    fields: z.record(z.string(), z.string().nullable()).nullable(),
    digest: z.string(),
  }),
  z.object({ type: z.literal('checkpoint'), statement: z.string() }),
]);

type Line = z.infer<typeof line>;

const toLine = ({ seal, fields }: Link): Line => ({
  type: 'event',
  sequence: seal.sequence,
  source: seal.source,
  fields:
    fields === undefined
      ? null
      : Object.fromEntries(SEALED_FIELDS[seal.source].map((name, index) => [name, fields[index] ?? null])),
  digest: seal.digest,
});

/** Reads this transaction's chain page by page, which should be one snapshot; every line goes to `write` as it is read. */
export const exportChain = async (
  tx: Transaction,
  keys: AuditKeys,
  about: { readonly tenantId: string; readonly nowMs: number },
  write: (text: string) => Promise<void> | void,
): Promise<number> => {
  const put = (value: Line): Promise<void> | void => write(`${JSON.stringify(value)}\n`);
  const statements = await readStatements(tx);
  const anchors = statements.filter(({ kind }) => kind === 'anchor');
  const anchor = newestAnchor(anchors.flatMap(({ statement }) => openStatement(statement, keys.publicKeys) ?? []));
  const stored = anchors.find(({ statement }) => openStatement(statement, keys.publicKeys)?.at === anchor?.at);
  if (stored !== undefined) await put({ type: 'anchor', statement: stored.statement });
  let after = anchor?.sequence ?? 0;
  let count = 0;
  for (;;) {
    const links = await readLinks(tx, after, PAGE);
    for (const link of links) await put(toLine(link));
    count += links.length;
    after = links.at(-1)?.seal.sequence ?? after;
    if (links.length < PAGE) break;
  }
  const at = new Date(about.nowMs).toISOString();
  const statement = keys.sign({ v: 1, kind: 'checkpoint', tenant: about.tenantId, ...(await readHead(tx)), at });
  await put({ type: 'checkpoint', statement });
  return count;
};

interface Reading {
  readonly head: Pick<Head, 'sequence' | 'digest'>;
  readonly findings: readonly Finding[];
  readonly isSigned: boolean;
}

const readEvent = ({ head, findings }: Reading, event: Extract<Line, { type: 'event' }>): Reading => {
  const { sequence, source, digest } = event;
  const found = (finding: Finding): Reading => ({
    head: { sequence, digest },
    findings: [...findings, finding],
    isSigned: false,
  });
  if (sequence !== head.sequence + 1) {
    return found({ kind: 'seal-missing', sequence: head.sequence + 1, detail: 'lines are missing before this one' });
  }
  const { fields } = event;
  const isSame =
    fields === null ||
    sha256(
      digestInput(
        head.digest,
        source,
        SEALED_FIELDS[source].map((name) => fields[name] ?? null),
      ),
    ) === digest;
  if (!isSame) {
    const eventId = fields?.['id'];
    return found({
      kind: 'edited',
      sequence,
      source,
      ...(eventId && { eventId }),
      detail: 'the row does not have the digest beside it',
    });
  }
  return { head: { sequence, digest }, findings, isSigned: false };
};

const readStatement = (reading: Reading, text: string, keys: PublicAuditKeys): Reading => {
  const statement = openStatement(text, keys);
  const { sequence } = reading.head;
  if (statement === undefined) {
    return {
      ...reading,
      findings: [...reading.findings, { kind: 'checkpoint-forged', sequence, detail: 'not signed with a known key' }],
    };
  }
  if (statement.kind === 'anchor' && sequence === 0) return { ...reading, head: statement };
  const isSame = statement.sequence === sequence && statement.digest === reading.head.digest;
  const kind = statement.sequence > sequence ? 'truncated' : 'rewritten';
  const detail = `the checkpoint of ${statement.at} saw ${statement.sequence} rows and other content`;
  return {
    ...reading,
    isSigned: true,
    findings: [...reading.findings, ...(isSame ? [] : [{ kind, sequence, detail } as const])],
  };
};

export interface ExportReport {
  readonly rows: number;
  readonly head: Pick<Head, 'sequence' | 'digest'>;
  readonly findings: readonly Finding[];
}

/** Verifies an export line by line. `outside`: checkpoints that were kept elsewhere. @throws when a line is none of an export's. */
export const verifyExport = async (
  lines: AsyncIterable<string>,
  keys: PublicAuditKeys,
  outside: readonly ChainStatement[] = [],
): Promise<ExportReport> => {
  let reading: Reading = { head: EMPTY_HEAD, findings: [], isSigned: false };
  let rows = 0;
  const kept = new Map(outside.map((statement) => [statement.sequence, statement]));
  for await (const text of lines) {
    if (text.trim() === '') continue;
    const next = line.parse(JSON.parse(text));
    if (next.type === 'event') {
      rows += 1;
      reading = readEvent(reading, next);
      const known = kept.get(next.sequence);
      if (known !== undefined && known.digest !== next.digest) {
        const detail = `the checkpoint of ${known.at} saw other content`;
        reading = {
          ...reading,
          findings: [...reading.findings, { kind: 'rewritten', sequence: next.sequence, detail }],
        };
      }
    } else reading = readStatement(reading, next.statement, keys);
  }
  const farthest = Math.max(0, ...kept.keys());
  const cut: Finding = {
    kind: 'truncated',
    sequence: reading.head.sequence,
    detail: 'the export ends before its signature',
  };
  const isCut = !reading.isSigned || farthest > reading.head.sequence;
  return { rows, head: reading.head, findings: [...reading.findings, ...(isCut ? [cut] : [])] };
};
