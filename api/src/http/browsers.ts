/**
 * What a browser gets instead of tokens that scripts could read: cookies. Called by the routes that begin, refresh, renew or end a session.
 * Only a new pair sets cookies and only a logout takes them away: a refresh that failed or lost a race must not log its winner out.
 */
import type { Request } from 'express';
import { z } from 'zod';
import { bucketOf, ROLLOUT_FLAG } from '../core/bucket.ts';
import { ABSOLUTE_MS } from '../core/rotation.ts';
import type { AccessTokens } from '../crypto/access-token.ts';
import type { TokenPair } from '../services/sessions.ts';
import { ACCESS_COOKIE, type CookieToSet, REFRESH_COOKIE, REFRESH_PATH, writeCookie } from './cookies.ts';
import { CSRF_COOKIE, type Csrf } from './csrf.ts';
import type { Reply } from './endpoint.ts';

/** The answer of login, refresh and everything else that begins a session, to `client: "browser"`. */
export const browserSession = z
  .object({
    tokenType: z.literal('Cookie'),
    expiresIn: z.int(),
    sessionId: z.uuid(),
    sessionExpiresAt: z.iso.datetime(),
    csrfToken: z.string(),
  })
  .meta({ id: 'BrowserSession' });

export interface Browsers {
  readonly csrf: Csrf;
  /** 200 with cookies for the pair, and no token in the body. Check the origin before anything is done: `csrf.checkOrigin`. */
  welcome(request: Request, pair: TokenPair): Reply;
  /** 200 with the session's CSRF token, for a page of another origin that cannot read our cookie. */
  csrfReply(request: Request, session: { readonly sessionId: string }): Reply;
  /** 204 that takes the cookies away. */
  farewell(): Reply;
}

const access = { name: ACCESS_COOKIE, path: '/', isReadable: false } as const;
const refresh = { name: REFRESH_COOKIE, path: REFRESH_PATH, isReadable: false } as const;
const csrfCookie = { name: CSRF_COOKIE, path: '/', isReadable: true } as const;

/**
 * Not the session's: it says which of a hundred parts of the users this one is in, for a gateway that keeps the same users on a canary
 * (docs/adr/0027-cohorts.md). The bucket of the flag `auth_rollout`, so that whom the flag reaches is whom the weight selects.
 */
const cohortCookies = (name: string | undefined, value: () => string, maxAgeSeconds: number): readonly CookieToSet[] =>
  name === undefined ? [] : [{ name, value: value(), path: '/', isReadable: false, maxAgeSeconds }];

/** Of a token that was signed a moment ago; verifying it now is what its first request would have done. */
const bucketIn = (tokens: AccessTokens, accessToken: string): string =>
  String(bucketOf(ROLLOUT_FLAG, tokens.verify(accessToken).sub));

const setCookies = (cookies: readonly CookieToSet[]) => ({ 'set-cookie': cookies.map(writeCookie) });

export interface BrowserDeps {
  readonly csrf: Csrf;
  readonly accessTokens: AccessTokens;
  readonly nowMs: () => number;
  /** COHORT_COOKIE. */
  readonly cohortCookie: string | undefined;
}

export const createBrowsers = ({ csrf, nowMs, accessTokens, cohortCookie }: BrowserDeps): Browsers => ({
  csrf,
  welcome: (request, { accessToken, refreshToken, expiresIn, sessionId, sessionExpiresAt }) => {
    const maxAgeSeconds = Math.max(1, Math.floor((Date.parse(sessionExpiresAt) - nowMs()) / 1000));
    const csrfToken = csrf.tokenFor(request, sessionId);
    return {
      status: 200,
      body: { tokenType: 'Cookie', expiresIn, sessionId, sessionExpiresAt, csrfToken },
      headers: setCookies([
        // As long as the session: the token in it ends sooner, and the answer then says that it has expired, not that there is none.
        { ...access, value: accessToken, maxAgeSeconds },
        { ...refresh, value: refreshToken, maxAgeSeconds },
        { ...csrfCookie, value: csrfToken, maxAgeSeconds },
        ...cohortCookies(cohortCookie, () => bucketIn(accessTokens, accessToken), maxAgeSeconds),
      ]),
    };
  },
  csrfReply: (request, { sessionId }) => {
    const csrfToken = csrf.tokenFor(request, sessionId);
    const cookie = { ...csrfCookie, value: csrfToken, maxAgeSeconds: Math.floor(ABSOLUTE_MS / 1000) };
    return { status: 200, body: { csrfToken }, headers: setCookies([cookie]) };
  },
  farewell: () => ({
    status: 204,
    headers: setCookies([
      ...[access, refresh, csrfCookie].map((cookie) => ({ ...cookie, value: '', maxAgeSeconds: 0 })),
      ...cohortCookies(cohortCookie, () => '', 0),
    ]),
  }),
});
