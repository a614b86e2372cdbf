/**
 * Sessions: read what is stored, let core/rotation.ts decide, write what it decided. Called by routes/auth.ts; statements in db/sessions.ts.
 */
import type { Liveness } from '../cache/liveness.ts';
import { ABSOLUTE_MS, slideExpiry } from '../core/rotation.ts';
import type { AccessTokens } from '../crypto/access-token.ts';
import type { RefreshTokenParts, RefreshTokens } from '../crypto/refresh-token.ts';
import { appendAudit } from '../db/audit.ts';
import type { Database, Transaction } from '../db/database.ts';
import {
  endSession,
  insertSession,
  type Origin,
  type RevocationReason,
  replaceSession,
  revokeSessionsOf,
  type SessionClient,
} from '../db/sessions.ts';
import { AppError } from '../errors.ts';
import type { Metrics } from '../metrics.ts';
import { type RefreshOutcome, tryRefresh } from './refresh.ts';

export interface SessionDeps {
  readonly database: Database;
  readonly liveness: Liveness;
  readonly accessTokens: AccessTokens;
  readonly refreshTokens: RefreshTokens;
  readonly metrics: Metrics;
  readonly nowMs: () => number;
}

/** What a client gets at login and at each refresh. Times in seconds and ISO 8601. */
export interface TokenPair {
  readonly tokenType: 'Bearer';
  readonly accessToken: string;
  readonly expiresIn: number;
  readonly refreshToken: string;
  readonly sessionId: string;
  readonly sessionExpiresAt: string;
}

export interface AccountRef {
  readonly tenantId: string;
  readonly userId: string;
}

export interface SessionRef extends AccountRef {
  readonly sessionId: string;
}

export interface SessionStart extends AccountRef {
  readonly origin: Origin;
  readonly client?: SessionClient;
  readonly hasSecondFactor?: boolean;
  /** The stored hash that the password was checked against: a password that changed meanwhile begins no session. */
  readonly passwordHash?: string;
}

/** Sessions that a transaction ended. */
export interface Endings {
  readonly count: number;
  /** Tells this process and the other pods; never throws. Call it after the commit. */
  announce(): Promise<void>;
}

export class Sessions {
  readonly #deps: SessionDeps;

  constructor(deps: SessionDeps) {
    this.#deps = deps;
  }

  /** Begins a session in the caller's transaction: its tokens are good from the commit on. undefined when the account may not any more. */
  async startIn(
    tx: Transaction,
    { client = 'bearer', hasSecondFactor = false, passwordHash, ...account }: SessionStart,
  ): Promise<TokenPair | undefined> {
    const nowMs = this.#deps.nowMs();
    // Whole seconds, since that is what the token can say of it.
    const absoluteExpiresAtMs = Math.floor((nowMs + ABSOLUTE_MS) / 1000) * 1000;
    const times = { nowMs, absoluteExpiresAtMs, expiresAtMs: slideExpiry(absoluteExpiresAtMs, nowMs) };
    const session = { ...account, ...times, client, hasSecondFactor, passwordHash };
    const sessionId = await insertSession(tx, session);
    return sessionId === undefined ? undefined : this.#pair({ ...session, sessionId, counter: 0 });
  }

  /**
   * A new session id for who just proved the account again (second factor, password change). The old id and its tokens are dead at once, and
   * of any number of callers one gets the successor. @throws AppError `session-ended` | `database-unavailable`
   */
  async renew(
    who: SessionRef,
    { hasSecondFactor = false }: { readonly hasSecondFactor?: boolean } = {},
  ): Promise<TokenPair> {
    const renewed = await this.#deps.database.inTenant(who.tenantId, async (tx) => {
      const session = await replaceSession(tx, { ...who, hasSecondFactor, nowMs: this.#deps.nowMs() });
      if (session === undefined) throw new AppError('session-ended');
      await appendAudit(tx, {
        ...who,
        eventType: 'session_created',
        action: 'renew',
        resource: { type: 'session', id: session.sessionId },
        metadata: { severity: 'info', replaces: who.sessionId },
      });
      return session;
    });
    await this.#deps.liveness.markEnded(who.sessionId);
    return this.#pair({ ...who, ...renewed, counter: 0 });
  }

  /** @throws AppError `refresh-token-invalid` | `refresh-token-replayed` | `session-ended` | `session-unknown` | `database-unavailable` */
  async refresh(token: string, origin: Origin): Promise<TokenPair> {
    const { database, refreshTokens, nowMs } = this.#deps;
    const parts = refreshTokens.read(token);
    if (parts === undefined) throw new AppError('refresh-token-invalid');
    const presented = { ...parts, origin };
    const outcome = await database.inTenant(presented.tenantId, async (tx) => {
      let tried = await tryRefresh(tx, presented, nowMs());
      // Who lost the swap reads again what the winner wrote, and from there decides anything but another swap.
      while (tried.kind === 'lost-race') tried = await tryRefresh(tx, presented, nowMs());
      return tried;
    });
    if (outcome.kind === 'issued') return this.#pair({ ...presented, ...outcome });
    throw await this.#refusal(outcome.kind, presented.sessionId);
  }

  /** The session that a refresh token is of, live or not; no query. @throws AppError `refresh-token-invalid` */
  sessionIdOf(token: string): string {
    const presented = this.#deps.refreshTokens.read(token);
    if (presented === undefined) throw new AppError('refresh-token-invalid');
    return presented.sessionId;
  }

  /** Ends the session, which the caller knows to be the asker's; ending an ended one changes nothing. @throws AppError `database-unavailable` */
  async end(
    { tenantId, sessionId }: Omit<SessionRef, 'userId'>,
    reason: 'logout' | 'revoked' = 'logout',
  ): Promise<void> {
    const { database, liveness, nowMs } = this.#deps;
    await database.inTenant(tenantId, (tx) => endSession(tx, { sessionId, reason, nowMs: nowMs() }));
    await liveness.markEnded(sessionId);
  }

  /**
   * Ends every session of the account, or every other one; says how many there were. @throws AppError `database-unavailable`
   */
  async endAll(account: AccountRef, reason: RevocationReason, exceptSessionId?: string): Promise<number> {
    const endings = await this.#deps.database.inTenant(account.tenantId, (tx) =>
      this.endAllIn(tx, account, reason, exceptSessionId),
    );
    await endings.announce();
    return endings.count;
  }

  /** The same in the caller's transaction, with what made it necessary; the caller calls `announce` after the commit. */
  async endAllIn(
    tx: Transaction,
    account: AccountRef,
    reason: RevocationReason,
    exceptSessionId?: string,
  ): Promise<Endings> {
    const sessionIds = await revokeSessionsOf(tx, { ...account, reason, exceptSessionId, nowMs: this.#deps.nowMs() });
    if (sessionIds.length > 0) {
      await appendAudit(tx, {
        ...account,
        eventType: 'session_revoked',
        action: 'revoke',
        resource: { type: 'user', id: account.userId },
        metadata: { severity: 'info', reason, sessions: sessionIds.length },
      });
    }
    const { liveness } = this.#deps;
    return {
      count: sessionIds.length,
      announce: async () => void (await Promise.all(sessionIds.map((id) => liveness.markEnded(id)))),
    };
  }

  /** A logout whose access token has expired: any refresh token of the session will do. @throws AppError `refresh-token-invalid` | `database-unavailable` */
  async endByRefreshToken(token: string): Promise<void> {
    const presented = this.#deps.refreshTokens.read(token);
    if (presented === undefined) throw new AppError('refresh-token-invalid');
    await this.end(presented);
  }

  /** After the commit: what the outcome means to the counters, to the other pods, and to the client. */
  async #refusal(kind: Exclude<RefreshOutcome['kind'], 'issued' | 'lost-race'>, sessionId: string): Promise<AppError> {
    const { metrics, liveness } = this.#deps;
    switch (kind) {
      case 'replayed':
        await liveness.markEnded(sessionId);
        return new AppError('refresh-token-replayed');
      case 'unknown':
        metrics.auth.dataLossSignals.inc();
        return new AppError('session-unknown');
      case 'expired':
        metrics.auth.sessionExpirations.inc();
        await liveness.markEnded(sessionId);
        return new AppError('session-ended');
      case 'ended':
        return new AppError('session-ended');
    }
  }

  #pair(session: RefreshTokenParts & { readonly userId: string; readonly expiresAtMs: number }): TokenPair {
    const { token, expiresInSeconds } = this.#deps.accessTokens.sign(session);
    return {
      tokenType: 'Bearer',
      accessToken: token,
      expiresIn: expiresInSeconds,
      refreshToken: this.#deps.refreshTokens.mint(session),
      sessionId: session.sessionId,
      sessionExpiresAt: new Date(session.expiresAtMs).toISOString(),
    };
  }
}
