/** The part of the process environment that belongs to the service, and the file that a restore writes of it. Called by cli/backup.ts and restore.ts. */
import type { KeyObject } from 'node:crypto';
import { access, constants, lstat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { environment } from '../config.ts';
import { BackupKeyError, readPrivateKey } from './archive-keys.ts';

/** The commands' own, beside those that the service reads. What opens backups is never in one. */
const COMMANDS = ['MIGRATION_DATABASE_URL', 'BACKUP_PUBLIC_KEY'] as const;

/** @throws BackupKeyError where BACKUP_PRIVATE_KEY is missing or is no key. */
export const privateKeyOf = (env: Readonly<NodeJS.ProcessEnv>): KeyObject => {
  const text = env['BACKUP_PRIVATE_KEY'];
  if (text === undefined) throw new BackupKeyError('set BACKUP_PRIVATE_KEY to the private key of the backup (lkkey_…)');
  return readPrivateKey(text);
};

/** Names and values of what is set. */
export const serviceVariables = (env: Readonly<NodeJS.ProcessEnv>): Readonly<Record<string, string>> =>
  Object.fromEntries(
    [...Object.keys(environment.shape), ...COMMANDS].toSorted().flatMap((name) => {
      const value = env[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );

/** A file that `node --env-file` reads: in double quotes where a value has lines of its own, as a PEM has. */
export const environmentText = (variables: ReadonlyMap<string, string>): string =>
  [...variables]
    .map(([name, value]) => {
      const quote = ["'", '"', '`'].find((mark) => !value.includes(mark)) ?? '"';
      return `${name}=${quote}${value}${quote}\n`;
    })
    .join('');

/** Before a restore begins, since its end is too late. @throws where `writeEnvironmentFile` would fail: the file is there, or its folder is not to be written. */
export const checkEnvironmentFile = async (file: string): Promise<void> => {
  const isThere = await lstat(file).then(
    () => true,
    () => false,
  );
  if (isThere) throw new Error(`${file} is there already: name another file, or move it away`);
  await access(dirname(file), constants.W_OK);
};

/** For its owner alone, and never over a file that is there. @throws the system's error, `EEXIST` among them. */
export const writeEnvironmentFile = (file: string, variables: ReadonlyMap<string, string>): Promise<void> =>
  writeFile(file, environmentText(variables), { mode: 0o600, flag: 'wx' });
