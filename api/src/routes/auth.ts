/** Refresh, logout, and the two hot reads. Mounted by app.ts through http/mount.ts. */
import { z } from 'zod';
import { AppError } from '../errors.ts';
import { type Browsers, browserSession } from '../http/browsers.ts';
import { ACCESS_COOKIE, REFRESH_COOKIE, readCookie } from '../http/cookies.ts';
import { type Endpoint, endpoint } from '../http/endpoint.ts';
import type { Profiles } from '../services/profile.ts';
import type { Sessions } from '../services/sessions.ts';
import { isoTime, opaqueToken } from './fields.ts';

export interface AuthRouteDeps {
  readonly profiles: Profiles;
  readonly sessions: Sessions;
  readonly browsers: Browsers;
}

/** What the client of a new session is: a browser gets cookies instead of tokens. */
export const clientKind = z.enum(['bearer', 'browser']).default('bearer');

export const tokenPair = z
  .object({
    tokenType: z.literal('Bearer'),
    accessToken: z.string(),
    expiresIn: z.int(),
    refreshToken: z.string(),
    sessionId: z.uuid(),
    sessionExpiresAt: isoTime,
  })
  .meta({ id: 'TokenPair' });

/** Tokens for a bearer client, cookies for a browser. */
export const startedSession = z.union([tokenPair, browserSession]);

const validity = z
  .object({
    valid: z.literal(true),
    userId: z.uuid(),
    sessionId: z.uuid(),
    organizationId: z.uuid(),
    expiresAt: isoTime,
  })
  .meta({ id: 'Validity' });

const profile = z
  .object({
    user: z.object({
      id: z.uuid(),
      email: z.string(),
      emailVerified: z.boolean(),
      firstName: z.string().nullable(),
      lastName: z.string().nullable(),
      displayName: z.string(),
      roles: z.array(z.string()),
      permissions: z.array(z.string()),
    }),
    session: z.object({ id: z.uuid(), expiresAt: isoTime, absoluteExpiresAt: isoTime }),
  })
  .meta({ id: 'Profile' });

/** Everything here comes out of the token: no query. */
const validate = (method: 'get' | 'post'): Endpoint =>
  endpoint(
    {
      method,
      path: '/api/v1/auth/validate',
      aliases: ['/api/auth/validate'],
      tag: 'Sessions',
      summary: 'Say whose session an access token belongs to',
      access: 'session',
      openDuring: ['maintenance'],
      answers: { 200: { description: 'The token is good and its session is live', schema: validity } },
    },
    ({ who }) => ({
      status: 200,
      body: {
        valid: true,
        userId: who.userId,
        sessionId: who.sessionId,
        organizationId: who.tenantId,
        expiresAt: new Date(who.expiresAtMs).toISOString(),
      },
    }),
  );

/** Most of the traffic, without a body: app.ts mounts them first. */
export const hotEndpoints = ({ profiles }: AuthRouteDeps): readonly Endpoint[] => [
  validate('get'),
  validate('post'),
  endpoint(
    {
      method: 'get',
      path: '/api/v1/auth/me',
      aliases: ['/api/auth/me', '/api/users/profile'],
      tag: 'Sessions',
      summary: 'Show the account and the session of an access token',
      access: 'session',
      openDuring: ['maintenance'],
      answers: { 200: { description: 'Account and session', schema: profile } },
    },
    async ({ who }) => ({
      status: 200,
      json: await profiles.me(who),
    }),
  ),
];

const noRefreshToken = (): AppError =>
  new AppError('invalid-request', { fields: [{ field: 'refreshToken', message: 'is missing, and so is its cookie' }] });

const refresh = ({ sessions, browsers }: AuthRouteDeps): Endpoint =>
  endpoint(
    {
      method: 'post',
      path: '/api/v1/auth/refresh',
      aliases: ['/api/auth/refresh'],
      tag: 'Sessions',
      summary: "Exchange a refresh token, from the body or a browser's cookie, for the next pair",
      access: 'public',
      openDuring: ['maintenance'],
      takesCredential: true,
      body: z.strictObject({ refreshToken: opaqueToken.optional() }).optional(),
      answers: { 200: { description: 'The next pair; the same one for a retry within 30 s', schema: startedSession } },
      problems: [
        'refresh-token-invalid',
        'refresh-token-replayed',
        'session-ended',
        'session-unknown',
        'csrf-token-invalid',
        'origin-not-allowed',
      ],
    },
    async ({ body, request, origin }) => {
      if (body?.refreshToken !== undefined)
        return { status: 200, body: await sessions.refresh(body.refreshToken, origin) };
      const token = readCookie(request, REFRESH_COOKIE);
      if (token === undefined) throw noRefreshToken();
      browsers.csrf.check(request, sessions.sessionIdOf(token));
      return browsers.welcome(request, await sessions.refresh(token, origin));
    },
  );

/** By refresh token where there is one, since the access token may have expired: so the handler asks who it is. */
const logout = ({ sessions, browsers }: AuthRouteDeps): Endpoint =>
  endpoint(
    {
      method: 'post',
      path: '/api/v1/auth/logout',
      aliases: ['/api/auth/logout'],
      tag: 'Sessions',
      summary: 'End the session of the access token, or of the refresh token in the body or cookie',
      access: 'public',
      openDuring: ['maintenance', 'auth-disabled'],
      body: z.strictObject({ refreshToken: opaqueToken.optional() }).optional(),
      answers: { 204: { description: 'The session has ended; cookies are taken away' } },
      problems: [
        'refresh-token-invalid',
        'access-token-missing',
        'access-token-invalid',
        'access-token-expired',
        'session-ended',
        'csrf-token-invalid',
        'origin-not-allowed',
      ],
    },
    async ({ body, identify, request }) => {
      if (body?.refreshToken !== undefined) {
        await sessions.endByRefreshToken(body.refreshToken);
        return { status: 204 };
      }
      const isBrowser = request.headers.authorization === undefined && readCookie(request, ACCESS_COOKIE) !== undefined;
      const cookie = isBrowser ? readCookie(request, REFRESH_COOKIE) : undefined;
      if (cookie === undefined) {
        await sessions.end(await identify());
        return isBrowser ? browsers.farewell() : { status: 204 };
      }
      browsers.csrf.check(request, sessions.sessionIdOf(cookie));
      await sessions.endByRefreshToken(cookie);
      return browsers.farewell();
    },
  );

export const authEndpoints = (deps: AuthRouteDeps): readonly Endpoint[] => [refresh(deps), logout(deps)];
