/** Backups by the command's own code, and what a database holds told independently of it. Called by the backup tests. */
import { generateBackupKeys } from '../../api/src/backup/archive-keys.ts';
import { TEST_KEYS } from './api.ts';
import { runLatchkey, type Said } from './command-line.ts';
import type { TestDatabase } from './postgres.ts';

/** One pair for the whole process. */
export const BACKUP_KEYS = generateBackupKeys();

type Env = Readonly<Record<string, string | undefined>>;
const KEYS = { BACKUP_PUBLIC_KEY: BACKUP_KEYS.publicKey, BACKUP_PRIVATE_KEY: BACKUP_KEYS.privateKey } as const;

/** What every command of `latchkey` finds where an installation runs, the owner of its database and both backup keys among it. */
export const installationEnv = (database: TestDatabase, redisUrl: string) =>
  ({
    MIGRATION_DATABASE_URL: database.ownerUrl,
    DATABASE_URL: database.url,
    REDIS_URL: redisUrl,
    ...KEYS,
    ...TEST_KEYS,
  }) as const;

/** With what went to standard output as bytes: `create -` writes the file there. */
export const runBackup = async (args: readonly string[], env: Env, nowMs?: () => number) => {
  const pieces: Buffer[] = [];
  const stage = { env: { ...KEYS, ...env }, onBytes: (bytes: Buffer) => void pieces.push(bytes) };
  const said = await runLatchkey(['backup', ...args], { ...stage, ...(nowMs && { nowMs }) });
  return { ...said, bytes: Buffer.concat(pieces) };
};

export const runRestore = (args: readonly string[], env: Env): Promise<Said> =>
  runLatchkey(['restore', ...args], { env: { ...KEYS, ...env } });

export const runDrill = (args: readonly string[], env: Env): Promise<Said> =>
  runLatchkey(['drill', ...args], { env: { ...KEYS, ...env } });

const OURS = `n.nspname IN ('auth', 'latchkey', 'public')`;

/** Table by table, partitions too: how many rows, and a digest of all of them as PostgreSQL prints a row. */
export const contentsOf = async (database: TestDatabase): Promise<Readonly<Record<string, string>>> => {
  const tables = await database.query(
    `SELECT c.oid::regclass::text AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind = 'r' AND ${OURS} AND NOT (n.nspname = 'latchkey' AND c.relname = 'migration') ORDER BY 1`,
  );
  const contents: Record<string, string> = {};
  for (const { name } of tables) {
    const [row] = await database.query(
      `SELECT count(*) || ' ' || coalesce(md5(string_agg(t::text, E'\\n' ORDER BY t::text)), '') AS all FROM ${String(name)} t`,
    );
    contents[String(name)] = String(row?.['all']);
  }
  return contents;
};

/** What guards the rows: triggers, policies, forced row level security, constraints, and where sequences stand. */
export const guardsOf = (database: TestDatabase): Promise<readonly Record<string, unknown>[]> =>
  database.query(
    `SELECT 'trigger' AS kind, pg_get_triggerdef(t.oid) AS what, t.tgenabled::text AS how FROM pg_trigger t WHERE NOT t.tgisinternal
     UNION ALL SELECT 'policy', polrelid::regclass || ' ' || polname, pg_get_expr(polqual, polrelid) FROM pg_policy
     UNION ALL SELECT 'table', c.oid::regclass::text, c.relrowsecurity || ' ' || c.relforcerowsecurity
       FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p') AND ${OURS}
     UNION ALL SELECT 'constraint', conrelid::regclass || ' ' || conname, pg_get_constraintdef(oid) || convalidated
       FROM pg_constraint WHERE conrelid <> 0 AND connamespace IN ('auth'::regnamespace, 'latchkey'::regnamespace, 'public'::regnamespace)
     UNION ALL SELECT 'sequence', schemaname || '.' || sequencename, last_value::text FROM pg_sequences
     ORDER BY 1, 2, 3`,
  );

/** A copy with the lowest bit of one byte turned. */
export const flipped = (bytes: Buffer, at: number): Buffer => {
  const changed = Buffer.from(bytes);
  changed[at] = (changed[at] ?? 0) ^ 1;
  return changed;
};
