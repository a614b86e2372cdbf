/** Reads a file of `NAME=value` lines as `node --env-file` does. Called by ../config.ts. */
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { parseEnv } from 'node:util';
import { CommandError } from '../command.ts';

type Env = Readonly<Record<string, string>>;

export interface EnvFile {
  /** Its name without folders, for tables. */
  readonly label: string;
  readonly env: Env;
}

/** Its text, which is full of secrets, goes no further than this. @throws CommandError */
export const readEnvFile = async (path: string): Promise<EnvFile> => {
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unreadable';
    throw new CommandError(`${path} cannot be read (${code})`);
  });
  const env = Object.fromEntries(
    Object.entries(parseEnv(text)).flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as const])),
  );
  if (Object.keys(env).length === 0) throw new CommandError(`${path} has no line NAME=value`);
  return { label: basename(path), env };
};
