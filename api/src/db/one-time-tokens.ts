/** The statements on one-time tokens. Called by services/one-time-tokens.ts, inside a tenant's transaction. */
import { z } from 'zod';
import type { Transaction } from './database.ts';

export interface TokenRow {
  readonly digest: Buffer;
  readonly purpose: string;
  readonly tenantId: string;
  readonly userId: string;
  readonly email: string;
  readonly details: Readonly<Record<string, string>>;
  readonly expiresAtMs: number;
  readonly nowMs: number;
}

/** Takes the account's expired tokens away on the way, so that the table stays as small as what is live. */
export const insertToken = async (tx: Transaction, token: TokenRow): Promise<void> => {
  await tx.query(
    `WITH swept AS (DELETE FROM latchkey.one_time_token WHERE user_id = $4 AND expires_at <= $8)
     INSERT INTO latchkey.one_time_token (digest, purpose, org_id, user_id, email, details, expires_at, created_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
    [
      token.digest,
      token.purpose,
      token.tenantId,
      token.userId,
      token.email,
      JSON.stringify(token.details),
      new Date(token.expiresAtMs),
      new Date(token.nowMs),
    ],
  );
};

const tokenRow = z.object({ user_id: z.uuid(), email: z.string(), details: z.record(z.string(), z.string()) });

/** What a live token says. */
export interface FoundToken {
  readonly userId: string;
  readonly email: string;
  readonly details: Readonly<Record<string, string>>;
}

const present = (row: Record<string, unknown> | undefined): FoundToken | undefined => {
  if (row === undefined) return undefined;
  const { user_id, email, details } = tokenRow.parse(row);
  return { userId: user_id, email, details };
};

/** Finding and using are one statement, so of two at once one finds nothing. The clock decides about expiry, not a cleanup. */
export const deleteToken = async (
  tx: Transaction,
  { digest, purpose, nowMs }: Pick<TokenRow, 'digest' | 'purpose' | 'nowMs'>,
): Promise<FoundToken | undefined> => {
  const { rows } = await tx.query(
    `DELETE FROM latchkey.one_time_token WHERE digest = $1 AND purpose = $2 AND expires_at > $3
     RETURNING user_id, email, details`,
    [digest, purpose, new Date(nowMs)],
  );
  return present(rows[0]);
};

export const findToken = async (
  tx: Transaction,
  { digest, purpose, nowMs }: Pick<TokenRow, 'digest' | 'purpose' | 'nowMs'>,
): Promise<FoundToken | undefined> => {
  const { rows } = await tx.query(
    `SELECT user_id, email, details FROM latchkey.one_time_token WHERE digest = $1 AND purpose = $2 AND expires_at > $3`,
    [digest, purpose, new Date(nowMs)],
  );
  return present(rows[0]);
};

export const deleteTokensOf = async (tx: Transaction, userId: string, purposes: readonly string[]): Promise<void> => {
  await tx.query('DELETE FROM latchkey.one_time_token WHERE user_id = $1 AND purpose = ANY($2)', [userId, purposes]);
};
