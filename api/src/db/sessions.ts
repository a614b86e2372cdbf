/** The statements on auth.user_sessions. Called by services/sessions.ts and cache/liveness.ts, inside a tenant's transaction. */
import { z } from 'zod';
import type { StoredSession } from '../core/rotation.ts';
import type { Transaction } from './database.ts';

export interface Origin {
  readonly ip: string | undefined;
  readonly userAgent: string | undefined;
}

const time = z.date().transform((date) => date.getTime());

const clientName = z.enum(['bearer', 'browser']);

const sessionRow = z.object({
  user_id: z.uuid(),
  status: z.enum(['active', 'expired', 'revoked']),
  refresh_counter: z.coerce.number().int(),
  rotated_at: time,
  expires_at: time,
  absolute_expires_at: time,
  is_account_active: z.boolean(),
  ip_address: z.string().nullable(),
  user_agent: z.string().nullable(),
});

export interface FoundSession extends StoredSession {
  readonly userId: string;
}

export const findSession = async (tx: Transaction, sessionId: string): Promise<FoundSession | undefined> => {
  const { rows } = await tx.query(
    `SELECT s.user_id, s.status, s.refresh_counter, s.rotated_at, s.expires_at, s.absolute_expires_at,
            u.is_active AND u.deleted_at IS NULL AS is_account_active, host(s.ip_address) AS ip_address, s.user_agent
     FROM auth.user_sessions s JOIN auth.users_extended u ON u.id = s.user_id
     WHERE s.id = $1`,
    [sessionId],
  );
  if (rows[0] === undefined) return undefined;
  const row = sessionRow.parse(rows[0]);
  return {
    userId: row.user_id,
    status: row.status,
    counter: row.refresh_counter,
    rotatedAtMs: row.rotated_at,
    expiresAtMs: row.expires_at,
    absoluteExpiresAtMs: row.absolute_expires_at,
    isAccountActive: row.is_account_active,
    origin: { ip: row.ip_address ?? undefined, userAgent: row.user_agent ?? undefined },
  };
};

/** The truth behind cache/liveness.ts. */
export const isSessionLive = async (tx: Transaction, sessionId: string, nowMs: number): Promise<boolean> => {
  const { rowCount } = await tx.query(
    `SELECT 1 FROM auth.user_sessions s JOIN auth.users_extended u ON u.id = s.user_id
     WHERE s.id = $1 AND s.status = 'active' AND s.expires_at > $2 AND u.is_active AND u.deleted_at IS NULL`,
    [sessionId, new Date(nowMs)],
  );
  return rowCount === 1;
};

/** When the session's account last entered a password or a code; undefined for a session that is not there. */
export const sessionProvedAtMs = async (tx: Transaction, sessionId: string): Promise<number | undefined> => {
  const { rows } = await tx.query('SELECT proved_at FROM auth.user_sessions WHERE id = $1', [sessionId]);
  return rows[0] === undefined ? undefined : z.object({ proved_at: time }).parse(rows[0]).proved_at;
};

export interface Rotation {
  readonly sessionId: string;
  readonly fromCounter: number;
  readonly expiresAtMs: number;
  readonly nowMs: number;
  readonly origin: Origin;
}

/**
 * The compare-and-swap that settles every race: of all who present the same counter, one moves it. A logout that came first has changed
 * the status, and the swap finds nothing.
 */
export const rotateSession = async (tx: Transaction, rotation: Rotation): Promise<boolean> => {
  const { rowCount } = await tx.query(
    `UPDATE auth.user_sessions
     SET refresh_counter = refresh_counter + 1, rotated_at = $3, last_activity_at = $3, expires_at = $4,
       ip_address = coalesce($5, ip_address), user_agent = coalesce($6, user_agent)
     WHERE id = $1 AND refresh_counter = $2 AND status = 'active' AND expires_at > $3`,
    [
      rotation.sessionId,
      rotation.fromCounter,
      new Date(rotation.nowMs),
      new Date(rotation.expiresAtMs),
      rotation.origin.ip ?? null,
      rotation.origin.userAgent ?? null,
    ],
  );
  return rowCount === 1;
};

/** Why a session was ended; `renewed`: another one took its place. */
export type RevocationReason =
  | 'logout'
  | 'token-replayed'
  | 'revoked'
  | 'renewed'
  | 'password-changed'
  | 'password-reset'
  | 'account-disabled'
  | 'suspicious';

export interface Revocation {
  readonly sessionId: string;
  readonly reason: RevocationReason;
  readonly nowMs: number;
}

/** True for the one caller that ended the session; its row stays as a tombstone. */
export const revokeSession = async (tx: Transaction, { sessionId, reason, nowMs }: Revocation): Promise<boolean> => {
  const { rowCount } = await tx.query(
    `UPDATE auth.user_sessions SET status = 'revoked', revoked_at = $2, revoked_reason = $3
     WHERE id = $1 AND status = 'active'`,
    [sessionId, new Date(nowMs), reason],
  );
  return rowCount === 1;
};

export interface SessionEnd {
  readonly sessionId: string;
  readonly reason: 'logout' | 'revoked';
  readonly nowMs: number;
}

/** The end that its owner asked for, with its audit event, in one statement: one round trip. Ending an ended session changes nothing. */
export const endSession = async (tx: Transaction, { sessionId, reason, nowMs }: SessionEnd): Promise<void> => {
  const [eventType, action] = reason === 'logout' ? ['logout', 'logout'] : ['session_revoked', 'revoke'];
  await tx.query(
    `WITH ended AS (
       UPDATE auth.user_sessions SET status = 'revoked', revoked_at = $2, revoked_reason = $3
       WHERE id = $1 AND status = 'active' RETURNING id, user_id, org_id
     )
     SELECT auth.log_audit_event(user_id, org_id, $4, $5, 'session', id, NULL, NULL, '{"severity": "info"}') FROM ended`,
    [sessionId, new Date(nowMs), reason, eventType, action],
  );
};

/** True for the one caller that found the session past its time. */
export const expireSession = async (tx: Transaction, sessionId: string, nowMs: number): Promise<boolean> => {
  const { rowCount } = await tx.query(
    `UPDATE auth.user_sessions SET status = 'expired' WHERE id = $1 AND status = 'active' AND expires_at <= $2`,
    [sessionId, new Date(nowMs)],
  );
  return rowCount === 1;
};

export interface AccountRevocation {
  readonly userId: string;
  readonly reason: RevocationReason;
  readonly nowMs: number;
  readonly exceptSessionId: string | undefined;
}

/**
 * Ends the account's live sessions; returns their ids. The account's row is locked first, as `insertSession` does, so that a login that
 * is under way either is ended here or sees what was changed before.
 */
export const revokeSessionsOf = async (tx: Transaction, revocation: AccountRevocation): Promise<readonly string[]> => {
  const { userId, reason, nowMs, exceptSessionId } = revocation;
  await tx.query('SELECT 1 FROM auth.users_extended WHERE id = $1 FOR UPDATE', [userId]);
  const { rows } = await tx.query(
    `UPDATE auth.user_sessions SET status = 'revoked', revoked_at = $2, revoked_reason = $3
     WHERE user_id = $1 AND status = 'active' AND ($4::uuid IS NULL OR id <> $4) RETURNING id`,
    [userId, new Date(nowMs), reason, exceptSessionId ?? null],
  );
  return z
    .array(z.object({ id: z.uuid() }))
    .parse(rows)
    .map(({ id }) => id);
};

/** What holds the session: a browser (cookies) or anything else (a bearer token). */
export type SessionClient = 'bearer' | 'browser';

export interface NewSession {
  readonly tenantId: string;
  readonly userId: string;
  readonly origin: Origin;
  readonly client: SessionClient;
  readonly hasSecondFactor: boolean;
  /** What the password was checked against; undefined where no password was. */
  readonly passwordHash: string | undefined;
  readonly nowMs: number;
  readonly expiresAtMs: number;
  readonly absoluteExpiresAtMs: number;
}

/**
 * Session, login history, audit event and last login in one statement: all or nothing, one round trip. Undefined when the account may not
 * begin one any more: it was disabled, or its password changed, between the check and this statement.
 */
export const insertSession = async (tx: Transaction, session: NewSession): Promise<string | undefined> => {
  const { rows } = await tx.query(
    `WITH account AS (
       UPDATE auth.users_extended SET last_login_at = $3
       WHERE id = $2 AND is_active AND deleted_at IS NULL AND ($8::text IS NULL OR password_hash = $8) RETURNING id
     ), session AS (
       INSERT INTO auth.user_sessions (org_id, user_id, created_at, rotated_at, last_activity_at, proved_at, expires_at,
         absolute_expires_at, ip_address, user_agent, client, has_second_factor)
       SELECT $1, id, $3, $3, $3, $3, $4, $5, $6, $7, $9, $10 FROM account RETURNING id
     ), history AS (
       INSERT INTO auth.login_history (org_id, user_id, session_id, success, ip_address, user_agent)
       SELECT $1, $2, id, true, $6, $7 FROM session
     )
     SELECT id, auth.log_audit_event($2, $1, 'login_succeeded', 'login', 'session', id, NULL, NULL, '{}') FROM session`,
    [
      session.tenantId,
      session.userId,
      new Date(session.nowMs),
      new Date(session.expiresAtMs),
      new Date(session.absoluteExpiresAtMs),
      session.origin.ip ?? null,
      session.origin.userAgent ?? null,
      session.passwordHash ?? null,
      session.client,
      session.hasSecondFactor,
    ],
  );
  return rows[0] === undefined ? undefined : z.object({ id: z.uuid() }).parse(rows[0]).id;
};

export interface Renewal {
  readonly sessionId: string;
  readonly hasSecondFactor: boolean;
  readonly nowMs: number;
}

const renewedRow = z.object({ id: z.uuid(), expires_at: time, absolute_expires_at: time, client: clientName });

export interface RenewedSession {
  readonly sessionId: string;
  readonly expiresAtMs: number;
  readonly absoluteExpiresAtMs: number;
  readonly client: SessionClient;
}

/** Ends the session and begins its one successor, in one statement: whoever comes second finds no live session and gets nothing. */
export const replaceSession = async (tx: Transaction, renewal: Renewal): Promise<RenewedSession | undefined> => {
  const { rows } = await tx.query(
    `WITH ended AS (
       UPDATE auth.user_sessions SET status = 'revoked', revoked_at = $2, revoked_reason = 'renewed'
       WHERE id = $1 AND status = 'active' AND expires_at > $2 RETURNING *
     )
     INSERT INTO auth.user_sessions (org_id, user_id, created_at, rotated_at, last_activity_at, proved_at, expires_at,
       absolute_expires_at, ip_address, user_agent, name, client, has_second_factor)
     SELECT org_id, user_id, $2, $2, $2, $2, expires_at, absolute_expires_at, ip_address, user_agent, name, client, has_second_factor OR $3
     FROM ended RETURNING id, expires_at, absolute_expires_at, client`,
    [renewal.sessionId, new Date(renewal.nowMs), renewal.hasSecondFactor],
  );
  if (rows[0] === undefined) return undefined;
  const row = renewedRow.parse(rows[0]);
  return {
    sessionId: row.id,
    expiresAtMs: row.expires_at,
    absoluteExpiresAtMs: row.absolute_expires_at,
    client: row.client,
  };
};

/** Live sessions of the transaction's tenant. */
export const countActiveSessions = async (tx: Transaction, nowMs: number): Promise<number> => {
  const { rows } = await tx.query(
    `SELECT count(*)::int AS count FROM auth.user_sessions WHERE status = 'active' AND expires_at > $1`,
    [new Date(nowMs)],
  );
  return z.object({ count: z.int() }).parse(rows[0]).count;
};
