/**
 * Lets a request through when its access token is ours and its session is live. Called by http/mount.ts for every endpoint that needs a session.
 * The token comes in the Authorization header, or else in a browser's cookie; a cookie is sent by the browser whoever asks, so an unsafe
 * method with one must show a CSRF token too (http/csrf.ts).
 * passport-jwt is the Express adapter; its verifier is replaced by crypto/access-token.ts, since the one it brings accepts an unknown
 * `crit` header and costs 50 times the verification with text keys (docs/adr/0004-access-token.md).
 */
import type { Request, RequestHandler, Response } from 'express';
import passport from 'passport';
import passportJwt from 'passport-jwt';
import type { Liveness } from '../cache/liveness.ts';
import { type AccessClaims, type AccessTokens, UnknownKeyError } from '../crypto/access-token.ts';
import { AppError } from '../errors.ts';
import { ACCESS_COOKIE, readCookie } from './cookies.ts';
import { type Csrf, isUnsafe } from './csrf.ts';

type VerifierCallback = (error: unknown, claims?: AccessClaims) => void;

/** What verifies: the tokens, and where to ask for a key that another pod may have heard of first. */
export interface TokenVerifier {
  readonly tokens: AccessTokens;
  /** True when the key is known now. */
  readonly lookForKey: (keyId: string) => Promise<boolean>;
}

/** What passport-jwt calls in place of jsonwebtoken: `verifier` is what the strategy's secretOrKeyProvider handed out. */
const verifyWithOurs = (token: string, verifier: TokenVerifier, _options: unknown, done: VerifierCallback): void => {
  let claims: AccessClaims;
  try {
    claims = verifier.tokens.verify(token);
  } catch (error) {
    const cause = error instanceof AppError ? error.cause : undefined;
    if (cause instanceof UnknownKeyError)
      void verifyAfterLooking(token, verifier, cause.keyId).then((found) => done(null, found), done);
    else done(error);
    return;
  }
  done(null, claims);
};

const verifyAfterLooking = async (
  token: string,
  { tokens, lookForKey }: TokenVerifier,
  keyId: string,
): Promise<AccessClaims> => {
  await lookForKey(keyId);
  return tokens.verify(token);
};

// The static is passport-jwt's own hook for another verifier (lib/strategy.js); its types leave it out.
Object.assign(passportJwt.Strategy, { JwtVerifier: verifyWithOurs });

/** Who calls: the claims of a verified token under the words that the services use. */
export interface Caller {
  readonly userId: string;
  readonly sessionId: string;
  readonly tenantId: string;
  /** When the access token ends. */
  readonly expiresAtMs: number;
}

const callersByResponse = new WeakMap<Response, Caller>();

/** The caller of a request that `requireSession` let through. */
export const callerOf = (response: Response): Caller => {
  const caller = callersByResponse.get(response);
  if (caller === undefined) throw new TypeError('the route is not behind requireSession');
  return caller;
};

/** The same where nobody may have been let through: for what is written down about a refusal. */
export const knownCallerOf = (response: Response): Caller | undefined => callersByResponse.get(response);

/** Passport's reasons to refuse: our own error, or its own for a missing token. */
const refusal = (reason: unknown): AppError =>
  reason instanceof AppError ? reason : new AppError('access-token-missing', { cause: reason });

/**
 * @throws AppError `access-token-missing` | `access-token-invalid` | `access-token-expired` | `session-ended` | `csrf-token-invalid` |
 *   `origin-not-allowed` | `database-unavailable`
 */
export type Identify = (request: Request, response: Response) => Promise<Caller>;

const fromHeader = passportJwt.ExtractJwt.fromAuthHeaderAsBearerToken();

/** The header first: who sends one means it, and needs no CSRF token. */
const tokenOf = (request: Request): string | null => fromHeader(request) ?? readCookie(request, ACCESS_COOKIE) ?? null;

export interface IdentifyDeps {
  readonly verifier: TokenVerifier;
  readonly liveness: Liveness;
  readonly csrf: Csrf;
  /** Hears of every request that a live session makes. */
  readonly onSeen: (sessionId: string, tenantId: string) => void;
}

/** Asks whose live session a request comes with. */
export const createIdentify = ({ verifier, liveness, csrf, onSeen }: IdentifyDeps): Identify => {
  const authenticator = new passport.Passport();
  authenticator.use(
    new passportJwt.Strategy(
      {
        jwtFromRequest: tokenOf,
        // Not a key but our verifier, which knows its keys: it goes straight to verifyWithOurs. The types know only text keys.
        // oxlint-disable-next-line typescript/no-unsafe-type-assertion
        secretOrKeyProvider: (_request, _token, done) => done(null, verifier as unknown as Buffer),
      },
      (claims: AccessClaims, done) => done(null, claims),
    ),
  );
  return async (request, response) => {
    const { sub, sid, tid, exp } = await claimsFrom(authenticator, request, response);
    if (isUnsafe(request.method) && fromHeader(request) === null) csrf.check(request, sid);
    if (!(await liveness.isLive(sid, tid))) throw new AppError('session-ended');
    onSeen(sid, tid);
    return { userId: sub, sessionId: sid, tenantId: tid, expiresAtMs: exp * 1000 };
  };
};

/** Lets live sessions through and leaves the caller where `callerOf` finds it. */
export const requireSession =
  (identify: Identify): RequestHandler =>
  async (request, response, next) => {
    callersByResponse.set(response, await identify(request, response));
    next();
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
