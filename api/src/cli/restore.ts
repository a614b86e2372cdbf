/**
 * `latchkey restore FILE`: puts a backup into an empty database and proves that every table is what was written. Exit codes: 0 done, 1 failed and
 * nothing was changed, 2 wrong usage. docs/backup.md says what to do before and after.
 */
import type { Client } from 'pg';
import { rowsOf } from '../backup/contents.ts';
import { checkEnvironmentFile, privateKeyOf, writeEnvironmentFile } from '../backup/environment.ts';
import { openBackup, resolveBackup, verifyBackup } from '../backup/read.ts';
import { forgetSessions, isSessionKey, putKeyBack } from '../backup/redis-keys.ts';
import { type Restored, restore as restoreInto } from '../backup/restore.ts';
import { withRedis } from '../cache/command-redis.ts';
import { ensureApplicationRole } from '../db/login-role.ts';
import { withPatientOwner } from '../db/migrate.ts';
import { type Answer, type Call, command, runAlone, UsageError } from './command.ts';
import { progressTo } from './terminal.ts';

const HELP = `Usage: latchkey restore FILE [options]

Puts a backup (of a folder: its newest) into the database of MIGRATION_DATABASE_URL: migrates it to the backup's schema, loads every table in
one transaction, holds each against the digest that was written, and migrates on. Nothing is changed when any of it fails.

Sessions may have been ended, links used and mails sent since the backup was taken. So all sessions end, waiting links and mails go, and
everybody logs in again. --exact keeps them: for a move with the service stopped, where nothing happened since.

Options
  --exact             every row as it was, sessions, links and waiting mails too
  --replace           delete what the database holds; without it a database that has accounts is refused
  --env-file <file>   write the environment of the backup there, with its secrets, readable for you alone
  --dry-run           read and check all of the backup, and change nothing
  -o, --output        text (default) or json
  -h, --help          this text

Environment
  BACKUP_PRIVATE_KEY       lkkey_…, the other half of the key that the backup was written with
  MIGRATION_DATABASE_URL   the schema's owner, in the database to fill
  DATABASE_URL             where it is set, its role is made and may use the schema, as \`latchkey db migrate\` does
  REDIS_URL                where it is set, counters and used nonces come back, and nothing of sessions unless --exact

Exit codes: 0 done, 1 failed, 2 wrong usage
`;

const OPTIONS = {
  exact: { type: 'boolean', default: false },
  replace: { type: 'boolean', default: false },
  'env-file': { type: 'string' },
  'dry-run': { type: 'boolean', default: false },
} as const;

type RestoreCall = Call<typeof OPTIONS>;

const rehearse = async (file: string, { terminal }: RestoreCall): Promise<Answer> => {
  const { header, tables, redisKeys } = await verifyBackup(file, privateKeyOf(terminal.env));
  return {
    data: { file, ...header, tables: Object.fromEntries(tables), redisKeys },
    text: `would restore ${file} of ${header.createdAt}: ${rowsOf(tables)} rows of ${tables.size} tables, schema ${header.schemaVersion}`,
    isGood: true,
  };
};

/** Returns how many keys came back. What is remembered of sessions belongs to another state of the database. */
const restoreRedis = (url: string, { redisKeys }: Restored, call: RestoreCall, createdAt: string): Promise<number> =>
  withRedis(url, async (redis) => {
    await forgetSessions(redis);
    const ageMs = call.terminal.nowMs() - Date.parse(createdAt);
    let put = 0;
    for (const key of redisKeys) {
      if (!call.values.exact && isSessionKey(key)) continue;
      if (await putKeyBack(redis, key, ageMs)) put += 1;
    }
    return put;
  });

const intoDatabase = async (
  client: Client,
  file: string,
  call: RestoreCall,
): Promise<Restored & { readonly createdAt: string }> => {
  const { values, terminal } = call;
  const { header, records } = await openBackup(file, privateKeyOf(terminal.env));
  const restored = await restoreInto(client, header, records, {
    replace: values.replace,
    exact: values.exact,
    onProgress: progressTo(terminal),
  });
  await ensureApplicationRole(client, terminal.env);
  return { ...restored, createdAt: header.createdAt };
};

const sayRestored = (restored: Restored, call: RestoreCall, keys: number): string => {
  return [
    `restored ${rowsOf(restored.tables)} rows of ${restored.tables.size} tables, each as it was written`,
    call.values.exact ? 'sessions go on' : `${restored.endedSessions} sessions ended: everybody logs in again`,
    ...(keys === 0 ? [] : [`${keys} keys of Redis`]),
    ...restored.migratedOn.map((name) => `applied ${name}`),
  ].join('\n');
};

/** What comes after the commit is tried before anything begins: who reads exit code 1 must find the database as it was. */
const checkWhatFollows = async ({ values, terminal }: RestoreCall): Promise<void> => {
  const envFile = values['env-file'];
  if (envFile !== undefined) await checkEnvironmentFile(envFile);
  const redis = terminal.env['REDIS_URL'] ?? '';
  if (redis !== '') await withRedis(redis, (connection) => connection.ping());
};

const run = async (path: string | undefined, call: RestoreCall): Promise<Answer> => {
  if (path === undefined) throw new UsageError('restore needs a file, or a folder whose newest backup is meant');
  const { values, terminal } = call;
  const file = await resolveBackup(path);
  await checkWhatFollows(call);
  if (values['dry-run']) return rehearse(file, call);
  const url = terminal.env['MIGRATION_DATABASE_URL'];
  if (url === undefined) throw new UsageError('set MIGRATION_DATABASE_URL to the owner of the database to fill');
  const restored = await withPatientOwner(url, (client) => intoDatabase(client, file, call));
  const redis = terminal.env['REDIS_URL'] ?? '';
  const keys = redis === '' ? 0 : await restoreRedis(redis, restored, call, restored.createdAt);
  const envFile = values['env-file'];
  if (envFile !== undefined) await writeEnvironmentFile(envFile, restored.variables);
  const { tables, endedSessions, migratedOn, createdAt } = restored;
  return {
    data: { file, createdAt, tables: Object.fromEntries(tables), endedSessions, redisKeys: keys, migratedOn },
    text: sayRestored(restored, call, keys),
    isGood: true,
  };
};

export const restore = command({
  name: 'restore',
  help: HELP,
  options: OPTIONS,
  work: (call) => run(call.operands[0], call),
});

if (import.meta.main) await runAlone(restore);
