/** A command's own connection as one tenant's transaction. Called by cli/audit.ts, whose work takes longer than a request may. */
import type { Client } from 'pg';
import type { Transaction } from './database.ts';
import { inTransaction } from './transaction.ts';

/** `snapshot` sees one moment and writes nothing; `write` sees what others commit meanwhile, as locks need it. */
type Mode = 'snapshot' | 'write';

const BEGIN: Readonly<Record<Mode, string>> = {
  snapshot: 'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY',
  write: 'BEGIN',
};

/** @throws the driver's error; the transaction is undone then. */
export const asTenant = async <T>(
  client: Client,
  { tenantId, mode }: { readonly tenantId: string; readonly mode: Mode },
  work: (tx: Transaction) => Promise<T>,
): Promise<T> => {
  const asThat = async (): Promise<T> => {
    await client.query("SELECT set_config('app.tenant_id', $1, true)", [tenantId]);
    return await work({ query: (text, values = []) => client.query(text, [...values]) });
  };
  return await inTransaction(client, asThat, { begin: BEGIN[mode] });
};
