/**
 * Fills a migrated schema with the rows of a backup, in the caller's transaction. Called by backup/restore.ts. While it lasts there are no
 * triggers, no foreign keys and no forced row level security, and all are back before the commit, which therefore proves every reference.
 */
import { type Client, escapeLiteral } from 'pg';
import { z } from 'zod';
import { quoted, type StoredTable } from './snapshot.ts';

const named = z.array(z.object({ name: z.string(), part: z.string() }));
type Named = z.infer<typeof named>[number];

/** Tables and partitions of ours, with what a statement below needs of each. */
const list = async (client: Client, query: string): Promise<readonly Named[]> => {
  const { rows } = await client.query(query);
  return named.parse(rows);
};

const RELATION = `SELECT n.nspname || '.' || c.relname AS name`;
const OURS = `JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE (n.nspname IN ('auth', 'latchkey') OR (n.nspname = 'public' AND c.relname = 'organization'))`;

const TRIGGERS = `${RELATION}, quote_ident(t.tgname) AS part FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid ${OURS}
  AND NOT t.tgisinternal AND t.tgparentid = 0 AND t.tgenabled <> 'D'`;
const FORCED = `${RELATION}, '' AS part FROM pg_class c ${OURS} AND c.relforcerowsecurity`;
const FOREIGN_KEYS = `${RELATION}, quote_ident(f.conname) || ' ' || pg_get_constraintdef(f.oid) AS part
  FROM pg_constraint f JOIN pg_class c ON c.oid = f.conrelid ${OURS} AND f.contype = 'f' AND f.conparentid = 0`;

const each = async (client: Client, found: readonly Named[], statement: (one: Named) => string): Promise<void> => {
  for (const one of found) await client.query(statement(one));
};

const constraintName = ({ part }: Named): string => part.slice(0, part.indexOf(' FOREIGN KEY'));

/**
 * Runs `load` over bare tables and puts everything back behind it; `settle` runs just before row level security is forced again, with
 * triggers on. The caller rolls back when anything throws.
 */
export const overBareTables = async (
  client: Client,
  load: () => Promise<void>,
  settle: () => Promise<void>,
): Promise<void> => {
  const triggers = await list(client, TRIGGERS);
  const forced = await list(client, FORCED);
  const foreignKeys = await list(client, FOREIGN_KEYS);
  await each(client, triggers, ({ name, part }) => `ALTER TABLE ${quoted(name)} DISABLE TRIGGER ${part}`);
  await each(client, forced, ({ name }) => `ALTER TABLE ${quoted(name)} NO FORCE ROW LEVEL SECURITY`);
  await each(client, foreignKeys, (key) => `ALTER TABLE ${quoted(key.name)} DROP CONSTRAINT ${constraintName(key)}`);
  await load();
  await each(client, foreignKeys, ({ name, part }) => `ALTER TABLE ${quoted(name)} ADD CONSTRAINT ${part}`);
  await each(client, triggers, ({ name, part }) => `ALTER TABLE ${quoted(name)} ENABLE TRIGGER ${part}`);
  await settle();
  await each(client, forced, ({ name }) => `ALTER TABLE ${quoted(name)} FORCE ROW LEVEL SECURITY`);
};

/** Rows that are somebody's: an installation that has accounts is not empty. Over bare tables only, since it must see every tenant. */
export const countAccounts = async (client: Client): Promise<number> => {
  const { rows } = await client.query<{ count: string }>('SELECT count(*) FROM auth.users_extended');
  return Number(rows[0]?.count);
};

export const emptyTables = async (client: Client, tables: readonly StoredTable[]): Promise<void> => {
  await client.query(`TRUNCATE ${tables.map(({ name }) => quoted(name)).join(', ')}`);
};

export const insertRows = async (
  client: Client,
  { name, columns, json }: StoredTable,
  texts: readonly string[],
): Promise<void> => {
  const values = columns.map((column) =>
    json.includes(column) ? `(line ->> ${escapeLiteral(column)})::jsonb` : `r.${quoted(column)}`,
  );
  await client.query(
    `INSERT INTO ${quoted(name)} (${columns.map(quoted).join(', ')}) OVERRIDING SYSTEM VALUE
     SELECT ${values.join(', ')} FROM json_array_elements($1::json) line, json_populate_record(NULL::${quoted(name)}, line) r`,
    [`[${texts.join(',')}]`],
  );
};

export const setSequence = async (client: Client, name: string, last: string | null): Promise<void> => {
  if (last !== null) await client.query('SELECT setval($1::regclass, $2::bigint)', [quoted(name), last]);
};

export const addAuditMonth = async (client: Client, table: string, month: string): Promise<void> => {
  await client.query('SELECT latchkey.add_audit_month($1, $2::date)', [table, month]);
};

/**
 * What may not come back with an older state: sessions that may have been ended since, one-time links that may have been used, mails that
 * were probably sent. With triggers on, so that running servers hear of it. Returns how many sessions ended.
 */
export const endWhatMayHaveEnded = async (client: Client): Promise<number> => {
  const { rowCount } = await client.query(
    `UPDATE auth.user_sessions SET status = 'revoked', revoked_at = now(), revoked_reason = 'restored' WHERE status = 'active'`,
  );
  await client.query('DELETE FROM latchkey.one_time_token');
  await client.query(
    `UPDATE latchkey.mail_outbox SET sealed = NULL, given_up_at = now(), last_error = 'restored from a backup'
     WHERE sent_at IS NULL AND given_up_at IS NULL`,
  );
  return rowCount ?? 0;
};
