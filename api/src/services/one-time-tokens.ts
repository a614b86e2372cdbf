/**
 * Tokens that work once: `lko1.<tenant>.<32 random bytes>`. Called by the services that send links and by the login's second step.
 * Only SHA-256 over purpose and token is stored, so a token of one purpose is unknown to every other (Keycloak CVE-2026-4282), and the
 * database's content opens nothing. The tenant inside only says where to look: a wrong one finds no row.
 */
import { createHash, randomBytes } from 'node:crypto';
import { packUuid, unpackUuid } from '../crypto/packed-uuid.ts';
import type { Transaction } from '../db/database.ts';
import { deleteToken, deleteTokensOf, type FoundToken, findToken, insertToken } from '../db/one-time-tokens.ts';

export type TokenPurpose = 'verify-email' | 'reset-password' | 'login-second-factor' | 'accept-invitation';

export interface TokenRequest {
  readonly purpose: TokenPurpose;
  readonly tenantId: string;
  readonly userId: string;
  /** Where it is sent to: a token does not follow the account to another address. */
  readonly email: string;
  readonly expiresAtMs: number;
  readonly nowMs: number;
  /** Comes back when it is used. */
  readonly details?: Readonly<Record<string, string>>;
}

const SHAPE = /^lko1\.([\w-]{22})\.[\w-]{43}$/;

const digestOf = (purpose: TokenPurpose, token: string): Buffer =>
  createHash('sha256').update(`latchkey one-time ${purpose}\0`).update(token).digest();

/** The token, which is nowhere else from here on. */
export const issueOneTimeToken = async (tx: Transaction, request: TokenRequest): Promise<string> => {
  const token = `lko1.${packUuid(request.tenantId)}.${randomBytes(32).toString('base64url')}`;
  const { purpose, details = {} } = request;
  await insertToken(tx, { ...request, details, digest: digestOf(purpose, token) });
  return token;
};

/** The tenant to look in; undefined for what is no token of ours. */
export const readTenant = (token: string): string | undefined => {
  const packed = SHAPE.exec(token)?.[1];
  return packed === undefined ? undefined : unpackUuid(packed);
};

/** What the token says, and it works no more; undefined when it was used, has expired, or is of another purpose. */
export const consumeOneTimeToken = (
  tx: Transaction,
  purpose: TokenPurpose,
  token: string,
  nowMs: number,
): Promise<FoundToken | undefined> => deleteToken(tx, { digest: digestOf(purpose, token), purpose, nowMs });

/** Looks without using it, for what must be known before the dear part of the work. Whoever acts on it must consume it after all. */
export const peekOneTimeToken = (
  tx: Transaction,
  purpose: TokenPurpose,
  token: string,
  nowMs: number,
): Promise<FoundToken | undefined> => findToken(tx, { digest: digestOf(purpose, token), purpose, nowMs });

/** Ends what was sent and not used yet. */
export const endOneTimeTokens = (tx: Transaction, userId: string, purposes: readonly TokenPurpose[]): Promise<void> =>
  deleteTokensOf(tx, userId, purposes);
