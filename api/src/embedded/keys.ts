/** Secrets for an embedded run, made once and kept in the data folder, so that sessions survive a restart. Called by dev.ts. */
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { z } from 'zod';

const keys = z.object({
  JWT_PRIVATE_KEY: z.string(),
  REFRESH_TOKEN_KEY: z.string(),
  PASSWORD_PEPPER: z.string(),
  databasePassword: z.string(),
});

export type EmbeddedKeys = Readonly<z.infer<typeof keys>>;

export const generateKeys = (): EmbeddedKeys => ({
  JWT_PRIVATE_KEY: generateKeyPairSync('ec', { namedCurve: 'P-256' })
    .privateKey.export({ type: 'pkcs8', format: 'pem' })
    .toString(),
  REFRESH_TOKEN_KEY: randomBytes(32).toString('base64'),
  PASSWORD_PEPPER: randomBytes(32).toString('base64'),
  databasePassword: randomBytes(18).toString('base64url'),
});

/** Reads the file, or makes it readable for its owner alone. */
export const keepKeys = async (file: string): Promise<EmbeddedKeys> => {
  try {
    return keys.parse(JSON.parse(await readFile(file, 'utf8')));
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
    const fresh = generateKeys();
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, JSON.stringify(fresh), { mode: 0o600 });
    return fresh;
  }
};
