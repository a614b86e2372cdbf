/**
 * Lets a request through when its access token is ours and its session is live. Called by http/mount.ts for every endpoint that needs a session.
 * The token comes in the Authorization header, or else in a browser's cookie; a cookie is sent by the browser whoever asks, so an unsafe
 * method with one must show a CSRF token too (http/csrf.ts).
 * passport-jwt is the Express adapter; its verifier is replaced by crypto/access-token.ts, since the one it brings accepts an unknown
 * `crit` header and costs 50 times the verification with text keys (docs/adr/0004-access-token.md).
 */
import type { Request, RequestHandler, Response } from 'express';
import passportJwt from 'passport-jwt';
import type { Liveness } from '../cache/liveness.ts';
import { type AccessClaims, type AccessTokens, UnknownKeyError } from '../crypto/access-token.ts';
import { AppError } from '../errors.ts';
import { ACCESS_COOKIE, readCookie } from './cookies.ts';
import { type Csrf, isUnsafe } from './csrf.ts';
import { localsOf } from './locals.ts';

type VerifierCallback = (error: unknown, claims?: AccessClaims) => void;

/** What verifies: the tokens, and where to ask for a key that another pod may have heard of first. */
export interface TokenVerifier {
  readonly tokens: AccessTokens;
  /** True when the key is known now. */
  readonly lookForKey: (keyId: string) => Promise<boolean>;
}

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

/** Who calls: the claims of a verified token under the words that the services use. */
export interface Caller {
  readonly userId: string;
  readonly sessionId: string;
  readonly tenantId: string;
  /** When the access token ends. */
  readonly expiresAtMs: number;
}

/** The caller of a request that `requireSession` let through. */
export const callerOf = (response: Response): Caller => {
  const { caller } = localsOf(response);
  if (caller === undefined) throw new TypeError('the route is not behind requireSession');
  return caller;
};

/** The same where nobody may have been let through: for what is written down about a refusal. */
export const knownCallerOf = (response: Response): Caller | undefined => localsOf(response).caller;

/** Passport's reasons to refuse: our own error, or its own for a missing token. */
const refusal = (reason: unknown): AppError =>
  reason instanceof AppError ? reason : new AppError('access-token-missing', { cause: reason });

/**
 * @throws AppError `access-token-missing` | `access-token-invalid` | `access-token-expired` | `session-ended` | `csrf-token-invalid` |
 *   `origin-not-allowed` | `database-unavailable`
 */
export type Identify = (request: Request) => Caller | Promise<Caller>;

const BEARER = /^bearer +(\S+)$/i;

/** passport-jwt's own extractor takes the second word and overlooks what follows it. */
const fromHeader = ({ headers }: Request): string | null => BEARER.exec(headers.authorization ?? '')?.[1] ?? null;

/** The header first: who sends one means it, and needs no CSRF token. */
const tokenOf = (request: Request): string | null => fromHeader(request) ?? readCookie(request, ACCESS_COOKIE) ?? null;

export interface IdentifyDeps {
  readonly verifier: TokenVerifier;
  readonly liveness: Liveness;
  readonly csrf: Csrf;
  /** Hears of every request that a live session makes. */
  readonly onSeen: (sessionId: string, tenantId: string) => void;
}

/**
 * passport-jwt as a plain question. It answers by calling success, fail or error on itself, and nothing on its way is asynchronous, so one
 * strategy with one place for the outcome serves every request. Passport would make a strategy, a middleware and six methods on the request
 * for each of them (docs/adr/0011-hot-paths.md).
 */
class TokenQuestion extends passportJwt.Strategy {
  #outcome: AccessClaims | AppError | undefined;

  constructor(tokens: AccessTokens) {
    super(
      {
        jwtFromRequest: tokenOf,
        // Not a key but our verifier, which knows its keys: it goes straight to verifyWithOurs. The types know only text keys.
        // oxlint-disable-next-line typescript/no-unsafe-type-assertion
        secretOrKeyProvider: (_request, _token, done) => done(null, tokens as unknown as Buffer),
      },
      (claims: AccessClaims, done) => done(null, claims),
    );
  }

  /** @throws AppError `access-token-missing` | `access-token-invalid` | `access-token-expired` */
  ask(request: Request): AccessClaims {
    this.authenticate(request);
    // Should it ever leave the question open, there is no caller.
    const outcome = this.#takeOutcome() ?? new AppError('access-token-missing');
    if (outcome instanceof AppError) throw outcome;
    return outcome;
  }

  #takeOutcome(): AccessClaims | AppError | undefined {
    const outcome = this.#outcome;
    this.#outcome = undefined;
    return outcome;
  }

  override success(claims: AccessClaims): void {
    this.#outcome = claims;
  }

  override fail(reason: unknown): void {
    this.#outcome = refusal(reason);
  }

  static {
    // What goes wrong on the way is a refusal too. One method under two names of one class: `this` is what it is called on.
    // oxlint-disable-next-line typescript/unbound-method
    this.prototype.error = this.prototype.fail;
  }
}

/** The key of a token that was refused for nothing but a key that this process has not heard of. */
const unknownKeyOf = (refused: unknown): string | undefined =>
  refused instanceof AppError && refused.cause instanceof UnknownKeyError ? refused.cause.keyId : undefined;

/** Asks whose live session a request comes with; at once where this process knows, as it does for most requests. */
export const createIdentify = ({ verifier, liveness, csrf, onSeen }: IdentifyDeps): Identify => {
  const question = new TokenQuestion(verifier.tokens);

  const callerIf = (isLive: boolean, { sub, sid, tid, exp }: AccessClaims): Caller => {
    if (!isLive) throw new AppError('session-ended');
    onSeen(sid, tid);
    return { userId: sub, sessionId: sid, tenantId: tid, expiresAtMs: exp * 1000 };
  };

  const identify: Identify = (request) => {
    const claims = question.ask(request);
    if (isUnsafe(request.method) && fromHeader(request) === null) csrf.check(request, claims.sid);
    const verdict = liveness.isLive(claims.sid, claims.tid);
    return typeof verdict === 'boolean'
      ? callerIf(verdict, claims)
      : verdict.then((isLive) => callerIf(isLive, claims));
  };

  return (request) => {
    try {
      return identify(request);
    } catch (error) {
      const keyId = unknownKeyOf(error);
      if (keyId === undefined) throw error;
      return verifier.lookForKey(keyId).then(() => identify(request));
    }
  };
};

/** Lets live sessions through and leaves the caller where `callerOf` finds it. */
export const requireSession =
  (identify: Identify): RequestHandler =>
  (request, response, next) => {
    const pass = (caller: Caller): void => {
      localsOf(response).caller = caller;
      next();
    };
    const found = identify(request);
    return found instanceof Promise ? found.then(pass) : pass(found);
  };
