/**
 * Puts a backup into an empty database: migrate to the schema that the backup has, load every table in one transaction, compare each with
 * what was written, then migrate on. Called by cli/restore.ts and drill.ts. Anything that goes wrong leaves the database without a row more.
 *
 *   what may go wrong                            | what happens
 *   ---------------------------------------------|------------------------------------------------------------------
 *   cut, changed or foreign file                 | `backup-damaged`, `backup-other-key`; the transaction is undone
 *   schema newer than this release               | `schema-unknown`, before anything is written
 *   the database has accounts                    | `not-empty`; `replace` empties it, if its schema is the backup's
 *   a column or table that the schema lacks      | the database's own error; undone
 *   a row that differs after loading             | `rows-differ`, naming the table; undone
 *   killed at any line                           | an empty, migrated schema, or all of it
 */
import type { Client } from 'pg';
import {
  addAuditMonth,
  countAccounts,
  emptyTables,
  endWhatMayHaveEnded,
  insertRows,
  overBareTables,
  setSequence,
} from '../db/loading.ts';
import { migrate, migrationStatus, readMigrations } from '../db/migrate.ts';
import { type StoredTable, storedRows, storedTables } from '../db/snapshot.ts';
import { inTransaction } from '../db/transaction.ts';
import type { ArchiveHeader } from './archive.ts';
import { createTally, type Record, type TableTotals } from './contents.ts';
import type { RedisKey } from './redis-keys.ts';

const BATCH = 500;

export class RestoreError extends Error {
  override readonly name = 'RestoreError';
  readonly code: 'schema-unknown' | 'schema-differs' | 'not-empty' | 'rows-differ';

  constructor(code: RestoreError['code'], message: string) {
    super(message);
    this.code = code;
  }
}

export interface RestoreOptions {
  /** Empty a database that has accounts. */
  readonly replace: boolean;
  /** Every row as it was, sessions too; otherwise what may have ended since the backup ends. */
  readonly exact: boolean;
  readonly onProgress: (table: string, rows: number) => void;
}

export interface Restored {
  readonly tables: ReadonlyMap<string, TableTotals>;
  readonly endedSessions: number;
  readonly redisKeys: readonly RedisKey[];
  readonly variables: ReadonlyMap<string, string>;
  /** Migrations applied behind the backup's own schema. */
  readonly migratedOn: readonly string[];
}

interface Loaded {
  readonly tables: Map<string, TableTotals>;
  readonly redisKeys: RedisKey[];
  readonly variables: Map<string, string>;
  endedSessions: number;
}

/** @throws RestoreError `schema-unknown` | `schema-differs` */
const prepareSchema = async (client: Client, schemaVersion: number): Promise<void> => {
  const known = (await readMigrations()).some(({ version }) => version === schemaVersion);
  if (!known) {
    throw new RestoreError(
      'schema-unknown',
      `the backup has schema ${schemaVersion}, which this release does not know: use a newer one`,
    );
  }
  const newer = (await migrationStatus(client)).find(
    ({ version, state }) => state !== 'pending' && version > schemaVersion,
  );
  if (newer !== undefined) {
    throw new RestoreError(
      'schema-differs',
      `the database is at schema ${newer.version} already and the backup at ${schemaVersion}: restore into an empty database`,
    );
  }
  await migrate(client, { upTo: schemaVersion });
};

/** Takes the records as they come; rows go in batches, each table's end is held against the backup's own count and digest. */
const createLoader = (client: Client, loaded: Loaded, onProgress: RestoreOptions['onProgress']) => {
  let table: StoredTable | undefined;
  let batch: string[] = [];

  const flush = async (): Promise<void> => {
    if (table !== undefined && batch.length > 0) await insertRows(client, table, batch);
    batch = [];
  };
  return async (record: Record): Promise<void> => {
    switch (record.kind) {
      case 'table':
        table = record;
        return;
      case 'row':
        batch.push(record.text);
        if (batch.length >= BATCH) await flush();
        return;
      case 'end': {
        await flush();
        const { rows, digest } = record;
        loaded.tables.set(table?.name ?? '', { rows, digest });
        onProgress(table?.name ?? '', rows);
        return;
      }
      case 'sequence':
        return setSequence(client, record.name, record.last);
      case 'month':
        return addAuditMonth(client, record.table, record.month);
      case 'redis':
        loaded.redisKeys.push(record);
        return;
      case 'variable':
        loaded.variables.set(record.name, record.value);
    }
  };
};

/** Reads every table again and compares it with the backup's digests. @throws RestoreError `rows-differ` */
const compare = async (client: Client, expected: ReadonlyMap<string, TableTotals>): Promise<void> => {
  for (const table of await storedTables(client)) {
    const tally = createTally();
    for await (const texts of storedRows(client, table)) for (const text of texts) tally.add(text);
    const found = tally.totals();
    const wanted = expected.get(table.name) ?? { rows: 0, digest: createTally().totals().digest };
    if (found.digest === wanted.digest) continue;
    throw new RestoreError(
      'rows-differ',
      `${table.name} is not what was written: ${found.rows} rows instead of ${wanted.rows}, or another content`,
    );
  }
};

const loadAll = async (client: Client, records: AsyncIterable<Record>, options: RestoreOptions): Promise<Loaded> => {
  const loaded: Loaded = { tables: new Map(), redisKeys: [], variables: new Map(), endedSessions: 0 };
  const fill = async (): Promise<void> => {
    const accounts = await countAccounts(client);
    if (accounts > 0 && !options.replace) {
      throw new RestoreError(
        'not-empty',
        `the database has ${accounts} accounts: restore into an empty one, or say --replace to delete them`,
      );
    }
    await emptyTables(client, await storedTables(client));
    const load = createLoader(client, loaded, options.onProgress);
    for await (const record of records) await load(record);
    await compare(client, loaded.tables);
  };
  await overBareTables(client, fill, async () => {
    if (!options.exact) loaded.endedSessions = await endWhatMayHaveEnded(client);
  });
  return loaded;
};

/**
 * `client` is the schema's owner. `records` may throw an ArchiveError late: nothing was committed then.
 * @throws RestoreError, ArchiveError, MigrationError, and the driver's errors
 */
export const restore = async (
  client: Client,
  { schemaVersion }: Pick<ArchiveHeader, 'schemaVersion'>,
  records: AsyncIterable<Record>,
  options: RestoreOptions,
): Promise<Restored> => {
  await prepareSchema(client, schemaVersion);
  const loaded = await inTransaction(client, () => loadAll(client, records, options));
  return { ...loaded, migratedOn: await migrate(client) };
};
