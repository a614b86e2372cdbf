/** Reads backups: what lies in a folder, which of it is too old, and whether one is whole. Called by the commands of cli/. */
import type { KeyObject } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ArchiveError, type ArchiveHeader, open, readHeader } from './archive.ts';
import { createTally, decode, type Record, type TableTotals } from './contents.ts';

const NAME = /^latchkey-\d{8}T\d{6}Z(-[\w.-]+)?\.lkb$/;
const DAY_MS = 24 * 3_600_000;

export interface StoredBackup {
  readonly file: string;
  readonly bytes: number;
  readonly header: ArchiveHeader;
}

/** The folder's backups, oldest first. Files of other names are somebody else's; a file of such a name that is none is an error. */
export const listBackups = async (folder: string): Promise<readonly StoredBackup[]> => {
  const names = (await readdir(folder)).filter((name) => NAME.test(name)).toSorted();
  return Promise.all(
    names.map(async (name) => {
      const file = join(folder, name);
      return { file, bytes: (await stat(file)).size, header: await readHeader(createReadStream(file)) };
    }),
  );
};

/** A file is itself; a folder is its newest backup. @throws ArchiveError `not-a-backup` where a folder has none. */
export const resolveBackup = async (path: string): Promise<string> => {
  if (!(await stat(path)).isDirectory()) return path;
  const newest = (await listBackups(path)).at(-1);
  if (newest === undefined) throw new ArchiveError('not-a-backup', `${path} holds no backup`);
  return newest.file;
};

export interface OpenBackup {
  readonly header: ArchiveHeader;
  readonly records: AsyncGenerator<Record>;
}

/** @throws ArchiveError; `backup-damaged` also while the records are read. */
export const openBackup = async (file: string, privateKey: KeyObject): Promise<OpenBackup> => {
  const { header, plain } = await open(createReadStream(file), privateKey);
  return { header, records: decode(plain) };
};

export interface Contents {
  readonly header: ArchiveHeader;
  readonly tables: ReadonlyMap<string, TableTotals>;
  readonly redisKeys: number;
  readonly variables: readonly string[];
}

/** Reads all of it and holds every table against its own count and digest. @throws ArchiveError */
export const verifyBackup = async (file: string, privateKey: KeyObject): Promise<Contents> => {
  const { header, records } = await openBackup(file, privateKey);
  const tables = new Map<string, TableTotals>();
  const variables: string[] = [];
  let redisKeys = 0;
  let name = '';
  let tally = createTally();
  for await (const record of records) {
    if (record.kind === 'table') [name, tally] = [record.name, createTally()];
    if (record.kind === 'row') tally.add(record.text);
    if (record.kind === 'redis') redisKeys += 1;
    if (record.kind === 'variable') variables.push(record.name);
    if (record.kind !== 'end') continue;
    const found = tally.totals();
    if (found.digest !== record.digest || found.rows !== record.rows) {
      throw new ArchiveError(
        'backup-damaged',
        `${name} in the backup is not what was written: ${found.rows} rows of ${record.rows}`,
      );
    }
    tables.set(name, found);
  }
  return { header, tables, redisKeys, variables };
};

/**
 * Backups older than `keepDays`, but never the newest: a schedule that stopped must not end with none. Deletes them unless `dryRun`.
 * Returns their files.
 */
export const forgetOld = async (
  folder: string,
  { keepDays, nowMs, dryRun }: { readonly keepDays: number; readonly nowMs: number; readonly dryRun: boolean },
): Promise<readonly string[]> => {
  const old = (await listBackups(folder))
    .slice(0, -1)
    .filter(({ header }) => nowMs - Date.parse(header.createdAt) > keepDays * DAY_MS);
  if (!dryRun) await Promise.all(old.map(({ file }) => rm(file)));
  return old.map(({ file }) => file);
};
