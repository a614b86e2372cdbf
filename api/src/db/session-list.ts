/** The statements behind the list of an account's sessions, and behind their activity. Called by services/{session-list,session-activity}.ts. */
import { z } from 'zod';
import type { Transaction } from './database.ts';

const row = z.object({
  id: z.uuid(),
  name: z.string().nullable(),
  client: z.enum(['bearer', 'browser']),
  ip_address: z.string().nullable(),
  user_agent: z.string().nullable(),
  has_second_factor: z.boolean(),
  created_at: z.date(),
  last_activity_at: z.date(),
  expires_at: z.date(),
});

export type SessionRow = Readonly<z.infer<typeof row>>;

/** More than anybody reads; who has more ends them all at once. */
const MAX_LISTED = 200;

const COLUMNS =
  'id, name, client, host(ip_address) AS ip_address, user_agent, has_second_factor, created_at, last_activity_at, expires_at';

/** The account's live sessions, the youngest first. */
export const listSessions = async (tx: Transaction, userId: string, nowMs: number): Promise<readonly SessionRow[]> => {
  const { rows } = await tx.query(
    `SELECT ${COLUMNS} FROM auth.user_sessions WHERE user_id = $1 AND status = 'active' AND expires_at > $2
     ORDER BY created_at DESC, id LIMIT ${MAX_LISTED}`,
    [userId, new Date(nowMs)],
  );
  return z.array(row).parse(rows);
};

export interface Naming {
  readonly userId: string;
  readonly sessionId: string;
  readonly name: string;
  readonly nowMs: number;
}

/** undefined when the account has no such live session. */
export const nameSession = async (tx: Transaction, naming: Naming): Promise<SessionRow | undefined> => {
  const { rows } = await tx.query(
    `UPDATE auth.user_sessions SET name = $3 WHERE user_id = $1 AND id = $2 AND status = 'active' AND expires_at > $4
     RETURNING ${COLUMNS}`,
    [naming.userId, naming.sessionId, naming.name, new Date(naming.nowMs)],
  );
  return rows[0] === undefined ? undefined : row.parse(rows[0]);
};

/** Whether this is a live session of that account. */
export const ownsSession = async (tx: Transaction, userId: string, sessionId: string): Promise<boolean> => {
  const { rowCount } = await tx.query(
    `SELECT 1 FROM auth.user_sessions WHERE user_id = $1 AND id = $2 AND status = 'active'`,
    [userId, sessionId],
  );
  return rowCount === 1;
};

export interface Slide {
  readonly sessionIds: readonly string[];
  readonly nowMs: number;
  readonly slidingMs: number;
  /** What was written so recently is left alone. */
  readonly quietMs: number;
}

/** Rows that somebody holds just now are skipped: whoever holds one is writing its activity or its end. */
export const slideSessions = async (
  tx: Transaction,
  { sessionIds, nowMs, slidingMs, quietMs }: Slide,
): Promise<void> => {
  await tx.query(
    `WITH used AS (
       SELECT id FROM auth.user_sessions
       WHERE id = ANY($1::uuid[]) AND status = 'active' AND expires_at > $2 AND last_activity_at < $4 FOR UPDATE SKIP LOCKED
     )
     UPDATE auth.user_sessions s SET last_activity_at = $2, expires_at = least($3::timestamptz, s.absolute_expires_at)
     FROM used WHERE s.id = used.id`,
    [sessionIds, new Date(nowMs), new Date(nowMs + slidingMs), new Date(nowMs - quietMs)],
  );
};
