/** Secrets for an embedded run, made once and kept in the data folder, so that sessions survive a restart. Called by dev.ts. */
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { z } from 'zod';

const keys = z.object({
  JWT_PRIVATE_KEY: z.string(),
  REFRESH_TOKEN_KEY: z.string(),
  PASSWORD_PEPPER: z.string(),
  ENCRYPTION_KEY: z.string(),
  databasePassword: z.string(),
});

export type EmbeddedKeys = Readonly<z.infer<typeof keys>>;

export const generateKeys = (): EmbeddedKeys => ({
  JWT_PRIVATE_KEY: generateKeyPairSync('ec', { namedCurve: 'P-256' })
    .privateKey.export({ type: 'pkcs8', format: 'pem' })
    .toString(),
  REFRESH_TOKEN_KEY: randomBytes(32).toString('base64'),
  PASSWORD_PEPPER: randomBytes(32).toString('base64'),
  ENCRYPTION_KEY: randomBytes(32).toString('base64'),
  databasePassword: randomBytes(18).toString('base64url'),
});

const keptKeys = async (file: string): Promise<Record<string, unknown>> => {
  try {
    return z.record(z.string(), z.unknown()).parse(JSON.parse(await readFile(file, 'utf8')));
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
    return {};
  }
};

/** Reads the file, or makes it readable for its owner alone. What a newer release needs beside the kept keys is added to them. */
export const keepKeys = async (file: string): Promise<EmbeddedKeys> => {
  const kept = await keptKeys(file);
  const all = keys.parse({ ...generateKeys(), ...kept });
  if (keys.safeParse(kept).success) return all;
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, JSON.stringify(all), { mode: 0o600 });
  return all;
};
