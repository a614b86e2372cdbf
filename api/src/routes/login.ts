/** Login, its second step, and the proof that a live session asks for again. Listed by routes/all.ts. */
import type { Request } from 'express';
import { z } from 'zod';
import { DEVICE_TRUST_SECONDS } from '../crypto/device-token.ts';
import { type Browsers, browserSession } from '../http/browsers.ts';
import { readCookie, writeCookie } from '../http/cookies.ts';
import { type Endpoint, endpoint, type Reply } from '../http/endpoint.ts';
import type { Login, SecondFactorNeeded, StartedSession } from '../services/login.ts';
import type { Reauthentication } from '../services/reauthentication.ts';
import type { SecondFactor } from '../services/second-factor.ts';
import { clientKind, tokenPair } from './auth.ts';
import { backupCode, email, exactlyOneCode, opaqueToken, password, totpCode } from './fields.ts';

export interface LoginRouteDeps {
  readonly login: Login;
  readonly secondFactor: SecondFactor;
  readonly reauthentication: Reauthentication;
  readonly browsers: Browsers;
}

/** Lets nobody in: it only says that this account has logged in here before (crypto/device-token.ts). */
export const DEVICE_COOKIE = '__Host-latchkey-device';

const loginTokens = tokenPair
  .extend({ deviceToken: z.string() })
  .meta({ id: 'LoginTokens', description: 'Keep `deviceToken` and send it with the next login from this client' });

/** Tokens for a bearer client; cookies for a browser, one of them for the device. */
const loggedIn = z.union([loginTokens, browserSession]);

const mfaNeeded = z
  .object({
    mfaRequired: z.literal(true),
    mfaToken: z.string(),
    expiresIn: z.int(),
    methods: z.array(z.enum(['totp', 'backup-code'])),
  })
  .meta({ id: 'SecondFactorNeeded' });

const deviceCookie = (value: string): string =>
  writeCookie({ name: DEVICE_COOKIE, value, path: '/', isReadable: false, maxAgeSeconds: DEVICE_TRUST_SECONDS });

const askForCode = ({ mfaToken, expiresIn }: SecondFactorNeeded): Reply => ({
  status: 200,
  body: { mfaRequired: true, mfaToken, expiresIn, methods: ['totp', 'backup-code'] },
});

/** What a started session looks like to its client. */
const welcome = (
  { pair, deviceToken }: StartedSession,
  {
    client,
    request,
    browsers,
  }: { readonly client: 'bearer' | 'browser'; readonly request: Request; readonly browsers: Browsers },
): Reply => {
  if (client === 'bearer') return { status: 200, body: { ...pair, deviceToken } };
  const reply = browsers.welcome(request, pair);
  return {
    ...reply,
    headers: {
      ...reply.headers,
      'set-cookie': [reply.headers?.['set-cookie'] ?? [], deviceCookie(deviceToken)].flat(),
    },
  };
};

const passwordStep = ({ login, browsers }: LoginRouteDeps): Endpoint =>
  endpoint(
    {
      method: 'post',
      path: '/api/v1/auth/login',
      aliases: ['/api/auth/login'],
      tag: 'Login',
      summary: 'Log in with a password',
      access: 'public',
      takesCredential: true,
      hashesPassword: true,
      limit: 'login',
      body: z.strictObject({ email, password, client: clientKind, deviceToken: opaqueToken.optional() }),
      answers: {
        200: { description: 'A new session, or what the second step needs', schema: z.union([loggedIn, mfaNeeded]) },
      },
      problems: ['invalid-credentials', 'password-change-needed', 'rate-limited', 'overloaded', 'origin-not-allowed'],
    },
    async ({ body, origin, signal, request }) => {
      if (body.client === 'browser') browsers.csrf.checkOrigin(request);
      const deviceToken = body.deviceToken ?? readCookie(request, DEVICE_COOKIE);
      const outcome = await login.login({ ...body, deviceToken, origin }, signal);
      return outcome.kind === 'second-factor' ? askForCode(outcome) : welcome(outcome, { ...body, request, browsers });
    },
  );

const codeStep = ({ secondFactor, browsers }: LoginRouteDeps): Endpoint =>
  endpoint(
    {
      method: 'post',
      path: '/api/v1/auth/login/mfa',
      tag: 'Login',
      summary: 'End a login with the code of an authenticator app, or a backup code',
      access: 'public',
      takesCredential: true,
      limit: 'login',
      body: exactlyOneCode({
        mfaToken: opaqueToken,
        client: clientKind,
        code: totpCode.optional(),
        backupCode: backupCode.optional(),
      }),
      answers: { 200: { description: 'A new session', schema: loggedIn } },
      problems: ['mfa-token-invalid', 'mfa-code-wrong', 'invalid-credentials', 'origin-not-allowed'],
    },
    async ({ body, origin, request }) => {
      if (body.client === 'browser') browsers.csrf.checkOrigin(request);
      return welcome(await secondFactor.finishLogin({ ...body, origin }), { ...body, request, browsers });
    },
  );

const reauthenticate = ({ reauthentication }: LoginRouteDeps): Endpoint =>
  endpoint(
    {
      method: 'post',
      path: '/api/v1/auth/reauthenticate',
      tag: 'Login',
      summary: 'Prove the account of a live session again, for what asks for a recent login',
      access: 'session',
      takesCredential: true,
      hashesPassword: true,
      limit: 'login',
      body: z.strictObject({ password, code: totpCode.optional(), backupCode: backupCode.optional() }),
      answers: { 204: { description: 'The session has proved itself just now' } },
      problems: ['invalid-credentials', 'mfa-code-wrong', 'session-ended', 'overloaded'],
    },
    async ({ who, body, signal }) => {
      await reauthentication.prove(who, body, signal);
      return { status: 204 };
    },
  );

export const loginRoutes = (deps: LoginRouteDeps): readonly Endpoint[] => [
  passwordStep(deps),
  codeStep(deps),
  reauthenticate(deps),
];
