/** What an account sees of its sessions and does with them. Called by routes/sessions.ts; statements in db/session-list.ts. */
import type { Database } from '../db/database.ts';
import { listSessions, nameSession, ownsSession, type SessionRow } from '../db/session-list.ts';
import type { SessionClient } from '../db/sessions.ts';
import { AppError } from '../errors.ts';
import type { SessionRef, Sessions } from './sessions.ts';

/** Times are ISO 8601. */
export interface ListedSession {
  readonly id: string;
  readonly name: string | null;
  readonly client: SessionClient;
  readonly address: string | null;
  readonly userAgent: string | null;
  readonly hasSecondFactor: boolean;
  readonly createdAt: string;
  readonly lastActivityAt: string;
  readonly expiresAt: string;
  /** Whether it is the session that asks. */
  readonly isCurrent: boolean;
}

export interface SessionListDeps {
  readonly database: Database;
  readonly sessions: Sessions;
  readonly nowMs: () => number;
}

const show = (row: SessionRow, currentId: string): ListedSession => ({
  id: row.id,
  name: row.name,
  client: row.client,
  address: row.ip_address,
  userAgent: row.user_agent,
  hasSecondFactor: row.has_second_factor,
  createdAt: row.created_at.toISOString(),
  lastActivityAt: row.last_activity_at.toISOString(),
  expiresAt: row.expires_at.toISOString(),
  isCurrent: row.id === currentId,
});

export class SessionList {
  readonly #deps: SessionListDeps;

  constructor(deps: SessionListDeps) {
    this.#deps = deps;
  }

  /** @throws AppError `database-unavailable` */
  async list(who: SessionRef): Promise<readonly ListedSession[]> {
    const { database, nowMs } = this.#deps;
    const rows = await database.inTenant(who.tenantId, (tx) => listSessions(tx, who.userId, nowMs()));
    return rows.map((row) => show(row, who.sessionId));
  }

  /** @throws AppError `not-found` | `database-unavailable` */
  async name(who: SessionRef, sessionId: string, name: string): Promise<ListedSession> {
    const { database, nowMs } = this.#deps;
    const naming = { userId: who.userId, sessionId, name, nowMs: nowMs() };
    const row = await database.inTenant(who.tenantId, (tx) => nameSession(tx, naming));
    if (row === undefined) throw new AppError('not-found');
    return show(row, who.sessionId);
  }

  /** Ends one of the account's sessions. Somebody else's is not found. @throws AppError `not-found` | `database-unavailable` */
  async end(who: SessionRef, sessionId: string): Promise<void> {
    const { database, sessions } = this.#deps;
    const isOwn = await database.inTenant(who.tenantId, (tx) => ownsSession(tx, who.userId, sessionId));
    if (!isOwn) throw new AppError('not-found');
    await sessions.end({ ...who, sessionId }, sessionId === who.sessionId ? 'logout' : 'revoked');
  }

  /** Ends the account's other sessions, or all of them; says how many. @throws AppError `database-unavailable` */
  endMany(who: SessionRef, scope: 'others' | 'all'): Promise<number> {
    return this.#deps.sessions.endAll(who, 'revoked', scope === 'others' ? who.sessionId : undefined);
  }
}
