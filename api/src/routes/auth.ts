/**
 * The endpoints under /api/v1/auth: parse with zod, call one service, answer. Mounted by app.ts in two halves: `hotRoutes` before any body
 * parsing, since `validate` and `me` are most of the traffic and have no body, and `authRoutes` behind it.
 */
import { type Request, type Response, Router } from 'express';
import { z } from 'zod';
import type { Liveness } from '../cache/liveness.ts';
import { MAX_PASSWORD_LENGTH, passwordWeaknesses } from '../core/password-policy.ts';
import type { AccessTokens } from '../crypto/access-token.ts';
import type { Origin } from '../db/sessions.ts';
import { authenticate, claimsOf } from '../http/authenticate.ts';
import { clientAddress } from '../http/client-address.ts';
import { jsonBody } from '../http/json-body.ts';
import type { Accounts } from '../services/accounts.ts';
import type { Sessions } from '../services/sessions.ts';

export interface AuthRouteDeps {
  readonly accounts: Accounts;
  readonly sessions: Sessions;
  readonly accessTokens: AccessTokens;
  readonly liveness: Liveness;
}

/** Path and methods of every endpoint here: the metric labels and the `Allow` header come from it. */
export const AUTH_METHODS: ReadonlyMap<string, readonly string[]> = new Map([
  ['/api/v1/auth/register', ['POST']],
  ['/api/v1/auth/login', ['POST']],
  ['/api/v1/auth/refresh', ['POST']],
  ['/api/v1/auth/logout', ['POST']],
  ['/api/v1/auth/validate', ['GET', 'POST']],
  ['/api/v1/auth/me', ['GET']],
]);

/** Normalised before it is judged: a check of what is not stored is no check (Auth.js GHSA-7rqj-j65f-68wh). */
const email = z
  .string()
  .max(254)
  .transform((text) => text.normalize('NFKC').trim().toLowerCase())
  .pipe(z.email('must be an e-mail address').max(254));

const newPassword = z.string().superRefine((password, context) => {
  const lacks = passwordWeaknesses(password);
  if (lacks.length > 0) context.addIssue({ code: 'custom', message: `must have ${lacks.join(', ')}` });
});

// PostgreSQL cannot store NUL, and nobody's name has control characters.
const personName = z
  .string()
  .trim()
  .min(1)
  .max(100)
  .regex(/^\P{Cc}+$/u, 'must have no control characters');

const registerBody = z.strictObject({
  email,
  password: newPassword,
  firstName: personName.optional(),
  lastName: personName.optional(),
});
const loginBody = z.strictObject({ email, password: z.string().min(1).max(MAX_PASSWORD_LENGTH) });
const refreshBody = z.strictObject({ refreshToken: z.string().min(1).max(512) });
const logoutBody = z.strictObject({ refreshToken: z.string().min(1).max(512).optional() }).optional();

/** Ends when the client goes away: who is gone need not be hashed for. */
const untilClosed = (response: Response): AbortSignal => {
  const controller = new AbortController();
  response.once('close', () => controller.abort());
  return controller.signal;
};

const originOf = (request: Request): Origin => ({
  ip: clientAddress(request),
  userAgent: request.get('user-agent')?.slice(0, 512),
});

/** Everything here comes out of the token: no query. */
const validate = (_request: Request, response: Response): void => {
  const { sub, sid, tid, exp } = claimsOf(response);
  response.json({
    valid: true,
    userId: sub,
    sessionId: sid,
    organizationId: tid,
    expiresAt: new Date(exp * 1000).toISOString(),
  });
};

export const hotRoutes = ({ accounts, accessTokens, liveness }: AuthRouteDeps): Router => {
  const onlyLive = authenticate(accessTokens, liveness);
  return Router()
    .get('/api/v1/auth/validate', onlyLive, validate)
    .post('/api/v1/auth/validate', onlyLive, validate)
    .get('/api/v1/auth/me', onlyLive, async (_request, response) => {
      const { sub, sid, tid } = claimsOf(response);
      response.json(await accounts.profile({ userId: sub, sessionId: sid, tenantId: tid }));
    });
};

export const authRoutes = ({ accounts, sessions, accessTokens, liveness }: AuthRouteDeps): Router => {
  const onlyLive = authenticate(accessTokens, liveness);
  return Router()
    .post('/api/v1/auth/register', ...jsonBody, async (request, response) => {
      const registration = registerBody.parse(request.body);
      response.status(201).json({ user: await accounts.register(registration, untilClosed(response)) });
    })
    .post('/api/v1/auth/login', ...jsonBody, async (request, response) => {
      const credentials = loginBody.parse(request.body);
      response.json(await accounts.login({ ...credentials, origin: originOf(request) }, untilClosed(response)));
    })
    .post('/api/v1/auth/refresh', ...jsonBody, async (request, response) => {
      const { refreshToken } = refreshBody.parse(request.body);
      response.json(await sessions.refresh(refreshToken));
    })
    .post('/api/v1/auth/logout', ...jsonBody, async (request, response, next) => {
      const refreshToken = logoutBody.parse(request.body)?.refreshToken;
      if (refreshToken === undefined) return next(); // then the access token says which session
      await sessions.endByRefreshToken(refreshToken);
      response.status(204).end();
    })
    .post('/api/v1/auth/logout', onlyLive, async (_request, response) => {
      const { sub, sid, tid } = claimsOf(response);
      await sessions.end({ userId: sub, sessionId: sid, tenantId: tid });
      response.status(204).end();
    });
};
