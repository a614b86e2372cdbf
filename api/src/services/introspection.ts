/** Says to another service whether an access token is good now, revocation included. Called by routes/introspection.ts. */
import type { Liveness } from '../cache/liveness.ts';
import { type AccessClaims, type AccessTokens, UnknownKeyError } from '../crypto/access-token.ts';
import { AppError } from '../errors.ts';

export interface IntrospectionDeps {
  readonly accessTokens: AccessTokens;
  readonly liveness: Liveness;
  /** Asks for a key that another pod may have heard of first; true when it is known now. */
  readonly keyRing: { lookFor(keyId: string): Promise<boolean> };
}

/** RFC 7662: what is not good is only not active; why is nobody's business. */
export type Introspection = { readonly active: false } | { readonly active: true; readonly claims: AccessClaims };

const INACTIVE: Introspection = { active: false };

export class TokenIntrospection {
  readonly #deps: IntrospectionDeps;

  constructor(deps: IntrospectionDeps) {
    this.#deps = deps;
  }

  /** @throws AppError `database-unavailable`: what cannot be known is neither active nor inactive */
  async introspect(token: string): Promise<Introspection> {
    const claims = await this.#verify(token);
    if (claims === undefined) return INACTIVE;
    return (await this.#deps.liveness.isLive(claims.sid, claims.tid)) ? { active: true, claims } : INACTIVE;
  }

  async #verify(token: string): Promise<AccessClaims | undefined> {
    const first = this.#tryToVerify(token);
    if (!(first instanceof UnknownKeyError)) return first;
    const second = (await this.#deps.keyRing.lookFor(first.keyId)) ? this.#tryToVerify(token) : first;
    return second instanceof UnknownKeyError ? undefined : second;
  }

  /** undefined for whatever is wrong with the token itself. */
  #tryToVerify(token: string): AccessClaims | UnknownKeyError | undefined {
    try {
      return this.#deps.accessTokens.verify(token);
    } catch (error) {
      return error instanceof AppError && error.cause instanceof UnknownKeyError ? error.cause : undefined;
    }
  }
}
