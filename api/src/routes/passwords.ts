/** Changing a password, in a session, after it expired, and after it was forgotten. Listed by routes/all.ts. */
import { z } from 'zod';
import type { Browsers } from '../http/browsers.ts';
import { readCookie } from '../http/cookies.ts';
import { type Endpoint, endpoint } from '../http/endpoint.ts';
import type { PasswordChanges } from '../services/password-change.ts';
import type { PasswordResets } from '../services/password-reset.ts';
import { MAIL_IS_COMING, mailIsComing } from './accounts.ts';
import { startedSession } from './auth.ts';
import { email, opaqueToken, password } from './fields.ts';
import { DEVICE_COOKIE } from './login.ts';

export interface PasswordRouteDeps {
  readonly passwordChanges: PasswordChanges;
  readonly passwordResets: PasswordResets;
  readonly browsers: Browsers;
}

const change = ({ passwordChanges, browsers }: PasswordRouteDeps): Endpoint =>
  endpoint(
    {
      method: 'post',
      path: '/api/v1/auth/password',
      tag: 'Passwords',
      summary: 'Change the password of the session’s account',
      access: 'session',
      takesCredential: true,
      limit: 'login',
      body: z.strictObject({ currentPassword: password, newPassword: password }),
      answers: {
        200: { description: 'Changed: every other session has ended, this one has a new id', schema: startedSession },
      },
      problems: ['invalid-credentials', 'session-ended', 'conflict', 'overloaded'],
    },
    async ({ who, body, signal, request }) => {
      const pair = await passwordChanges.change(who, body, signal);
      return request.get('authorization') === undefined ? browsers.welcome(request, pair) : { status: 200, body: pair };
    },
  );

const changeExpired = ({ passwordChanges }: PasswordRouteDeps): Endpoint =>
  endpoint(
    {
      method: 'post',
      path: '/api/v1/auth/password/expired',
      tag: 'Passwords',
      summary: 'Change a password that has expired, then log in with the new one',
      access: 'public',
      takesCredential: true,
      limit: 'login',
      body: z.strictObject({
        email,
        currentPassword: password,
        newPassword: password,
        deviceToken: opaqueToken.optional(),
      }),
      answers: { 204: { description: 'Changed: every session has ended' } },
      problems: ['invalid-credentials', 'password-not-expired', 'conflict', 'overloaded'],
    },
    async ({ body, origin, signal, request }) => {
      const deviceToken = body.deviceToken ?? readCookie(request, DEVICE_COOKIE);
      await passwordChanges.changeExpired({ ...body, deviceToken, origin }, signal);
      return { status: 204 };
    },
  );

const forgot = ({ passwordResets }: PasswordRouteDeps): Endpoint =>
  endpoint(
    {
      method: 'post',
      path: '/api/v1/auth/forgot-password',
      aliases: ['/api/auth/forgot-password'],
      tag: 'Passwords',
      summary: 'Send a link that sets a new password',
      access: 'public',
      limit: 'reset',
      body: z.strictObject({ email }),
      answers: { 202: { description: 'The same answer for every address', schema: mailIsComing } },
    },
    async ({ body }) => {
      await passwordResets.request(body.email);
      return { status: 202, body: MAIL_IS_COMING };
    },
  );

const reset = ({ passwordResets }: PasswordRouteDeps): Endpoint =>
  endpoint(
    {
      method: 'post',
      path: '/api/v1/auth/reset-password',
      aliases: ['/api/auth/reset-password'],
      tag: 'Passwords',
      summary: 'Set a new password with the token of the mail',
      access: 'public',
      takesCredential: true,
      limit: 'reset',
      body: z.strictObject({ token: opaqueToken, newPassword: password }),
      answers: { 204: { description: 'Set: every session has ended; a second factor stays' } },
      problems: ['link-invalid', 'conflict', 'overloaded'],
    },
    async ({ body, signal }) => {
      await passwordResets.reset(body, signal);
      return { status: 204 };
    },
  );

export const passwordRoutes = (deps: PasswordRouteDeps): readonly Endpoint[] => [
  change(deps),
  changeExpired(deps),
  forgot(deps),
  reset(deps),
];
