/**
 * Refuses what another site made a browser send. Called by http/authenticate.ts for unsafe methods whose session came in a cookie, and by the
 * routes that begin, refresh or end a browser's session. A bearer token needs none of this: no browser adds it by itself.
 *
 * Two checks, both needed: where the request comes from (Sec-Fetch-Site, else Origin), and a signed double submit: the header
 * `X-CSRF-Token` repeats the readable cookie, and its MAC is over this session's id, so a cookie that somebody planted from a neighbouring
 * host is worth nothing.
 * @see docs/api/sessions.md
 */
import { createHmac, hkdfSync, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Request } from 'express';
import { AppError } from '../errors.ts';
import { readCookie } from './cookies.ts';

export const CSRF_HEADER = 'x-csrf-token';
export const CSRF_COOKIE = '__Host-latchkey-csrf';
const SAFE_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);
const RANDOM_BYTES = 16;

export interface CsrfDeps {
  /** The key of the refresh tokens; this purpose gets one of its own out of it. */
  readonly refreshTokenKey: Buffer;
  readonly allowedOrigins: readonly string[];
}

export interface Csrf {
  /** The token that the browser holds already, where it is one of this session; a new one otherwise. Two tabs share one. */
  tokenFor(request: Request, sessionId: string): string;
  /** @throws AppError `origin-not-allowed` */
  checkOrigin(request: Request): void;
  /** @throws AppError `origin-not-allowed` | `csrf-token-invalid` */
  check(request: Request, sessionId: string): void;
}

export const isUnsafe = (method: string): boolean => !SAFE_METHODS.has(method);

const isSame = (a: string, b: string): boolean => {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
};

/** Our own origin is whatever host the browser asked for: it sets `Host` and `Origin` itself, and a page can change neither. */
const isOwnHost = (origin: string, request: Request): boolean =>
  URL.canParse(origin) && new URL(origin).host === request.headers.host;

/** Every browser of today says one of the two with an unsafe method; who says neither is none, and has no business with cookies. */
const isWelcome = (request: Request, allowed: ReadonlySet<string>): boolean => {
  const { origin } = request.headers;
  if (origin !== undefined && allowed.has(origin)) return true;
  const site = request.headers['sec-fetch-site'];
  if (site !== undefined) return site === 'same-origin';
  return origin !== undefined && isOwnHost(origin, request);
};

export const createCsrf = ({ refreshTokenKey, allowedOrigins }: CsrfDeps): Csrf => {
  const key = Buffer.from(hkdfSync('sha256', refreshTokenKey, '', 'latchkey csrf', 32));
  const allowed = new Set(allowedOrigins);

  const tokenOf = (sessionId: string, random: string): string =>
    `${random}.${createHmac('sha256', key).update(`${sessionId}.${random}`).digest('base64url')}`;

  const isTokenOf = (sessionId: string, token: string): boolean =>
    isSame(token, tokenOf(sessionId, token.split('.', 1)[0] ?? ''));

  const checkOrigin: Csrf['checkOrigin'] = (request) => {
    if (!isWelcome(request, allowed)) throw new AppError('origin-not-allowed');
  };

  return {
    checkOrigin,
    tokenFor: (request, sessionId) => {
      const held = readCookie(request, CSRF_COOKIE);
      const isGood = held !== undefined && isTokenOf(sessionId, held);
      return isGood ? held : tokenOf(sessionId, randomBytes(RANDOM_BYTES).toString('base64url'));
    },
    check: (request, sessionId) => {
      checkOrigin(request);
      const sent = request.headers[CSRF_HEADER];
      const held = readCookie(request, CSRF_COOKIE);
      const isGood = typeof sent === 'string' && held !== undefined && isSame(sent, held) && isTokenOf(sessionId, sent);
      if (!isGood) throw new AppError('csrf-token-invalid');
    },
  };
};
