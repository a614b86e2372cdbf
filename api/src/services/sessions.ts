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

export interface Sessions {
  start(account: { readonly tenantId: string; readonly userId: string; readonly origin: Origin }): Promise<TokenPair>;
  /** @throws AppError `refresh-token-invalid` | `refresh-token-replayed` | `session-ended` | `session-unknown` | `database-unavailable` */
  refresh(token: string): Promise<TokenPair>;
  /** Ends the session; ending an ended one changes nothing. @throws AppError `database-unavailable` */
  end(session: { readonly tenantId: string; readonly sessionId: string; readonly userId: string }): Promise<void>;
  /** The claims of a refresh token that we minted, for a logout without an access token. @throws AppError `refresh-token-invalid` */
  endByRefreshToken(token: string): Promise<void>;
}

/** What a refresh came to, once everything is written. */
type Outcome =
  | { readonly kind: 'issued'; readonly userId: string; readonly counter: number; readonly expiresAtMs: number }
  | { readonly kind: 'replayed' | 'ended' | 'unknown' }
  | { readonly kind: 'lost-race' };

export const createSessions = (deps: SessionDeps): Sessions => {
  const { database, liveness, refreshTokens, metrics, nowMs } = deps;

  const pair = (session: RefreshTokenParts & { readonly userId: string; readonly expiresAtMs: number }): TokenPair => ({
    tokenType: 'Bearer',
    accessToken: deps.accessTokens.sign(session),
    expiresIn: ACCESS_TOKEN_SECONDS,
    refreshToken: refreshTokens.mint(session),
    sessionId: session.sessionId,
    sessionExpiresAt: new Date(session.expiresAtMs).toISOString(),
  });

  const refreshOnce = async (tx: Transaction, presented: RefreshTokenParts): Promise<Outcome> => {
    const session = await findSession(tx, presented.sessionId);
    const decision = decideRefresh(session, presented, nowMs());
    return applyRefresh(tx, { presented, session, decision }, nowMs());
  };

  const refresh = async (token: string): Promise<TokenPair> => {
    const presented = refreshTokens.read(token);
    if (presented === undefined) throw new AppError('refresh-token-invalid');
    const outcome = await database.inTenant(presented.tenantId, async (tx) => {
      const first = await refreshOnce(tx, presented);
      // Who lost the swap reads again what the winner wrote; from there no decision is another swap.
      return first.kind === 'lost-race' ? refreshOnce(tx, presented) : first;
    });
    switch (outcome.kind) {
      case 'issued':
        return pair({ ...presented, ...outcome });
      case 'replayed':
        await liveness.markEnded(presented.sessionId);
        throw new AppError('refresh-token-replayed');
      case 'unknown':
        metrics.auth.dataLossSignals.inc();
        throw new AppError('session-unknown');
      case 'ended':
        throw new AppError('session-ended');
      case 'lost-race':
        throw new AppError('internal', { cause: new Error('a refresh lost two races') });
    }
  };

  /** `applyRefresh` beside the counters that it moves. */
  const applyRefresh = async (tx: Transaction, refresh: PendingRefresh, atMs: number): Promise<Outcome> => {
    const outcome = await writeDecision(tx, refresh, atMs);
    if (outcome.kind === 'ended' && refresh.decision.kind === 'expire') metrics.auth.sessionExpirations.inc();
    return outcome;
  };

  const end: Sessions['end'] = async ({ tenantId, sessionId, userId }) => {
    await database.inTenant(tenantId, async (tx) => {
      const isFirst = await revokeSession(tx, { sessionId, reason: 'logout', nowMs: nowMs() });
      if (!isFirst) return;
      await appendAudit(tx, {
        tenantId,
        userId,
        sessionId,
        eventType: 'logout',
        action: 'logout',
        metadata: { severity: 'info' },
      });
    });
    await liveness.markEnded(sessionId);
  };

  return {
    refresh,
    end,
    start: async ({ tenantId, userId, origin }) => {
      const startedMs = nowMs();
      // Whole seconds, since that is what the token can say of it.
      const absoluteExpiresAtMs = Math.floor((startedMs + ABSOLUTE_MS) / 1000) * 1000;
      const expiresAtMs = slideExpiry(absoluteExpiresAtMs, startedMs);
      const sessionId = await database.inTenant(tenantId, (tx) =>
        insertSession(tx, { tenantId, userId, origin, nowMs: startedMs, expiresAtMs, absoluteExpiresAtMs }),
      );
      return pair({ sessionId, tenantId, userId, absoluteExpiresAtMs, counter: 0, expiresAtMs });
    },
    endByRefreshToken: async (token) => {
      const presented = refreshTokens.read(token);
      if (presented === undefined) throw new AppError('refresh-token-invalid');
      const session = await database.inTenant(presented.tenantId, (tx) => findSession(tx, presented.sessionId));
      if (session !== undefined) await end({ ...presented, userId: session.userId });
    },
  };
};

interface PendingRefresh {
  readonly presented: RefreshTokenParts;
  readonly session: FoundSession | undefined;
  readonly decision: RefreshDecision;
}

/** Writes one decision, in the transaction that read for it. */
const writeDecision = async (
  tx: Transaction,
  { presented, session, decision }: PendingRefresh,
  nowMs: number,
): Promise<Outcome> => {
  const { sessionId, counter, tenantId } = presented;
  if (session === undefined || decision.kind === 'data-loss') {
    return { kind: decision.kind === 'data-loss' ? 'unknown' : 'ended' };
  }
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
      if (isFirst)
        await appendAudit(tx, { tenantId, userId, sessionId, eventType: 'token_reused', action: 'refresh', metadata });
      return { kind: 'replayed' };
    }
    case 'expire':
      await expireSession(tx, sessionId, nowMs);
      return { kind: 'ended' };
    case 'refuse':
      return { kind: 'ended' };
  }
};
