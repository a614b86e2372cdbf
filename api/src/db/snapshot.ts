/**
 * Every row of every tenant as one moment saw it, for a backup and for the comparison after a restore. Reads as the group role
 * `latchkey_backup` (migration 0030), which sees all rows and can change none.
 */
import type { Client } from 'pg';
import { z } from 'zod';
import { inTransaction } from './transaction.ts';

/** Whole schemas are ours; of `public` one table is. What the migration runner keeps is made anew by a restore. */
const OURS = `(n.nspname IN ('auth', 'latchkey') OR (n.nspname = 'public' AND c.relname = 'organization'))
  AND NOT (n.nspname = 'latchkey' AND c.relname = 'migration')`;
const BATCH = 500;

export const storedTable = z.object({
  name: z.string(),
  columns: z.array(z.string()).min(1),
  /** Those of `columns` that hold JSON. They travel as text, or a JSON null would come back as no value at all. */
  json: z.array(z.string()),
  /** The primary key's columns; empty where there is none. */
  key: z.array(z.string()),
});
export type StoredTable = Readonly<z.infer<typeof storedTable>>;

export const quoted = (name: string): string =>
  name
    .split('.')
    .map((part) => `"${part.replaceAll('"', '""')}"`)
    .join('.');

const NO_ROLE =
  'this role may not become latchkey_backup (run `latchkey db migrate`, or have an administrator GRANT latchkey_backup TO it)';

/** One moment for all that `work` reads; nothing can be written. Texts come out the same whatever the server's settings are. */
export const inSnapshot = <T>(client: Client, work: () => Promise<T>): Promise<T> => {
  const asBackup = async (): Promise<T> => {
    await client.query('SET LOCAL ROLE latchkey_backup').catch((cause: unknown) => {
      throw new Error(`${NO_ROLE}: ${cause instanceof Error ? cause.message : ''}`, { cause });
    });
    return await work();
  };
  return inTransaction(client, asBackup, { begin: 'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY', end: 'ROLLBACK' });
};

/** Partitions are their parent's rows, and generated columns are made again. */
export const storedTables = async (client: Client): Promise<readonly StoredTable[]> => {
  const { rows } = await client.query(
    `SELECT n.nspname || '.' || c.relname AS name,
       ARRAY(SELECT a.attname::text FROM pg_attribute a
             WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' ORDER BY a.attnum) AS columns,
       ARRAY(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
             AND a.atttypid IN ('json'::regtype, 'jsonb'::regtype) ORDER BY a.attnum) AS json,
       ARRAY(SELECT a.attname::text FROM pg_index i CROSS JOIN unnest(i.indkey) WITH ORDINALITY AS k (attnum, place)
             JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum
             WHERE i.indrelid = c.oid AND i.indisprimary ORDER BY k.place) AS key
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND ${OURS} ORDER BY 1`,
  );
  return z.array(storedTable).parse(rows);
};

const SETTINGS = `SET LOCAL TimeZone = 'UTC'; SET LOCAL IntervalStyle = 'iso_8601'; SET LOCAL extra_float_digits = 1; SET LOCAL bytea_output = 'hex'`;

/** The rows' JSON texts in an order that any server finds: by primary key, its texts compared by byte; without a key, by the whole row. */
export const storedRows = async function* (
  client: Client,
  { name, columns, json, key }: StoredTable,
): AsyncGenerator<readonly string[]> {
  await client.query(SETTINGS);
  const selected = columns.map((column) => (json.includes(column) ? `${quoted(column)}::text` : quoted(column)));
  const order =
    key.length === 0
      ? 'r.text COLLATE "C"'
      : key.map((column) => `to_jsonb(t.${quoted(column)})::text COLLATE "C"`).join(', ');
  await client.query(
    `DECLARE stored NO SCROLL CURSOR FOR
     SELECT r.text FROM (SELECT ${selected.join(', ')} FROM ${quoted(name)}) t, LATERAL (SELECT row_to_json(t)::text AS text) r ORDER BY ${order}`,
  );
  for (;;) {
    const { rows } = await client.query<{ text: string }>(`FETCH ${BATCH} FROM stored`);
    if (rows.length === 0) break;
    yield rows.map(({ text }) => text);
  }
  await client.query('CLOSE stored');
};

const sequence = z.object({ name: z.string(), last: z.string().nullable() });

export const storedSequences = async (client: Client): Promise<readonly Readonly<z.infer<typeof sequence>>[]> => {
  const { rows } = await client.query(
    `SELECT s.schemaname || '.' || s.sequencename AS name, s.last_value::text AS last FROM pg_sequences s
     WHERE s.schemaname IN ('auth', 'latchkey') ORDER BY 1`,
  );
  return z.array(sequence).parse(rows);
};

const month = z.object({ table: z.string(), month: z.string() });

/** The months that have audit partitions of their own. */
export const auditMonths = async (client: Client): Promise<readonly Readonly<z.infer<typeof month>>[]> => {
  const { rows } = await client.query(
    `SELECT p.relname AS table, replace(substring(c.relname FROM '_(\\d{4}_\\d{2})$'), '_', '-') || '-01' AS month
     FROM pg_inherits i JOIN pg_class p ON p.oid = i.inhparent JOIN pg_class c ON c.oid = i.inhrelid
     WHERE i.inhparent IN ('auth.audit_events'::regclass, 'auth.login_history'::regclass) AND c.relname ~ '_\\d{4}_\\d{2}$' ORDER BY 1, 2`,
  );
  return z.array(month).parse(rows);
};
