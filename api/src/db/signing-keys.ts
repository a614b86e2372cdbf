/** The statements on latchkey.signing_key. Read by services/key-ring.ts; written by cli/keys.ts alone, as the schema's owner. */
import { z } from 'zod';
import type { KeyTimes } from '../core/key-states.ts';

/** Runs one statement: the pool of the server, or the connection of a command. */
export type Ask = (statement: string, values?: readonly unknown[]) => Promise<readonly Record<string, unknown>[]>;

export interface StoredKey extends KeyTimes {
  readonly publicJwk: unknown;
  readonly sealedPrivateKey: string | undefined;
}

const row = z.object({
  key_id: z.string(),
  public_jwk: z.unknown(),
  sealed_private_key: z.string().nullable(),
  activates_at: z.date(),
  retired_at: z.date().nullable(),
});

export const readSigningKeys = async (ask: Ask): Promise<readonly StoredKey[]> => {
  const rows = await ask(
    'SELECT key_id, public_jwk, sealed_private_key, activates_at, retired_at FROM latchkey.signing_key ORDER BY activates_at, key_id',
  );
  return z
    .array(row)
    .parse(rows)
    .map((key) => ({
      keyId: key.key_id,
      publicJwk: key.public_jwk,
      sealedPrivateKey: key.sealed_private_key ?? undefined,
      activatesAtMs: key.activates_at.getTime(),
      retiredAtMs: key.retired_at?.getTime(),
    }));
};

export interface NewKey {
  readonly keyId: string;
  readonly publicJwk: unknown;
  readonly sealedPrivateKey: string;
  readonly activatesInSeconds: number;
}

/** False when another key waits for its turn already: two rotations at once make one key. */
export const insertSigningKey = async (ask: Ask, key: NewKey): Promise<boolean> => {
  await ask('LOCK TABLE latchkey.signing_key IN SHARE ROW EXCLUSIVE MODE');
  const rows = await ask(
    `INSERT INTO latchkey.signing_key (key_id, algorithm, public_jwk, sealed_private_key, activates_at)
     SELECT $1, 'ES256', $2::jsonb, $3, now() + make_interval(secs => $4)
     WHERE NOT EXISTS (SELECT 1 FROM latchkey.signing_key WHERE activates_at > now() AND retired_at IS NULL)
     RETURNING key_id`,
    [key.keyId, JSON.stringify(key.publicJwk), key.sealedPrivateKey, key.activatesInSeconds],
  );
  return rows.length === 1;
};

/** Ends a key at once and forgets its private half. `publicJwk` is for a configured key, which has no row yet. False when there is no such key. */
export const retireSigningKey = async (ask: Ask, keyId: string, configuredJwk?: unknown): Promise<boolean> => {
  const rows = await ask(
    `UPDATE latchkey.signing_key SET retired_at = coalesce(retired_at, now()), sealed_private_key = NULL WHERE key_id = $1 RETURNING key_id`,
    [keyId],
  );
  if (rows.length === 1) return true;
  if (configuredJwk === undefined) return false;
  await ask(
    `INSERT INTO latchkey.signing_key (key_id, algorithm, public_jwk, activates_at, retired_at) VALUES ($1, 'ES256', $2::jsonb, now(), now())`,
    [keyId, JSON.stringify(configuredJwk)],
  );
  return true;
};
