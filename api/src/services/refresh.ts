/**
 * One refresh inside a transaction: read what is stored, let core/rotation.ts decide, write what it decided. Called by services/sessions.ts,
 * which turns the outcome into tokens or a refusal once it is committed; statements in db/sessions.ts.
 */
import { decideRefresh, type PresentedToken, type RefreshDecision } from '../core/rotation.ts';
import type { RefreshTokenParts } from '../crypto/refresh-token.ts';
import { type AuditEvent, appendAudit } from '../db/audit.ts';
import type { Transaction } from '../db/database.ts';
import { expireSession, type FoundSession, findSession, revokeSession, rotateSession } from '../db/sessions.ts';

/** What a refresh came to, once everything is written. */
export type RefreshOutcome =
  | { readonly kind: 'issued'; readonly userId: string; readonly counter: number; readonly expiresAtMs: number }
  | { readonly kind: 'replayed' | 'ended' | 'expired' | 'unknown' }
  | { readonly kind: 'lost-race' };

export type PresentedRefresh = RefreshTokenParts & PresentedToken;

interface PendingRefresh {
  readonly presented: PresentedRefresh;
  readonly session: FoundSession;
  readonly nowMs: number;
}

export const tryRefresh = async (
  tx: Transaction,
  presented: PresentedRefresh,
  nowMs: number,
): Promise<RefreshOutcome> => {
  const session = await findSession(tx, presented.sessionId);
  const decision = decideRefresh(session, presented, nowMs);
  if (decision.kind === 'data-loss') return { kind: 'unknown' };
  return session === undefined ? { kind: 'ended' } : write(tx, decision, { presented, session, nowMs });
};

const write = async (
  tx: Transaction,
  decision: Exclude<RefreshDecision, { readonly kind: 'data-loss' }>,
  pending: PendingRefresh,
): Promise<RefreshOutcome> => {
  const { presented, session, nowMs } = pending;
  const { sessionId, counter, origin } = presented;
  const { userId } = session;
  switch (decision.kind) {
    case 'rotate': {
      const { expiresAtMs, isMoved } = decision;
      const isWinner = await rotateSession(tx, { sessionId, fromCounter: counter, expiresAtMs, nowMs, origin });
      if (!isWinner) return { kind: 'lost-race' };
      if (isMoved) await appendAudit(tx, movedEvent(pending));
      return { kind: 'issued', userId, counter: counter + 1, expiresAtMs };
    }
    case 'repeat':
      return { kind: 'issued', userId, counter: counter + 1, expiresAtMs: session.expiresAtMs };
    case 'revoke': {
      const { reason } = decision;
      if (await revokeSession(tx, { sessionId, reason, nowMs })) await appendAudit(tx, reusedEvent(pending, reason));
      return { kind: 'replayed' };
    }
    case 'expire':
      return { kind: (await expireSession(tx, sessionId, nowMs)) ? 'expired' : 'ended' };
    case 'refuse':
      return { kind: 'ended' };
  }
};

const about = ({ presented, session }: PendingRefresh) =>
  ({
    tenantId: presented.tenantId,
    userId: session.userId,
    action: 'refresh',
    resource: { type: 'session', id: presented.sessionId },
  }) as const;

const reusedEvent = (pending: PendingRefresh, reason: string): AuditEvent => ({
  ...about(pending),
  eventType: 'token_reused',
  metadata: {
    severity: 'warning',
    reason,
    presented: pending.presented.counter,
    current: pending.session.counter,
  },
});

/** Another program in another network goes on with a token that was never used: it may be a restored device, and it may not. */
const movedEvent = (pending: PendingRefresh): AuditEvent => ({
  ...about(pending),
  eventType: 'session_moved',
  metadata: { severity: 'warning', from: pending.session.origin.ip, to: pending.presented.origin.ip },
});
