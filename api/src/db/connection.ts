/** DATABASE_URL as the driver's settings, TLS included. Called by db/database.ts; config/server.ts asks whether a URL can be read. */
import { readFileSync } from 'node:fs';
import type { ConnectionOptions } from 'node:tls';

/**
 * `sslmode` as it is meant here: `require`, `verify-ca` and `verify-full` all check certificate and host name, and `no-verify` encrypts
 * without a check, for servers with a certificate of their own making. Without a mode nothing is encrypted. Said here and not left to the driver, which
 * has announced that it will check less.
 */
export const SSL_MODES: readonly string[] = ['disable', 'no-verify', 'require', 'verify-ca', 'verify-full'];

export interface ConnectionSettings {
  readonly connectionString: string;
  readonly ssl?: ConnectionOptions;
}

/** @throws when `sslrootcert` names a file that cannot be read. */
export const connectionOf = (text: string): ConnectionSettings => {
  const url = new URL(text);
  const mode = url.searchParams.get('sslmode') ?? 'disable';
  const rootCertificate = url.searchParams.get('sslrootcert');
  for (const name of ['sslmode', 'sslrootcert']) url.searchParams.delete(name);
  if (mode === 'disable') return { connectionString: url.href };
  return {
    connectionString: url.href,
    ssl: {
      rejectUnauthorized: mode !== 'no-verify',
      minVersion: 'TLSv1.2',
      ...(rootCertificate === null ? {} : { ca: readFileSync(rootCertificate, 'utf8') }),
    },
  };
};
