/**
 * What a presented refresh token is worth. Called by services/sessions.ts with what it read; it writes what is decided here.
 *
 *   stored session         | token's counter | decision
 *   -----------------------|-----------------|----------------------------------------------------------------
 *   none, token still good | any             | data-loss (missing): sessions are revoked, never deleted
 *   none, token expired    | any             | refuse (expired)
 *   any                    | ahead           | data-loss (ahead): we issued it, the database forgot
 *   revoked                | any other       | refuse (revoked)
 *   expired, or past its time | any other    | expire (once), then refuse (expired)
 *   active, account off    | any other       | refuse (revoked)
 *   active                 | equal           | rotate; noted as moved when another client altogether asks
 *   active                 | one behind, <= grace | repeat the successor: the reply was lost or tabs raced;
 *                          |                 | revoke when another client altogether asks: no tab changes program and network
 *   active                 | older           | revoke: somebody holds a stolen copy
 *
 * @see docs/adr/0003-refresh-token.md
 */

import { type ClientTraits, isAnotherClient } from './client-binding.ts';

/** RFC 9700 §4.14.2 wants replay to revoke; FAPI 2 wants a lost reply to be retryable. 30 s is time for a retry, not for a thief. */
export const GRACE_MS = 30_000;
/** A session unused for a day ends. */
export const SLIDING_MS = 24 * 3_600_000;
/** A session ends a week after its login, used or not (ASVS 10.4.8). */
export const ABSOLUTE_MS = 7 * 24 * 3_600_000;

export type SessionStatus = 'active' | 'expired' | 'revoked';

export interface StoredSession {
  readonly status: SessionStatus;
  readonly counter: number;
  readonly rotatedAtMs: number;
  readonly expiresAtMs: number;
  readonly absoluteExpiresAtMs: number;
  readonly isAccountActive: boolean;
  /** Who refreshed last. */
  readonly origin: ClientTraits;
}

/** What the token says of itself, under a valid MAC, and who brings it. */
export interface PresentedToken {
  readonly counter: number;
  readonly absoluteExpiresAtMs: number;
  readonly origin: ClientTraits;
}

export type RefreshDecision =
  | { readonly kind: 'rotate'; readonly expiresAtMs: number; readonly isMoved: boolean }
  | { readonly kind: 'repeat' }
  | { readonly kind: 'revoke'; readonly reason: 'token-replayed' | 'suspicious' }
  | { readonly kind: 'expire' }
  | { readonly kind: 'refuse'; readonly reason: 'expired' | 'revoked' }
  | { readonly kind: 'data-loss'; readonly reason: 'missing' | 'ahead' };

/** The sliding expiry of a session that is used now, never beyond its absolute one. */
export const slideExpiry = (absoluteExpiresAtMs: number, nowMs: number): number =>
  Math.min(nowMs + SLIDING_MS, absoluteExpiresAtMs);

/** Decides; total and deterministic. */
export const decideRefresh = (
  session: StoredSession | undefined,
  presented: PresentedToken,
  nowMs: number,
): RefreshDecision => {
  if (session === undefined) {
    return presented.absoluteExpiresAtMs > nowMs
      ? { kind: 'data-loss', reason: 'missing' }
      : { kind: 'refuse', reason: 'expired' };
  }
  if (presented.counter > session.counter) return { kind: 'data-loss', reason: 'ahead' };
  switch (session.status) {
    case 'revoked':
      return { kind: 'refuse', reason: 'revoked' };
    case 'expired':
      return { kind: 'refuse', reason: 'expired' };
    case 'active':
      return decideActive(session, presented, nowMs);
  }
};

const decideActive = (session: StoredSession, presented: PresentedToken, nowMs: number): RefreshDecision => {
  if (session.expiresAtMs <= nowMs) return { kind: 'expire' };
  if (!session.isAccountActive) return { kind: 'refuse', reason: 'revoked' };
  const isMoved = isAnotherClient(session.origin, presented.origin);
  if (presented.counter === session.counter) {
    return { kind: 'rotate', expiresAtMs: slideExpiry(session.absoluteExpiresAtMs, nowMs), isMoved };
  }
  const isParent = presented.counter === session.counter - 1;
  if (!isParent || nowMs - session.rotatedAtMs > GRACE_MS) return { kind: 'revoke', reason: 'token-replayed' };
  return isMoved ? { kind: 'revoke', reason: 'suspicious' } : { kind: 'repeat' };
};
