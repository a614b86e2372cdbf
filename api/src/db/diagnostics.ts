/** What PostgreSQL says of itself and of the schema. Called by services/diagnostics.ts. */
import { z } from 'zod';
import type { Database } from './database.ts';

const row = z.object({
  server_version: z.string(),
  is_read_only: z.boolean(),
  schema_version: z.int().nullable(),
  unprotected: z.int(),
});

export interface DatabaseInspection {
  readonly serverVersion: string;
  readonly isReadOnly: boolean;
  /** The newest migration that was applied. */
  readonly schemaVersion: number | undefined;
  /** Tables of schema `auth` without row level security that is forced on their owner too. */
  readonly unprotectedTables: number;
}

/** @throws AppError `database-unavailable` */
export const inspectDatabase = async (database: Pick<Database, 'query'>): Promise<DatabaseInspection> => {
  const [first] = await database.query(
    `SELECT current_setting('server_version') AS server_version,
       pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on' AS is_read_only,
       (SELECT max(version) FROM latchkey.migration) AS schema_version,
       (SELECT count(*)::int FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = 'auth' AND c.relkind IN ('r', 'p') AND NOT (c.relrowsecurity AND c.relforcerowsecurity)) AS unprotected`,
  );
  const found = row.parse(first);
  return {
    serverVersion: found.server_version,
    isReadOnly: found.is_read_only,
    schemaVersion: found.schema_version ?? undefined,
    unprotectedTables: found.unprotected,
  };
};
