/**
 * What stands inside a backup: gzipped lines, each a letter and JSON. Called by write.ts and read.ts. A row is the database's own JSON text
 * and is never parsed here, since JavaScript's numbers would lose digits of PostgreSQL's.
 */
import { createHash, type Hash } from 'node:crypto';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { createGunzip, createGzip } from 'node:zlib';
import { z } from 'zod';
import { type StoredTable, storedTable } from '../db/snapshot.ts';
import { ArchiveError } from './archive.ts';

const totalsLine = z.object({ rows: z.int(), digest: z.string() });
const lines = {
  /** A table begins; its rows follow. */
  T: storedTable,
  /** The table's rows end: how many, and SHA-256 over their texts. */
  E: totalsLine,
  /** A sequence, and what it gave last; null where it gave nothing yet. */
  S: z.object({ name: z.string(), last: z.string().nullable() }),
  /** A month that had audit partitions. */
  M: z.object({ table: z.string(), month: z.iso.date() }),
  /** A key of Redis as DUMP gives it; `leftMs` -1 where it does not expire. */
  K: z.object({ key: z.string(), dump: z.base64(), leftMs: z.int() }),
  /** A variable of the environment. */
  V: z.object({ name: z.string(), value: z.string() }),
} as const;

export type TableTotals = Readonly<z.infer<typeof totalsLine>>;

export type Record =
  | ({ readonly kind: 'table' } & StoredTable)
  | { readonly kind: 'row'; readonly text: string }
  | ({ readonly kind: 'end' } & TableTotals)
  | ({ readonly kind: 'sequence' } & Readonly<z.infer<typeof lines.S>>)
  | ({ readonly kind: 'month' } & Readonly<z.infer<typeof lines.M>>)
  | ({ readonly kind: 'redis' } & Readonly<z.infer<typeof lines.K>>)
  | ({ readonly kind: 'variable' } & Readonly<z.infer<typeof lines.V>>);

const LETTER = { table: 'T', end: 'E', sequence: 'S', month: 'M', redis: 'K', variable: 'V' } as const;

/** Counts and digests a table's rows, the same way when they are written, read and compared. */
export const createTally = (): { add(text: string): void; totals(): TableTotals } => {
  const hash: Hash = createHash('sha256');
  let rows = 0;
  return {
    add: (text) => {
      rows += 1;
      hash.update(text).update('\n');
    },
    totals: () => ({ rows, digest: hash.digest('hex') }),
  };
};

/** The rows of all tables together. */
export const rowsOf = (tables: ReadonlyMap<string, TableTotals>): number =>
  [...tables.values()].reduce((sum, { rows }) => sum + rows, 0);

const lineOf = (record: Record): string => {
  if (record.kind === 'row') return `R${record.text}\n`;
  const { kind, ...fields } = record;
  return `${LETTER[kind]}${JSON.stringify(fields)}\n`;
};

const LINES_A_PIECE = 256;

const encodeLines = async function* (records: AsyncIterable<Record>): AsyncGenerator<Buffer> {
  let piece: string[] = [];
  for await (const record of records) {
    piece.push(lineOf(record));
    if (piece.length < LINES_A_PIECE) continue;
    yield Buffer.from(piece.join(''));
    piece = [];
  }
  yield Buffer.from(`${piece.join('')}Z\n`);
};

/** The compressed bytes of the records. */
export const encode = (records: AsyncIterable<Record>): AsyncIterable<Uint8Array> => {
  const plain = Readable.from(encodeLines(records));
  const gzip = createGzip();
  plain.on('error', (error) => gzip.destroy(error));
  return plain.pipe(gzip);
};

const parseLine = (line: string): Record => {
  const json: unknown = JSON.parse(line.slice(1));
  switch (line.slice(0, 1)) {
    case 'T':
      return { kind: 'table', ...lines.T.parse(json) };
    case 'E':
      return { kind: 'end', ...lines.E.parse(json) };
    case 'S':
      return { kind: 'sequence', ...lines.S.parse(json) };
    case 'M':
      return { kind: 'month', ...lines.M.parse(json) };
    case 'K':
      return { kind: 'redis', ...lines.K.parse(json) };
    case 'V':
      return { kind: 'variable', ...lines.V.parse(json) };
    default:
      throw new ArchiveError(
        'backup-damaged',
        `the backup holds a line of the unknown kind ${line.slice(0, 1)}: use a newer release`,
      );
  }
};

/** @throws ArchiveError `backup-damaged` when the last line is not there or a line is not understood, and what the source throws. */
export const decode = async function* (bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Record> {
  const packed = Readable.from(bytes);
  const plain = createGunzip();
  packed.on('error', (error) => plain.destroy(error));
  packed.pipe(plain);
  let isWhole = false;
  for await (const line of createInterface({ input: plain, crlfDelay: Number.POSITIVE_INFINITY })) {
    if (line === 'Z') isWhole = true;
    else if (line.startsWith('R')) yield { kind: 'row', text: line.slice(1) };
    else yield parseLine(line);
  }
  if (!isWhole) throw new ArchiveError('backup-damaged', 'the contents of the backup end too early');
};
