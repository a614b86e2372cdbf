/** Registration, login, refresh, logout, and the two hot reads. Mounted by app.ts through http/mount.ts. */
import { z } from 'zod';
import { type Endpoint, endpoint } from '../http/endpoint.ts';
import type { Accounts } from '../services/accounts.ts';
import type { Sessions } from '../services/sessions.ts';
import { email, isoTime, newPassword, opaqueToken, password, personName } from './fields.ts';

export interface AuthRouteDeps {
  readonly accounts: Accounts;
  readonly sessions: Sessions;
}

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
export const hotEndpoints = ({ accounts }: AuthRouteDeps): readonly Endpoint[] => [
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
      answers: { 200: { description: 'Account and session', schema: profile } },
    },
    async ({ who }) => ({
      status: 200,
      body: await accounts.profile(who),
    }),
  ),
];

const register = ({ accounts }: AuthRouteDeps): Endpoint =>
  endpoint(
    {
      method: 'post',
      path: '/api/v1/auth/register',
      aliases: ['/api/auth/register'],
      tag: 'Accounts',
      summary: 'Open an account',
      access: 'public',
      limit: 'registration',
      body: z.strictObject({
        email,
        password: newPassword,
        firstName: personName.optional(),
        lastName: personName.optional(),
      }),
      answers: {
        201: {
          description: 'The account is open',
          schema: z.object({ user: z.object({ id: z.uuid(), email: z.string() }) }),
        },
      },
      problems: ['email-taken', 'overloaded'],
    },
    async ({ body, signal }) => ({ status: 201, body: { user: await accounts.register(body, signal) } }),
  );

const login = ({ accounts }: AuthRouteDeps): Endpoint =>
  endpoint(
    {
      method: 'post',
      path: '/api/v1/auth/login',
      aliases: ['/api/auth/login'],
      tag: 'Sessions',
      summary: 'Log in with a password',
      access: 'public',
      takesCredential: true,
      limit: 'login',
      body: z.strictObject({ email, password }),
      answers: { 200: { description: 'A new session', schema: tokenPair } },
      problems: ['invalid-credentials', 'overloaded'],
    },
    async ({ body, origin, signal }) => ({ status: 200, body: await accounts.login({ ...body, origin }, signal) }),
  );

const refresh = ({ sessions }: AuthRouteDeps): Endpoint =>
  endpoint(
    {
      method: 'post',
      path: '/api/v1/auth/refresh',
      aliases: ['/api/auth/refresh'],
      tag: 'Sessions',
      summary: 'Exchange a refresh token for the next pair',
      access: 'public',
      takesCredential: true,
      body: z.strictObject({ refreshToken: opaqueToken }),
      answers: { 200: { description: 'The next pair; the same one for a retry within 30 s', schema: tokenPair } },
      problems: ['refresh-token-invalid', 'refresh-token-replayed', 'session-ended', 'session-unknown'],
    },
    async ({ body }) => ({ status: 200, body: await sessions.refresh(body.refreshToken) }),
  );

/** By refresh token where there is one, since the access token may have expired: so the handler asks who it is. */
const logout = ({ sessions }: AuthRouteDeps): Endpoint =>
  endpoint(
    {
      method: 'post',
      path: '/api/v1/auth/logout',
      aliases: ['/api/auth/logout'],
      tag: 'Sessions',
      summary: 'End the session of the bearer token, or of the refresh token in the body',
      access: 'public',
      body: z.strictObject({ refreshToken: opaqueToken.optional() }).optional(),
      answers: { 204: { description: 'The session has ended' } },
      problems: [
        'refresh-token-invalid',
        'access-token-missing',
        'access-token-invalid',
        'access-token-expired',
        'session-ended',
      ],
    },
    async ({ body, identify }) => {
      if (body?.refreshToken !== undefined) await sessions.endByRefreshToken(body.refreshToken);
      else await sessions.end(await identify());
      return { status: 204 };
    },
  );

export const authEndpoints = (deps: AuthRouteDeps): readonly Endpoint[] => [
  register(deps),
  login(deps),
  refresh(deps),
  logout(deps),
];
