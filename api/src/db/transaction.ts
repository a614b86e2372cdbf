/** A transaction on a connection of one's own: a command's, not the pool's (database.ts). Called by what the commands do in the database. */
import type { Client } from 'pg';

interface Ends {
  readonly begin?: string;
  /** `ROLLBACK`: whatever comes of it, nothing stays. */
  readonly end?: 'COMMIT' | 'ROLLBACK';
}

/** @throws what `work` throws, and the driver's error; the transaction is undone then. */
export const inTransaction = async <T>(
  client: Client,
  work: () => Promise<T>,
  { begin = 'BEGIN', end = 'COMMIT' }: Ends = {},
): Promise<T> => {
  await client.query(begin);
  try {
    const result = await work();
    await client.query(end);
    return result;
  } catch (error) {
    await client.query('ROLLBACK');
    throw error;
  }
};
