/**
 * Lets a request through when its bearer token is ours and its session is live. Called by routes/auth.ts for `validate`, `me`, `logout`.
 * passport-jwt is the Express adapter; its verifier is replaced by crypto/access-token.ts, since the one it brings accepts an unknown
 * `crit` header and costs 50 times the verification with text keys (docs/adr/0004-access-token.md).
 */
import type { Request, RequestHandler, Response } from 'express';
import passport from 'passport';
import passportJwt from 'passport-jwt';
import type { Liveness } from '../cache/liveness.ts';
import type { AccessClaims, AccessTokens } from '../crypto/access-token.ts';
import { AppError } from '../errors.ts';

type VerifierCallback = (error: unknown, claims?: AccessClaims) => void;

/** What passport-jwt calls in place of jsonwebtoken: `tokens` is what the strategy's secretOrKeyProvider handed out. */
const verifyWithOurs = (token: string, tokens: AccessTokens, _options: unknown, done: VerifierCallback): void => {
  let claims: AccessClaims;
  try {
    claims = tokens.verify(token);
  } catch (error) {
    return done(error);
  }
  done(null, claims);
};

// The static is passport-jwt's own hook for another verifier (lib/strategy.js); its types leave it out.
Object.assign(passportJwt.Strategy, { JwtVerifier: verifyWithOurs });

const claimsByResponse = new WeakMap<Response, AccessClaims>();

/** The claims of a request that `authenticate` let through. */
export const claimsOf = (response: Response): AccessClaims => {
  const claims = claimsByResponse.get(response);
  if (claims === undefined) throw new TypeError('the route is not behind authenticate()');
  return claims;
};

/** Passport's reasons to refuse: our own error, or its own for a missing token. */
const refusal = (reason: unknown): AppError =>
  reason instanceof AppError ? reason : new AppError('access-token-missing', { cause: reason });

/** @throws AppError `access-token-missing` | `access-token-invalid` | `access-token-expired` | `session-ended` | `database-unavailable` */
export const authenticate = (tokens: AccessTokens, liveness: Liveness): RequestHandler => {
  const authenticator = new passport.Passport();
  authenticator.use(
    new passportJwt.Strategy(
      {
        jwtFromRequest: passportJwt.ExtractJwt.fromAuthHeaderAsBearerToken(),
        // Not a key but our verifier, which knows its keys: it goes straight to verifyWithOurs. The types know only text keys.
        // oxlint-disable-next-line typescript/no-unsafe-type-assertion
        secretOrKeyProvider: (_request, _token, done) => done(null, tokens as unknown as Buffer),
      },
      (claims: AccessClaims, done) => done(null, claims),
    ),
  );
  const check = async (request: Request, response: Response): Promise<void> => {
    const claims = await claimsFrom(authenticator, request, response);
    if (!(await liveness.isLive(claims.sid, claims.tid))) throw new AppError('session-ended');
    claimsByResponse.set(response, claims);
  };
  return async (request, response, next) => {
    await check(request, response);
    next();
  };
};

/** Passport's callback as a promise: the claims, or the reason to refuse. */
const claimsFrom = (
  authenticator: passport.Authenticator,
  request: Request,
  response: Response,
): Promise<AccessClaims> =>
  new Promise((resolve, reject) => {
    const settle = (error: unknown, claims?: AccessClaims | false | null, reason?: unknown): void => {
      if (claims) resolve(claims);
      else reject(error instanceof Error ? error : refusal(reason));
    };
    const middleware: RequestHandler = authenticator.authenticate('jwt', { session: false }, settle);
    void middleware(request, response, reject);
  });
