/**
 * The refresh token: `lkr1.session.tenant.expiry.counter.mac`. Minted and read by services/sessions.ts.
 * A pure function of its parts and the key, so the successor of a lost reply is computed again and no token is stored anywhere;
 * a forged string dies here without a query. The tenant inside is what row level security is set to: it comes from us, never from a header.
 * @see docs/adr/0003-refresh-token.md
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { packUuid, unpackUuid } from './packed-uuid.ts';

export interface RefreshTokenParts {
  readonly sessionId: string;
  readonly tenantId: string;
  /** Absolute end of the session: a token that outlived it may have lost its row for good reason. */
  readonly absoluteExpiresAtMs: number;
  readonly counter: number;
}

const SHAPE = /^lkr1\.([\w-]{22})\.([\w-]{22})\.([0-9a-z]{1,8})\.([0-9a-z]{1,8})\.[\w-]{43}$/;

export interface RefreshTokens {
  mint(parts: RefreshTokenParts): string;
  /** The parts of a token that we minted; undefined for anything else. */
  read(token: string): RefreshTokenParts | undefined;
}

export const createRefreshTokens = (key: Buffer): RefreshTokens => {
  const mint = (parts: RefreshTokenParts): string => {
    const expirySeconds = Math.floor(parts.absoluteExpiresAtMs / 1000);
    const body = `lkr1.${packUuid(parts.sessionId)}.${packUuid(parts.tenantId)}.${expirySeconds.toString(36)}.${parts.counter.toString(36)}`;
    return `${body}.${createHmac('sha256', key).update(body).digest('base64url')}`;
  };

  const read = (token: string): RefreshTokenParts | undefined => {
    const [, session, tenant, expiry, counter] = SHAPE.exec(token) ?? [];
    if (session === undefined || tenant === undefined || expiry === undefined || counter === undefined)
      return undefined;
    const parts: RefreshTokenParts = {
      sessionId: unpackUuid(session),
      tenantId: unpackUuid(tenant),
      absoluteExpiresAtMs: Number.parseInt(expiry, 36) * 1000,
      counter: Number.parseInt(counter, 36),
    };
    // Minting again and comparing the whole string also refuses every second spelling of the same parts.
    const expected = Buffer.from(mint(parts));
    const presented = Buffer.from(token);
    return expected.length === presented.length && timingSafeEqual(expected, presented) ? parts : undefined;
  };

  return { mint, read };
};
