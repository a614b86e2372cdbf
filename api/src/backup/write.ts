/**
 * Writes a backup: the database as one moment saw it, what this service keeps in Redis, and its environment. Called by cli/backup.ts.
 * The file appears under its name only when it is whole and on the disk.
 */

import type { KeyObject } from 'node:crypto';
import { randomBytes } from 'node:crypto';
import { open as openFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Client } from 'pg';
import { withRedis } from '../cache/command-redis.ts';
import { migrationStatus } from '../db/migrate.ts';
import { auditMonths, inSnapshot, storedRows, storedSequences, storedTables } from '../db/snapshot.ts';
import { type ArchiveDescription, seal } from './archive.ts';
import { createTally, encode, type Record, type TableTotals } from './contents.ts';
import { dumpKeys } from './redis-keys.ts';

export interface BackupSource {
  readonly client: Client;
  readonly redisUrl: string | undefined;
  /** Variables that belong to the service; empty to leave them out. */
  readonly variables: Readonly<{ [name: string]: string }>;
  readonly release: string;
}

export interface BackupOptions {
  readonly recipient: KeyObject;
  readonly nowMs: number;
  readonly tag: string | undefined;
  /** After each table, and after the keys of Redis. */
  readonly onProgress: (what: string, rows: number) => void;
}

export interface Written {
  readonly description: ArchiveDescription;
  readonly tables: ReadonlyMap<string, TableTotals>;
  readonly redisKeys: number;
  readonly bytes: number;
}

/** What the records said, once all of them were taken. */
interface Counted {
  readonly tables: Map<string, TableTotals>;
  redisKeys: number;
}

const databaseRecords = async function* (
  client: Client,
  counted: Counted,
  options: BackupOptions,
): AsyncGenerator<Record> {
  for (const month of await auditMonths(client)) yield { kind: 'month', ...month };
  for (const table of await storedTables(client)) {
    yield { kind: 'table', ...table };
    const tally = createTally();
    for await (const texts of storedRows(client, table)) {
      for (const text of texts) {
        tally.add(text);
        yield { kind: 'row', text };
      }
    }
    const totals = tally.totals();
    counted.tables.set(table.name, totals);
    options.onProgress(table.name, totals.rows);
    yield { kind: 'end', ...totals };
  }
  for (const sequence of await storedSequences(client)) yield { kind: 'sequence', ...sequence };
};

const redisRecords = async (url: string): Promise<readonly Record[]> =>
  withRedis(url, async (redis) => {
    const keys: Record[] = [];
    for await (const key of dumpKeys(redis)) keys.push(key);
    return keys;
  });

const allRecords = async function* (
  source: BackupSource,
  counted: Counted,
  options: BackupOptions,
): AsyncGenerator<Record> {
  for (const [name, value] of Object.entries(source.variables)) yield { kind: 'variable', name, value };
  yield* databaseRecords(source.client, counted, options);
  if (source.redisUrl === undefined) return;
  const keys = await redisRecords(source.redisUrl);
  counted.redisKeys = keys.length;
  options.onProgress('redis', keys.length);
  yield* keys;
};

const describe = async (
  { client, release }: BackupSource,
  { nowMs, tag }: BackupOptions,
): Promise<ArchiveDescription> => {
  const applied = (await migrationStatus(client)).filter(({ state }) => state !== 'pending');
  const schemaVersion = Math.max(0, ...applied.map(({ version }) => version));
  return { createdAt: new Date(nowMs).toISOString(), schemaVersion, release, ...(tag === undefined ? {} : { tag }) };
};

/** Hands the file's bytes to `sink` one after the other. @throws what the database, Redis or the sink throw; then the bytes are no backup. */
export const writeBackup = (
  source: BackupSource,
  options: BackupOptions,
  sink: (bytes: Buffer) => Promise<void>,
): Promise<Written> =>
  inSnapshot(source.client, async () => {
    const description = await describe(source, options);
    const counted: Counted = { tables: new Map(), redisKeys: 0 };
    let bytes = 0;
    for await (const piece of seal(encode(allRecords(source, counted, options)), description, options.recipient)) {
      bytes += piece.length;
      await sink(piece);
    }
    return { description, ...counted, bytes };
  });

/** `latchkey-20261122T061500Z.lkb`, with the tag before the ending where there is one. Sorts by time. */
export const fileNameOf = (nowMs: number, tag: string | undefined): string =>
  `latchkey-${new Date(nowMs).toISOString().replaceAll(/[-:]|\.\d+/g, '')}${tag === undefined ? '' : `-${tag}`}.lkb`;

/** The folder never shows half a backup, whatever happens: written beside its name, flushed, then renamed. Returns the path. */
export const writeBackupFile = async (
  folder: string,
  source: BackupSource,
  options: BackupOptions,
): Promise<Written & { readonly file: string }> => {
  const file = join(folder, fileNameOf(options.nowMs, options.tag));
  const partial = `${file}.${randomBytes(4).toString('hex')}.partial`;
  const handle = await openFile(partial, 'wx', 0o600);
  try {
    const written = await writeBackup(source, options, async (bytes) => {
      await handle.writeFile(bytes);
    });
    await handle.sync();
    await handle.close();
    await rename(partial, file);
    return { ...written, file };
  } catch (error) {
    await handle.close().catch(() => undefined);
    await rm(partial, { force: true });
    throw error;
  }
};
