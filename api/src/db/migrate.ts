/**
 * Applies the numbered SQL files of `migrations/`, each in its own transaction, once, in order. Called by cli/db.ts and the tests.
 * Two pods at once: an advisory lock lets one work and the other find everything done. The service goes on meanwhile (schema-change.ts).
 */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { Client } from 'pg';
import { z } from 'zod';
import { changeSchema, type Patience } from './schema-change.ts';

const FOLDER = new URL('./migrations/', import.meta.url);
/** Any constant that no other program on this database uses. */
const LOCK_ID = 7_265_021;
const LOCK_WAIT_MS = 120_000;

export interface MigrationFile {
  readonly version: number;
  readonly name: string;
  readonly sql: string;
  readonly checksum: string;
}

export interface MigrationState {
  readonly version: number;
  readonly name: string;
  /** `changed`: the file is not what was applied. */
  readonly state: 'applied' | 'pending' | 'changed';
  readonly appliedAt: string | undefined;
}

export interface Check {
  readonly migration: number;
  readonly name: string;
  readonly isPassed: boolean;
  readonly detail: string;
}

/** A migration cannot go on, for a reason that the operator of the database must settle. */
export class MigrationError extends Error {
  override readonly name = 'MigrationError';
  readonly code: 'migration-changed' | 'migration-failed' | 'nothing-to-roll-back' | 'schema-newer';

  constructor(code: MigrationError['code'], message: string, cause?: unknown) {
    super(message, { cause });
    this.code = code;
  }
}

const MAIN_FILE = /^(\d{4})_(?!rollback\.|verification\.)(\w+)\.sql$/;

export const readMigrations = async (): Promise<readonly MigrationFile[]> => {
  const names = (await readdir(FOLDER)).toSorted();
  return Promise.all(
    names.flatMap((file) => {
      const [, version, name] = MAIN_FILE.exec(file) ?? [];
      return version === undefined || name === undefined ? [] : [readMigration(file, Number(version), name)];
    }),
  );
};

const readMigration = async (file: string, version: number, name: string): Promise<MigrationFile> => {
  const sql = await readFile(new URL(file, FOLDER), 'utf8');
  return { version, name, sql, checksum: createHash('sha256').update(sql).digest('hex') };
};

const companion = (version: number, kind: 'rollback' | 'verification'): Promise<string> =>
  readFile(new URL(`${String(version).padStart(4, '0')}_${kind}.sql`, FOLDER), 'utf8');

/** One connection with bounded waits; closed whatever happens. */
export const withOwner = async <T>(url: string, work: (client: Client) => Promise<T>): Promise<T> => {
  const client = new Client({
    connectionString: url,
    application_name: 'latchkey-migrate',
    connectionTimeoutMillis: 10_000,
    statement_timeout: LOCK_WAIT_MS,
    lock_timeout: 10_000,
  });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
};

/** The same without a bound for a statement: a large table takes as long as it takes. */
export const withPatientOwner = <T>(url: string, work: (client: Client) => Promise<T>): Promise<T> =>
  withOwner(url, async (client) => {
    await client.query('SET statement_timeout = 0');
    return await work(client);
  });

/** Holds the advisory lock for as long as `work` runs; the server frees it when the connection dies. */
const withLock = async <T>(client: Client, work: () => Promise<T>): Promise<T> => {
  await client.query('SET lock_timeout = 0'); // the advisory lock may take as long as another migrator works; statement_timeout bounds it
  await client.query('SELECT pg_advisory_lock($1)', [LOCK_ID]);
  await client.query("SET lock_timeout = '10s'");
  try {
    return await work();
  } finally {
    await client.query('SELECT pg_advisory_unlock($1)', [LOCK_ID]);
  }
};

const appliedRow = z.object({ version: z.int(), name: z.string(), checksum: z.string(), applied_at: z.date() });

const readApplied = async (client: Client): Promise<ReadonlyMap<number, z.infer<typeof appliedRow>>> => {
  const { rows: found } = await client.query<{ found: unknown }>("SELECT to_regclass('latchkey.migration') AS found");
  if (found[0]?.found === null) return new Map();
  const { rows } = await client.query(
    'SELECT version, name, checksum, applied_at FROM latchkey.migration ORDER BY version',
  );
  return new Map(
    z
      .array(appliedRow)
      .parse(rows)
      .map((row) => [row.version, row]),
  );
};

export const migrationStatus = async (client: Client): Promise<readonly MigrationState[]> => {
  const applied = await readApplied(client);
  return (await readMigrations()).map(({ version, name, checksum }) => {
    const row = applied.get(version);
    const state = row === undefined ? 'pending' : row.checksum === checksum ? 'applied' : 'changed';
    return { version, name, state, appliedAt: row?.applied_at.toISOString() };
  });
};

const change = async (
  client: Client,
  { what, patience }: { readonly what: string; readonly patience: Patience },
  work: () => Promise<void>,
): Promise<void> => {
  try {
    await changeSchema(client, work, patience);
  } catch (cause) {
    throw new MigrationError('migration-failed', `${what} failed and was undone`, cause);
  }
};

/** Where the runner keeps what was applied. */
const ensureTable = async (client: Client): Promise<void> => {
  await client.query('CREATE SCHEMA IF NOT EXISTS latchkey');
  await client.query(
    `CREATE TABLE IF NOT EXISTS latchkey.migration (
       version integer PRIMARY KEY, name text NOT NULL, checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())`,
  );
};

/** @throws MigrationError `migration-changed` */
const readPending = async (client: Client): Promise<readonly MigrationFile[]> => {
  const states = await migrationStatus(client);
  const changed = states.find(({ state }) => state === 'changed');
  if (changed !== undefined) {
    throw new MigrationError(
      'migration-changed',
      `migration ${changed.version} was edited after it was applied: add a new one instead`,
    );
  }
  return (await readMigrations()).filter((file) =>
    states.some((s) => s.version === file.version && s.state === 'pending'),
  );
};

const apply = async (client: Client, { version, name, sql, checksum }: MigrationFile): Promise<void> => {
  await client.query(sql);
  await client.query('INSERT INTO latchkey.migration (version, name, checksum) VALUES ($1, $2, $3)', [
    version,
    name,
    checksum,
  ]);
};

const fileName = ({ version, name }: Pick<MigrationFile, 'version' | 'name'>): string =>
  `${String(version).padStart(4, '0')}_${name}`;

/**
 * Applies what is pending, `upTo` a version where one is given; returns its names. Migrations that only the database knows belong to a newer
 * release and are left alone.
 * @throws MigrationError `migration-changed` | `migration-failed`
 */
export const migrate = (
  client: Client,
  { upTo = Number.POSITIVE_INFINITY, ...patience }: { readonly upTo?: number } & Patience = {},
): Promise<readonly string[]> =>
  withLock(client, async () => {
    await ensureTable(client);
    const pending = (await readPending(client)).filter(({ version }) => version <= upTo);
    for (const file of pending) {
      await change(client, { what: `migration ${file.version}`, patience }, () => apply(client, file));
    }
    return pending.map(fileName);
  });

export interface Rehearsal {
  readonly names: readonly string[];
  readonly checks: readonly Check[];
}

/**
 * Applies what is pending, verifies it, and takes all of it back in the same transaction: nothing stays, whatever happens. Holds the locks
 * that the migrations take until it is done.
 * @throws MigrationError `migration-changed` | `migration-failed`
 */
export const rehearse = (client: Client, patience: Patience = {}): Promise<Rehearsal> =>
  withLock(client, async () => {
    let what = 'the rehearsal';
    const applyAll = async (): Promise<Rehearsal> => {
      await ensureTable(client);
      const pending = await readPending(client);
      for (const file of pending) {
        what = `migration ${file.version}`;
        await apply(client, file);
      }
      return { names: pending.map(fileName), checks: await verify(client) };
    };
    try {
      return await changeSchema(client, applyAll, { ...patience, isUndone: true });
    } catch (cause) {
      if (cause instanceof MigrationError) throw cause;
      throw new MigrationError('migration-failed', `${what} would fail`, cause);
    }
  });

const outcomeRow = z.object({ outcome: z.string(), profiles: z.coerce.number() });

/** Takes over the profiles that were added or corrected since migration 0027; how many had which outcome. */
export const importProfiles = async (client: Client): Promise<readonly z.infer<typeof outcomeRow>[]> => {
  const { rows } = await client.query('SELECT outcome, profiles FROM latchkey.import_profiles()');
  return z.array(outcomeRow).parse(rows);
};

/** Takes the newest applied migration back; returns its name. @throws MigrationError `nothing-to-roll-back` | `schema-newer` | `migration-failed` */
export const rollback = (client: Client, patience: Patience = {}): Promise<string> =>
  withLock(client, async () => {
    await ensureTable(client);
    const newest = [...(await readApplied(client)).values()].at(-1);
    if (newest === undefined) throw new MigrationError('nothing-to-roll-back', 'no migration is applied');
    const { version } = newest;
    const sql = await companion(version, 'rollback').catch((cause: unknown) => {
      throw new MigrationError(
        'schema-newer',
        `migration ${version} belongs to a newer release: roll back with that one`,
        cause,
      );
    });
    await change(client, { what: `rollback of ${version}`, patience }, async () => {
      await client.query(sql);
      await client.query('DELETE FROM latchkey.migration WHERE version = $1', [version]);
    });
    return fileName(newest);
  });

const checkRow = z.object({ name: z.string(), passed: z.boolean().nullable(), detail: z.string().nullable() });

/** Runs the verification file of every applied migration; pending ones are a failed check of their own. */
export const verify = async (client: Client): Promise<readonly Check[]> => {
  const checks: Check[] = [];
  for (const { version, name, state } of await migrationStatus(client)) {
    checks.push({
      migration: version,
      name: `${name} is applied as it is in this release`,
      isPassed: state === 'applied',
      detail: state,
    });
    if (state !== 'applied') continue;
    const { rows } = await client.query(await companion(version, 'verification'));
    for (const row of z.array(checkRow).parse(rows)) {
      checks.push({ migration: version, name: row.name, isPassed: row.passed === true, detail: row.detail ?? '' });
    }
  }
  return checks;
};
