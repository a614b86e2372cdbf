/**
 * What all tabs (or all users of one store) know of the session: one small record, written whole. Pure: read by keeper.ts, kept by stores.ts.
 *
 * Times are this machine's and are only ever compared with its own: the server tells durations, so a clock that is wrong by a year is as good as
 * a right one. `receivedAtMs` is when the question was sent, since the token is at most that old.
 */
import type { SignedOutReason } from './errors.ts';

/** What proves the session: the browser's cookies, for which scripts hold the CSRF token only, or tokens. */
export type Held =
  | { readonly kind: 'cookies'; readonly csrfToken: string }
  | { readonly kind: 'bearer'; readonly accessToken: string; readonly refreshToken: string };

/** A session as the server's answer begins it or carries it on. */
export interface Started {
  readonly held: Held;
  readonly sessionId: string;
  readonly expiresInMs: number;
  readonly deviceToken?: string;
}

export interface SignedInRecord {
  readonly state: 'signed-in';
  /** Another one with each writing: who has seen an older one knows that something happened. */
  readonly id: string;
  readonly sessionId: string;
  readonly held: Held;
  readonly receivedAtMs: number;
  readonly expiresInMs: number;
  readonly deviceToken?: string;
}

export interface SignedOutRecord {
  readonly state: 'signed-out';
  readonly id: string;
  readonly reason: SignedOutReason;
  /** What it takes to tell the server of the logout, until it has heard. */
  readonly untold?: Held;
  readonly deviceToken?: string;
}

export type SessionRecord = SignedInRecord | SignedOutRecord;

/** A refresh ahead of expiry leaves this much time, or a fifth of a token's life where that is less. */
const AHEAD_MS = 3 * 60_000;

export type Freshness = 'fresh' | 'due' | 'expired';

/** How good the access token still is: `due` works, and the next one is asked for beside it. */
export const freshnessOf = ({ receivedAtMs, expiresInMs }: SignedInRecord, nowMs: number): Freshness => {
  const ageMs = nowMs - receivedAtMs;
  if (ageMs < 0) return 'due'; // the clock was set back, so nobody knows how old it is
  if (ageMs >= expiresInMs) return 'expired';
  return ageMs >= expiresInMs - Math.min(AHEAD_MS, expiresInMs / 5) ? 'due' : 'fresh';
};

const isFields = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null;

const isHeld = (value: unknown): value is Held =>
  isFields(value) &&
  (value['kind'] === 'cookies'
    ? typeof value['csrfToken'] === 'string'
    : value['kind'] === 'bearer' &&
      typeof value['accessToken'] === 'string' &&
      typeof value['refreshToken'] === 'string');

/** undefined for what is none of ours: an older version's, or another program's. */
export const readRecord = (value: unknown): SessionRecord | undefined =>
  isSignedIn(value) || isSignedOut(value) ? value : undefined;

const isSignedIn = (value: unknown): value is SignedInRecord =>
  isFields(value) &&
  value['state'] === 'signed-in' &&
  typeof value['id'] === 'string' &&
  typeof value['sessionId'] === 'string' &&
  typeof value['receivedAtMs'] === 'number' &&
  typeof value['expiresInMs'] === 'number' &&
  isHeld(value['held']);

const isSignedOut = (value: unknown): value is SignedOutRecord =>
  isFields(value) &&
  value['state'] === 'signed-out' &&
  typeof value['id'] === 'string' &&
  typeof value['reason'] === 'string' &&
  (value['untold'] === undefined || isHeld(value['untold']));
