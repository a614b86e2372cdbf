/**
 * `latchkey backup create|list|verify|keygen`: backups of the database, of what is in Redis and of the environment, for people and
 * for the chart's CronJob. Exit codes: 0 done, 1 failed or a backup is damaged, 2 wrong usage. docs/backup.md shows examples.
 */
import type { Client } from 'pg';
import { generateBackupKeys, keyIdOf, readPublicKey } from '../backup/archive-keys.ts';
import { rowsOf } from '../backup/contents.ts';
import { privateKeyOf, serviceVariables } from '../backup/environment.ts';
import { type Contents, forgetOld, listBackups, resolveBackup, verifyBackup } from '../backup/read.ts';
import { type BackupOptions, type BackupSource, type Written, writeBackup, writeBackupFile } from '../backup/write.ts';
import { withPatientOwner } from '../db/migrate.ts';
import { type Answer, type Call, command, runAlone, UsageError, verbOf } from './command.ts';
import { progressTo, type Terminal } from './terminal.ts';

const HELP = `Usage: latchkey backup <command> [options]

Commands
  create FOLDER   write a backup of PostgreSQL, Redis and the environment; \`-\` writes it to standard output
  list FOLDER     what the folder holds; needs no key
  verify FILE     read all of a backup (of a folder: its newest) and hold every table against its digest
  keygen          make a key pair: the public key writes backups, the private key reads them

Options
  --tag <name>            create: a word in the file's name, such as pre-migration
  --keep-days <n>         create: delete backups of the folder that are older, but never the newest; 30 (default), 0 keeps all
  --without-environment   create: leave the variables out, which hold the service's secrets
  --dry-run               create: only say what it would hold and delete
  -o, --output            text (default) or json
  -h, --help              this text

Environment
  BACKUP_PUBLIC_KEY        create: lkpub_…, from \`keygen\`
  BACKUP_PRIVATE_KEY       verify: lkkey_…; keep it where no cluster is
  MIGRATION_DATABASE_URL   create: the schema's owner, or a role that may become latchkey_backup (falls back to DATABASE_URL)
  REDIS_URL                create: where it is set, its keys are in the backup too

Exit codes: 0 done, 1 failed or damaged, 2 wrong usage
`;

const VERBS = ['create', 'list', 'verify', 'keygen'] as const;

const OPTIONS = {
  tag: { type: 'string' },
  'keep-days': { type: 'string', default: '30' },
  'without-environment': { type: 'boolean', default: false },
  'dry-run': { type: 'boolean', default: false },
} as const;

type BackupCall = Call<typeof OPTIONS>;

const TAG = /^[\w][\w.-]{0,63}$/;

const howOf = ({ values: { tag }, terminal }: BackupCall): BackupOptions => {
  const key = terminal.env['BACKUP_PUBLIC_KEY'];
  if (key === undefined)
    throw new UsageError('set BACKUP_PUBLIC_KEY to the public key that `latchkey backup keygen` made');
  if (tag !== undefined && !TAG.test(tag))
    throw new UsageError('--tag is at most 64 letters, digits, dots, dashes and underscores');
  return {
    recipient: readPublicKey(key),
    nowMs: terminal.nowMs(),
    tag,
    onProgress: progressTo(terminal),
  };
};

const sourceOf = (client: Client, { values, terminal: { env } }: BackupCall): BackupSource => ({
  client,
  redisUrl: env['REDIS_URL'] === '' ? undefined : env['REDIS_URL'],
  variables: values['without-environment'] ? {} : serviceVariables(env),
  release: env['APP_VERSION'] ?? 'development',
});

const dataOf = ({ description, tables, redisKeys, bytes }: Written) => ({
  ...description,
  tables: Object.fromEntries(tables),
  redisKeys,
  bytes,
});

const createToOutput = async (source: BackupSource, how: BackupOptions, terminal: Terminal): Promise<Answer> => {
  const written = await writeBackup(source, how, (bytes) => terminal.write(bytes));
  terminal.complain(`${rowsOf(written.tables)} rows of ${written.tables.size} tables, ${written.bytes} bytes\n`);
  return { data: undefined, text: '', isGood: true };
};

const rehearse = async (source: BackupSource, options: BackupOptions, old: readonly string[]): Promise<Answer> => {
  const written = await writeBackup(source, options, async () => undefined);
  const text = `would write ${written.bytes} bytes: ${rowsOf(written.tables)} rows of ${written.tables.size} tables, ${written.redisKeys} keys of Redis`;
  return {
    data: { ...dataOf(written), wouldDelete: old },
    text: [text, ...old.map((file) => `would delete ${file}`)].join('\n'),
    isGood: true,
  };
};

/** What `create` does with its folder beside writing into it. */
const keepDaysOf = (text: string): number => {
  const days = Number(text);
  if (!Number.isInteger(days) || days < 0) throw new UsageError('--keep-days is a whole number of days');
  return days;
};

const runCreate = (folder: string | undefined, call: BackupCall): Promise<Answer> => {
  if (folder === undefined) throw new UsageError('create needs a folder, or - for standard output');
  const { values, terminal } = call;
  const keepDays = keepDaysOf(values['keep-days']);
  const how = howOf(call);
  const forget = (dryRun: boolean): Promise<readonly string[]> =>
    keepDays === 0 || folder === '-' ? Promise.resolve([]) : forgetOld(folder, { keepDays, nowMs: how.nowMs, dryRun });
  const url = terminal.env['MIGRATION_DATABASE_URL'] ?? terminal.env['DATABASE_URL'];
  if (url === undefined) throw new UsageError('set MIGRATION_DATABASE_URL (or DATABASE_URL) to the database');
  return withPatientOwner(url, async (client) => {
    const source = sourceOf(client, call);
    if (values['dry-run']) return rehearse(source, how, await forget(true));
    if (folder === '-') return createToOutput(source, how, terminal);
    return sayWritten(await writeBackupFile(folder, source, how), await forget(false));
  });
};

const sayWritten = (written: Written & { readonly file: string }, deleted: readonly string[]): Answer => {
  const { file, tables, redisKeys, bytes } = written;
  const text = `${file}: ${rowsOf(tables)} rows of ${tables.size} tables, ${redisKeys} keys of Redis, ${bytes} bytes`;
  return {
    data: { file, ...dataOf(written), deleted },
    text: [text, ...deleted.map((name) => `deleted ${name}`)].join('\n'),
    isGood: true,
  };
};

const runList = async (folder: string | undefined): Promise<Answer> => {
  if (folder === undefined) throw new UsageError('list needs a folder');
  const found = await listBackups(folder);
  const lines = found.map(
    ({ file, bytes, header }) =>
      `${header.createdAt}  schema ${header.schemaVersion}  key ${header.keyId}  ${String(bytes).padStart(10)} bytes  ${file}`,
  );
  return { data: found, text: lines.length === 0 ? `${folder} holds no backup` : lines.join('\n'), isGood: true };
};

const sayContents = (file: string, { header, tables, redisKeys, variables }: Contents): string =>
  [
    `ok  ${file}`,
    `    ${header.createdAt}, schema ${header.schemaVersion}, release ${header.release}${header.tag === undefined ? '' : `, ${header.tag}`}`,
    ...[...tables].map(([name, { rows }]) => `    ${String(rows).padStart(9)}  ${name}`),
    `    ${String(redisKeys).padStart(9)}  keys of Redis`,
    `    ${String(variables.length).padStart(9)}  variables`,
  ].join('\n');

const runVerify = async (path: string | undefined, { env }: Terminal): Promise<Answer> => {
  if (path === undefined) throw new UsageError('verify needs a file or a folder');
  const file = await resolveBackup(path);
  const contents = await verifyBackup(file, privateKeyOf(env));
  const data = {
    file,
    ...contents.header,
    tables: Object.fromEntries(contents.tables),
    redisKeys: contents.redisKeys,
    variables: contents.variables,
  };
  return { data, text: sayContents(file, contents), isGood: true };
};

const runKeygen = async (): Promise<Answer> => {
  const keys = generateBackupKeys();
  const id = keyIdOf(readPublicKey(keys.publicKey));
  return {
    data: { keyId: id, ...keys },
    text: `BACKUP_PUBLIC_KEY=${keys.publicKey}\nBACKUP_PRIVATE_KEY=${keys.privateKey}\n# key ${id}; without the private key no backup can ever be read`,
    isGood: true,
  };
};

export const backup = command({
  name: 'backup',
  help: HELP,
  verbs: VERBS,
  options: OPTIONS,
  work: async (call) => {
    const [word, target] = call.operands;
    switch (verbOf(VERBS, word)) {
      case 'create':
        return runCreate(target, call);
      case 'list':
        return runList(target);
      case 'verify':
        return runVerify(target, call.terminal);
      case 'keygen':
        return runKeygen();
    }
  },
});

if (import.meta.main) await runAlone(backup);
