/** The statements of the audit chain. Called by services/audit-sealing.ts, audit-verification.ts and audit-retention.ts, one tenant at a time. */
import { z } from 'zod';
import {
  AUDIT_SOURCES,
  type AuditSource,
  EMPTY_HEAD,
  type EventFields,
  type Head,
  type Link,
  SEALED_FIELDS,
  type Seal,
} from '../core/audit-chain.ts';
import type { Transaction } from './database.ts';

const source = z.enum(AUDIT_SOURCES);
/** bigint comes as text; a chain of 2^53 rows is none of our worries. */
const sequence = z.coerce.number().int();
const hex = z.string().regex(/^[0-9a-f]{64}$/);
const fields = z.array(z.string().nullable()).nullable();

/** UTC with microseconds, whatever the session's time zone and date style. */
const instant = (column: string): string => `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;

const textOf = (alias: string, name: string): string => {
  if (name === 'created_at') return instant(`${alias}.created_at`);
  return name === 'ip_address' ? `host(${alias}.ip_address)` : `${alias}.${name}::text`;
};

/** The row as core/audit-chain.ts wants it; NULL where an outer join found none. */
const fieldsOf = (table: AuditSource, alias: string): string =>
  `CASE WHEN ${alias}.id IS NOT NULL THEN ARRAY[${SEALED_FIELDS[table].map((name) => textOf(alias, name)).join(', ')}] END`;

/** False while another pod works on this tenant's chain. Held until the transaction ends. */
export const lockChain = async (tx: Transaction, tenantId: string): Promise<boolean> => {
  const { rows } = await tx.query(
    "SELECT pg_try_advisory_xact_lock(hashtextextended('latchkey.audit_chain.' || $1, 0)) AS locked",
    [tenantId],
  );
  return rows[0]?.['locked'] === true;
};

const headRow = z.object({ sequence, digest: hex, hash: hex });

export const readHead = async (tx: Transaction): Promise<Head> => {
  const { rows } = await tx.query(
    `SELECT sequence, encode(digest, 'hex') AS digest, encode(hash, 'hex') AS hash
     FROM latchkey.audit_seal ORDER BY sequence DESC LIMIT 1`,
  );
  return rows[0] === undefined ? EMPTY_HEAD : headRow.parse(rows[0]);
};

const pendingRow = z.object({ source, event_id: z.uuid(), event_created_at: z.string(), fields });

export interface PendingEvent {
  readonly source: AuditSource;
  readonly eventId: string;
  readonly eventCreatedAt: string;
  /** undefined: the row was gone before it was sealed. */
  readonly fields: EventFields | undefined;
}

/** Takes the oldest of the queue; they are back when the transaction is undone. */
export const takePending = async (tx: Transaction, limit: number): Promise<readonly PendingEvent[]> => {
  const { rows } = await tx.query(
    `WITH taken AS (
       DELETE FROM latchkey.audit_pending WHERE id IN (SELECT id FROM latchkey.audit_pending ORDER BY id LIMIT $1)
       RETURNING id, source, event_id, event_created_at
     )
     SELECT t.source, t.event_id, ${instant('t.event_created_at')} AS event_created_at,
       coalesce(${fieldsOf('audit_events', 'e')}, ${fieldsOf('login_history', 'l')}) AS fields
     FROM taken t
     LEFT JOIN auth.audit_events e ON t.source = 'audit_events' AND e.id = t.event_id AND e.created_at = t.event_created_at
     LEFT JOIN auth.login_history l ON t.source = 'login_history' AND l.id = t.event_id AND l.created_at = t.event_created_at
     ORDER BY t.id`,
    [limit],
  );
  return z
    .array(pendingRow)
    .parse(rows)
    .map((row) => ({
      source: row.source,
      eventId: row.event_id,
      eventCreatedAt: row.event_created_at,
      fields: row.fields ?? undefined,
    }));
};

export const insertSeals = async (tx: Transaction, tenantId: string, seals: readonly Seal[]): Promise<void> => {
  await tx.query(
    `INSERT INTO latchkey.audit_seal (org_id, sequence, source, event_id, event_created_at, key_id, digest, hash)
     SELECT $1, s.sequence, s.source, s.event_id, s.event_created_at, s.key_id, decode(s.digest, 'hex'), decode(s.hash, 'hex')
     FROM unnest($2::bigint[], $3::text[], $4::uuid[], $5::timestamptz[], $6::text[], $7::text[], $8::text[])
       AS s (sequence, source, event_id, event_created_at, key_id, digest, hash)`,
    [
      tenantId,
      seals.map((seal) => seal.sequence),
      seals.map((seal) => seal.source),
      seals.map((seal) => seal.eventId),
      seals.map((seal) => seal.eventCreatedAt),
      seals.map((seal) => seal.keyId),
      seals.map((seal) => seal.digest),
      seals.map((seal) => seal.hash),
    ],
  );
};

const linkRow = z.object({
  sequence,
  source,
  event_id: z.uuid(),
  event_created_at: z.string(),
  key_id: z.string(),
  digest: hex,
  hash: hex,
  fields,
});

/** The next links after a sequence. A row is looked for by its id alone, so that one whose time was edited is found and named. */
export const readLinks = async (tx: Transaction, after: number, limit: number): Promise<readonly Link[]> => {
  // One month's index finds nearly every row; only where it does not, all months are asked for the id.
  const rowOf = (table: AuditSource, alias: string): string =>
    `LEFT JOIN LATERAL (
       SELECT * FROM (
         SELECT r.* FROM auth.${table} r WHERE s.source = '${table}' AND r.id = s.event_id AND r.created_at = s.event_created_at
         UNION ALL
         SELECT r.* FROM auth.${table} r WHERE s.source = '${table}' AND r.id = s.event_id
       ) AS candidates LIMIT 1
     ) AS ${alias} ON true`;
  const { rows } = await tx.query(
    `SELECT s.sequence, s.source, s.event_id, ${instant('s.event_created_at')} AS event_created_at, s.key_id,
       encode(s.digest, 'hex') AS digest, encode(s.hash, 'hex') AS hash,
       coalesce(${fieldsOf('audit_events', 'e')}, ${fieldsOf('login_history', 'l')}) AS fields
     FROM (SELECT * FROM latchkey.audit_seal WHERE sequence > $1 ORDER BY sequence LIMIT $2) AS s
     ${rowOf('audit_events', 'e')}
     ${rowOf('login_history', 'l')}
     ORDER BY s.sequence`,
    [after, limit],
  );
  return z
    .array(linkRow)
    .parse(rows)
    .map((row) => ({
      seal: {
        sequence: row.sequence,
        source: row.source,
        eventId: row.event_id,
        eventCreatedAt: row.event_created_at,
        keyId: row.key_id,
        digest: row.digest,
        hash: row.hash,
      },
      fields: row.fields ?? undefined,
    }));
};

const strayRow = z.object({ source, id: z.uuid(), created_at: z.string() });

/** Rows since `after` that no seal covers and no queue holds, or that share their id with another row. */
export const findStrays = async (tx: Transaction, after: string): Promise<readonly z.infer<typeof strayRow>[]> => {
  const straysOf = (table: AuditSource): string =>
    `SELECT '${table}' AS source, e.id, ${instant('e.created_at')} AS created_at FROM auth.${table} e
     WHERE e.created_at >= $1::timestamptz
       AND NOT EXISTS (SELECT 1 FROM latchkey.audit_seal s WHERE s.source = '${table}' AND s.event_id = e.id)
       AND NOT EXISTS (SELECT 1 FROM latchkey.audit_pending p WHERE p.source = '${table}' AND p.event_id = e.id)
     UNION ALL
     SELECT '${table}', d.id, max(${instant('d.created_at')}) FROM auth.${table} d
     WHERE d.created_at >= $1::timestamptz GROUP BY d.id HAVING count(*) > 1`;
  const { rows } = await tx.query(`${AUDIT_SOURCES.map(straysOf).join(' UNION ALL ')} ORDER BY created_at LIMIT 1000`, [
    after,
  ]);
  return z.array(strayRow).parse(rows);
};

export const countPending = async (tx: Transaction): Promise<number> => {
  const { rows } = await tx.query('SELECT count(*)::int AS n FROM latchkey.audit_pending');
  return z.int().parse(rows[0]?.['n']);
};

const statementRow = z.object({ kind: z.enum(['checkpoint', 'anchor']), sequence, statement: z.string() });

/** Signed statements as they are stored: whoever reads them checks their signatures. */
export const readStatements = async (tx: Transaction): Promise<readonly z.infer<typeof statementRow>[]> => {
  const { rows } = await tx.query(
    'SELECT kind, sequence, statement FROM latchkey.audit_checkpoint ORDER BY sequence, id',
  );
  return z.array(statementRow).parse(rows);
};

/** False when this chain has a checkpoint at this sequence already: another pod was faster. */
export const insertStatement = async (
  tx: Transaction,
  tenantId: string,
  { kind, sequence: at }: { readonly kind: 'checkpoint' | 'anchor'; readonly sequence: number },
  statement: string,
): Promise<boolean> => {
  const { rowCount } = await tx.query(
    `INSERT INTO latchkey.audit_checkpoint (org_id, kind, sequence, statement) VALUES ($1, $2, $3, $4)
     ON CONFLICT (org_id, sequence) WHERE kind = 'checkpoint' DO NOTHING`,
    [tenantId, kind, at, statement],
  );
  return rowCount === 1;
};

const cutRow = z.object({ sequence: z.coerce.number().int() });

/** How many seals at the chain's beginning are of rows before this time. The newest seal never counts: the chain goes on from it. */
export const countExpired = async (tx: Transaction, before: string): Promise<number> => {
  const { rows } = await tx.query(
    `SELECT least(
       coalesce(min(sequence) FILTER (WHERE event_created_at >= $1::timestamptz) - 1, max(sequence)), max(sequence) - 1
     ) AS sequence FROM latchkey.audit_seal`,
    [before],
  );
  return rows[0]?.['sequence'] === null ? 0 : cutRow.parse(rows[0]).sequence;
};

/** Whether rows before this time are in the chain at all, and whether one waits for its seal. */
export const hasBefore = async (
  tx: Transaction,
  before: string,
): Promise<{ readonly isSealed: boolean; readonly isPending: boolean }> => {
  const { rows } = await tx.query(
    `SELECT EXISTS (SELECT 1 FROM latchkey.audit_seal WHERE event_created_at < $1::timestamptz) AS sealed,
       EXISTS (SELECT 1 FROM latchkey.audit_pending WHERE event_created_at < $1::timestamptz) AS pending`,
    [before],
  );
  return { isSealed: rows[0]?.['sealed'] === true, isPending: rows[0]?.['pending'] === true };
};

export const readSealAt = async (tx: Transaction, at: number): Promise<Head | undefined> => {
  const { rows } = await tx.query(
    "SELECT sequence, encode(digest, 'hex') AS digest, encode(hash, 'hex') AS hash FROM latchkey.audit_seal WHERE sequence = $1",
    [at],
  );
  return rows[0] === undefined ? undefined : headRow.parse(rows[0]);
};

/** Only the owner may, and only behind an anchor: the trigger looks. */
export const deleteBehind = async (tx: Transaction, at: number): Promise<number> => {
  await tx.query('DELETE FROM latchkey.audit_checkpoint WHERE sequence < $1', [at]);
  return (await tx.query('DELETE FROM latchkey.audit_seal WHERE sequence <= $1', [at])).rowCount ?? 0;
};
