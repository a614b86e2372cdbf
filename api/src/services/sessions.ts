/**
 * Sessions: read what is stored, let core/rotation.ts decide, write what it decided. Called by routes/auth.ts; statements in db/sessions.ts.
 */
import type { Liveness } from '../cache/liveness.ts';
import { ABSOLUTE_MS, decideRefresh, type RefreshDecision, slideExpiry } from '../core/rotation.ts';
import { ACCESS_TOKEN_SECONDS, type AccessTokens } from '../crypto/access-token.ts';
import type { RefreshTokenParts, RefreshTokens } from '../crypto/refresh-token.ts';
import { appendAudit } from '../db/audit.ts';
import type { Database, Transaction } from '../db/database.ts';
import {
  expireSession,
  type FoundSession,
  findSession,
  insertSession,
  type Origin,
  revokeSession,
  rotateSession,
} from '../db/sessions.ts';
import { AppError } from '../errors.ts';
import type { Metrics } from '../metrics.ts';

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

/** What a refresh came to, once everything is written. */
type Outcome =
  | { readonly kind: 'issued'; readonly userId: string; readonly counter: number; readonly expiresAtMs: number }
  | { readonly kind: 'replayed' | 'ended' | 'expired' | 'unknown' }
  | { readonly kind: 'lost-race' };

interface PendingRefresh {
  readonly presented: RefreshTokenParts;
  readonly session: FoundSession | undefined;
  readonly decision: RefreshDecision;
  readonly nowMs: number;
}

export class Sessions {
  readonly #deps: SessionDeps;

  constructor(deps: SessionDeps) {
    this.#deps = deps;
  }

  /** @throws AppError `database-unavailable` */
  async start(account: {
    readonly tenantId: string;
    readonly userId: string;
    readonly origin: Origin;
  }): Promise<TokenPair> {
    const nowMs = this.#deps.nowMs();
    // Whole seconds, since that is what the token can say of it.
    const absoluteExpiresAtMs = Math.floor((nowMs + ABSOLUTE_MS) / 1000) * 1000;
    const session = { ...account, nowMs, absoluteExpiresAtMs, expiresAtMs: slideExpiry(absoluteExpiresAtMs, nowMs) };
    const sessionId = await this.#deps.database.inTenant(account.tenantId, (tx) => insertSession(tx, session));
    return this.#pair({ ...session, sessionId, counter: 0 });
  }

  /** @throws AppError `refresh-token-invalid` | `refresh-token-replayed` | `session-ended` | `session-unknown` | `database-unavailable` */
  async refresh(token: string): Promise<TokenPair> {
    const presented = this.#deps.refreshTokens.read(token);
    if (presented === undefined) throw new AppError('refresh-token-invalid');
    const outcome = await this.#deps.database.inTenant(presented.tenantId, async (tx) => {
      const first = await this.#tryRefresh(tx, presented);
      // Who lost the swap reads again what the winner wrote; from there no decision is another swap.
      return first.kind === 'lost-race' ? this.#tryRefresh(tx, presented) : first;
    });
    if (outcome.kind === 'issued') return this.#pair({ ...presented, ...outcome });
    throw await this.#refusal(outcome.kind, presented.sessionId);
  }

  /** Ends the session; ending an ended one changes nothing. @throws AppError `database-unavailable` */
  async end(session: {
    readonly tenantId: string;
    readonly sessionId: string;
    readonly userId: string;
  }): Promise<void> {
    const nowMs = this.#deps.nowMs();
    await this.#deps.database.inTenant(session.tenantId, async (tx) => {
      const isFirst = await revokeSession(tx, { sessionId: session.sessionId, reason: 'logout', nowMs });
      if (!isFirst) return;
      await appendAudit(tx, {
        ...session,
        eventType: 'logout',
        action: 'logout',
        resource: { type: 'session', id: session.sessionId },
        metadata: { severity: 'info' },
      });
    });
    await this.#deps.liveness.markEnded(session.sessionId);
  }

  /** A logout whose access token has expired: any refresh token of the session will do. @throws AppError `refresh-token-invalid` */
  async endByRefreshToken(token: string): Promise<void> {
    const presented = this.#deps.refreshTokens.read(token);
    if (presented === undefined) throw new AppError('refresh-token-invalid');
    const session = await this.#deps.database.inTenant(presented.tenantId, (tx) =>
      findSession(tx, presented.sessionId),
    );
    if (session !== undefined) await this.end({ ...presented, userId: session.userId });
  }

  /** Read, decide, write, in the caller's transaction. */
  async #tryRefresh(tx: Transaction, presented: RefreshTokenParts): Promise<Outcome> {
    const nowMs = this.#deps.nowMs();
    const session = await findSession(tx, presented.sessionId);
    return writeDecision(tx, { presented, session, nowMs, decision: decideRefresh(session, presented, nowMs) });
  }

  /** After the commit: what the outcome means to the counters, to the other pods, and to the client. */
  async #refusal(kind: Exclude<Outcome['kind'], 'issued'>, sessionId: string): Promise<AppError> {
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
      case 'lost-race':
        return new AppError('internal', { cause: new Error('a refresh lost two races') });
    }
  }

  #pair(session: RefreshTokenParts & { readonly userId: string; readonly expiresAtMs: number }): TokenPair {
    return {
      tokenType: 'Bearer',
      accessToken: this.#deps.accessTokens.sign(session),
      expiresIn: ACCESS_TOKEN_SECONDS,
      refreshToken: this.#deps.refreshTokens.mint(session),
      sessionId: session.sessionId,
      sessionExpiresAt: new Date(session.expiresAtMs).toISOString(),
    };
  }
}

/** Writes one decision, in the transaction that read for it. */
const writeDecision = async (
  tx: Transaction,
  { presented, session, decision, nowMs }: PendingRefresh,
): Promise<Outcome> => {
  if (decision.kind === 'data-loss') return { kind: 'unknown' };
  if (session === undefined) return { kind: 'ended' };
  const { sessionId, counter } = presented;
  const { userId } = session;
  switch (decision.kind) {
    case 'rotate': {
      const { expiresAtMs } = decision;
      const isWinner = await rotateSession(tx, { sessionId, fromCounter: counter, expiresAtMs, nowMs });
      return isWinner ? { kind: 'issued', userId, counter: counter + 1, expiresAtMs } : { kind: 'lost-race' };
    }
    case 'repeat':
      return { kind: 'issued', userId, counter: counter + 1, expiresAtMs: session.expiresAtMs };
    case 'revoke': {
      const isFirst = await revokeSession(tx, { sessionId, reason: 'token-replayed', nowMs });
      const metadata = { severity: 'warning', presented: counter, current: session.counter } as const;
      const resource = { type: 'session', id: sessionId } as const;
      if (isFirst)
        await appendAudit(tx, {
          ...presented,
          userId,
          eventType: 'token_reused',
          action: 'refresh',
          resource,
          metadata,
        });
      return { kind: 'replayed' };
    }
    case 'expire':
      return { kind: (await expireSession(tx, sessionId, nowMs)) ? 'expired' : 'ended' };
    case 'refuse':
      return { kind: 'ended' };
  }
};
