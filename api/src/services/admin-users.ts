/** Administration of accounts. Called by routes/admin-users.ts; core/levels.ts decides, statements in db/admin-users.ts. */
import { decodeCursor, encodeCursor } from '../core/page-cursor.ts';
import {
  findUser,
  listUserSessions,
  listUsers,
  markUserDeleted,
  setUserActive,
  type UserChange,
  type UserFilter,
  type UserRow,
  type UserSessionRow,
  updateUser,
} from '../db/admin-users.ts';
import { deleteFactor } from '../db/mfa.ts';
import { hasOtherSuperAdmin } from '../db/permissions.ts';
import { revokeSession } from '../db/sessions.ts';
import { AppError } from '../errors.ts';
import { type AdminCall, type AdminScope, type AdminScopes, demand, demandOver, found } from './admin-scope.ts';
import { clearBudgets } from './guessing.ts';
import type { EnqueueMail } from './mail-outbox.ts';
import { endOneTimeTokens } from './one-time-tokens.ts';
import type { Endings, Sessions } from './sessions.ts';

/** An account as its administrators see it. Times are ISO 8601. */
export interface User {
  readonly id: string;
  readonly email: string;
  readonly emailVerified: boolean;
  readonly firstName: string | null;
  readonly lastName: string | null;
  readonly displayName: string;
  readonly status: UserRow['status'];
  readonly mustChangePassword: boolean;
  readonly level: number;
  readonly roles: UserRow['roles'];
  readonly lastLoginAt: string | null;
  readonly createdAt: string;
}

export const userOf = (row: UserRow): User => ({
  id: row.id,
  email: row.email,
  emailVerified: row.email_verified,
  firstName: row.first_name,
  lastName: row.last_name,
  displayName: row.display_name,
  status: row.status,
  mustChangePassword: row.must_change_password,
  level: row.level,
  roles: row.roles,
  lastLoginAt: row.last_login_at?.toISOString() ?? null,
  createdAt: row.created_at.toISOString(),
});

export interface UserPage {
  readonly users: readonly User[];
  /** Where the next page begins; null on the last one. */
  readonly nextCursor: string | null;
}

/** A session as the account's administrators see it. Times are ISO 8601. */
export interface UserSession {
  readonly id: string;
  readonly name: string | null;
  readonly client: string;
  readonly ip: string | null;
  readonly userAgent: string | null;
  readonly createdAt: string;
  readonly lastActivityAt: string;
  readonly expiresAt: string;
}

const sessionOf = (row: UserSessionRow): UserSession => ({
  id: row.id,
  name: row.name,
  client: row.client,
  ip: row.ip_address,
  userAgent: row.user_agent,
  createdAt: row.created_at.toISOString(),
  lastActivityAt: row.last_activity_at.toISOString(),
  expiresAt: row.expires_at.toISOString(),
});

export interface AdminUserDeps {
  readonly scopes: AdminScopes;
  readonly sessions: Sessions;
  readonly enqueueMail: EnqueueMail;
  /** Tells every pod that a session has ended. */
  readonly announceEnd: (sessionId: string) => Promise<void>;
  readonly nowMs: () => number;
}

type Query = Omit<UserFilter, 'after'> & { readonly cursor?: string | undefined };

/** The account, and the right to act on it. @throws AppError `not-found` | `level-too-low` */
export const subjectOf = async (scope: AdminScope, userId: string): Promise<UserRow> => {
  const row = found(await findUser(scope.tx, userId));
  demandOver(scope, { userId, level: row.level });
  return row;
};

/** Somebody must be left who can administer everything. @throws AppError `last-super-admin` */
export const keepSuperAdmin = async ({ tx }: AdminScope, user: UserRow): Promise<void> => {
  if (user.is_super_admin && !(await hasOtherSuperAdmin(tx, user.id))) throw new AppError('last-super-admin');
};

export class AdminUsers {
  readonly #deps: AdminUserDeps;

  constructor(deps: AdminUserDeps) {
    this.#deps = deps;
  }

  /** @throws AppError `invalid-request` for a cursor that is not ours, and as AdminScopes.run does */
  list(call: AdminCall, { cursor, ...filter }: Query): Promise<UserPage> {
    const after = cursor === undefined ? undefined : decodeCursor(cursor);
    if (cursor !== undefined && after === undefined) {
      throw new AppError('invalid-request', {
        fields: [{ field: 'cursor', message: 'must come from an earlier page' }],
      });
    }
    return this.#read(call, 'users.list', undefined, async ({ tx }) => {
      // One more than asked for says whether there is a next page.
      const rows = await listUsers(tx, { ...filter, after, limit: filter.limit + 1 });
      const page = rows.slice(0, filter.limit);
      const last = page.at(-1);
      const hasMore = rows.length > page.length && last !== undefined;
      return { users: page.map(userOf), nextCursor: hasMore ? encodeCursor({ at: last.position, id: last.id }) : null };
    });
  }

  get(call: AdminCall, userId: string): Promise<User> {
    return this.#read(call, 'users.get', userId, async ({ tx }) => userOf(found(await findUser(tx, userId))));
  }

  change(call: AdminCall, userId: string, change: UserChange): Promise<User> {
    return this.#change(call, 'users.update', userId, async (scope) => {
      const before = userOf(await subjectOf(scope, userId));
      await updateUser(scope.tx, userId, change);
      const after = userOf(found(await findUser(scope.tx, userId)));
      await scope.record({ eventType: 'user_updated', userId, before, after });
      return after;
    });
  }

  /** Ends every session in the same transaction, so nothing is left of it in PostgreSQL, and then in Redis. @throws AppError `last-super-admin` */
  disable(call: AdminCall, userId: string): Promise<User> {
    return this.#close(call, { name: 'users.disable', eventType: 'user_updated', userId }, ({ tx }) =>
      setUserActive(tx, userId, false),
    );
  }

  /** As disable, and nobody sees the account any more. @throws AppError `last-super-admin` */
  async delete(call: AdminCall, userId: string): Promise<void> {
    await this.#close(call, { name: 'users.delete', eventType: 'user_deleted', userId }, ({ tx }) =>
      markUserDeleted(tx, userId),
    );
  }

  enable(call: AdminCall, userId: string): Promise<User> {
    return this.#change(call, 'users.enable', userId, async (scope) => {
      const before = await subjectOf(scope, userId);
      await setUserActive(scope.tx, userId, true);
      const after = found(await findUser(scope.tx, userId));
      await scope.record({
        eventType: 'user_updated',
        userId,
        before: { status: before.status },
        after: { status: after.status },
      });
      return userOf(after);
    });
  }

  /** Forgives the failures that keep devices we do not know from logging in. */
  unlock(call: AdminCall, userId: string): Promise<void> {
    return this.#change(call, 'users.unlock', userId, async (scope) => {
      const { email } = await subjectOf(scope, userId);
      await clearBudgets(scope.tx, scope.tenantId, email);
      await scope.record({ eventType: 'account_unlocked', userId });
    });
  }

  /**
   * For an owner who has lost his device and his codes: the password alone logs in again, everywhere is logged out, and he hears of it by mail.
   * Nobody does it to himself here, since a session alone must not be rid of its second factor. @throws AppError `conflict` where there is none
   */
  async resetSecondFactor(call: AdminCall, userId: string): Promise<void> {
    const endings = await this.#change(call, 'users.mfa.reset', userId, async (scope) => {
      const { tx, tenantId, actor } = scope;
      const { email } = await subjectOf(scope, userId);
      demand(userId !== actor.userId);
      if (!(await deleteFactor(tx, userId))) throw new AppError('conflict');
      await endOneTimeTokens(tx, userId, ['login-second-factor']);
      const data = { change: 'disabled', at: new Date(this.#deps.nowMs()).toISOString() };
      await this.#deps.enqueueMail(tx, { tenantId, userId, template: 'mfa-changed', recipient: email, data });
      await scope.record({ eventType: 'mfa_disabled', userId });
      return this.#deps.sessions.endAllIn(tx, { tenantId, userId }, 'revoked');
    });
    await endings.announce();
  }

  sessions(call: AdminCall, userId: string): Promise<readonly UserSession[]> {
    return this.#read(call, 'users.sessions.list', userId, async ({ tx }) => {
      found(await findUser(tx, userId));
      return (await listUserSessions(tx, userId, this.#deps.nowMs())).map(sessionOf);
    });
  }

  async endSession(call: AdminCall, userId: string, sessionId: string): Promise<void> {
    await this.#change(call, 'users.sessions.revoke', userId, async (scope) => {
      await subjectOf(scope, userId);
      const nowMs = this.#deps.nowMs();
      const live = await listUserSessions(scope.tx, userId, nowMs);
      found(live.find(({ id }) => id === sessionId));
      await revokeSession(scope.tx, { sessionId, reason: 'revoked', nowMs });
      await scope.record({ eventType: 'session_revoked', userId, details: { revokedSessionId: sessionId } });
    });
    await this.#deps.announceEnd(sessionId);
  }

  /** How many there were. */
  async endSessions(call: AdminCall, userId: string): Promise<number> {
    const endings = await this.#change(call, 'users.sessions.revoke-all', userId, async (scope) => {
      await subjectOf(scope, userId);
      const ended = await this.#deps.sessions.endAllIn(scope.tx, { tenantId: scope.tenantId, userId }, 'revoked');
      await scope.record({ eventType: 'session_revoked', userId, details: { sessions: ended.count } });
      return ended;
    });
    await endings.announce();
    return endings.count;
  }

  async #close(
    call: AdminCall,
    closing: { readonly name: string; readonly eventType: 'user_updated' | 'user_deleted'; readonly userId: string },
    write: (scope: AdminScope) => Promise<void>,
  ): Promise<User> {
    const { name, eventType, userId } = closing;
    const closed = await this.#change(call, name, userId, async (scope): Promise<{ user: User; endings: Endings }> => {
      const before = await subjectOf(scope, userId);
      await keepSuperAdmin(scope, before);
      await write(scope);
      const account = { tenantId: scope.tenantId, userId };
      const endings = await this.#deps.sessions.endAllIn(scope.tx, account, 'account-disabled');
      const details = { sessions: endings.count };
      await scope.record({
        eventType,
        userId,
        before: { status: before.status },
        after: { status: 'disabled' },
        details,
      });
      return { user: { ...userOf(before), status: 'disabled' }, endings };
    });
    await closed.endings.announce();
    return closed.user;
  }

  #read<T>(call: AdminCall, name: string, id: string | undefined, work: (scope: AdminScope) => Promise<T>): Promise<T> {
    return this.#deps.scopes.run(call, { name, kind: 'read', resource: { type: 'user', id } }, work);
  }

  #change<T>(call: AdminCall, name: string, id: string, work: (scope: AdminScope) => Promise<T>): Promise<T> {
    return this.#deps.scopes.run(call, { name, kind: 'change', resource: { type: 'user', id } }, work);
  }
}
