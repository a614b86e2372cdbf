/**
 * Proves once more who sits before a live session, for what asks for a recent login. Called by routes/login.ts. Its budgets belong to the
 * session: whoever stole one uses up only its own.
 */
import { refusalOf } from '../core/login.ts';
import type { Passwords } from '../crypto/passwords.ts';
import type { Database } from '../db/database.ts';
import { findLoginById, touchProof } from '../db/login.ts';
import { AppError } from '../errors.ts';
import type { Guessing } from './guessing.ts';
import type { Code, SecondFactor } from './second-factor.ts';
import type { SessionRef } from './sessions.ts';

export interface ReauthenticationDeps {
  readonly database: Database;
  readonly passwords: Passwords;
  readonly guessing: Guessing;
  readonly secondFactor: SecondFactor;
  readonly isVerificationRequired: boolean;
  readonly nowMs: () => number;
}

export class Reauthentication {
  readonly #deps: ReauthenticationDeps;

  constructor(deps: ReauthenticationDeps) {
    this.#deps = deps;
  }

  /**
   * The password, and the code where the account has a second factor; the session counts as recently proved from now on.
   * @throws AppError `invalid-credentials` | `mfa-code-wrong` | `session-ended` | `overloaded` | `database-unavailable`
   */
  async prove(
    who: SessionRef,
    { password, ...code }: Code & { readonly password: string },
    signal: AbortSignal,
  ): Promise<void> {
    const { database } = this.#deps;
    const hasSecondFactor = await this.#checkPassword(who, password, signal);
    const outcome = await database.inTenant(who.tenantId, async (tx) => {
      const payer = { kind: 'session', id: who.sessionId } as const;
      if (hasSecondFactor && !(await this.#deps.secondFactor.check(tx, { ...who, ...code, payer })))
        return 'wrong-code';
      return (await touchProof(tx, who.sessionId, this.#deps.nowMs())) ? 'proved' : 'ended';
    });
    if (outcome === 'wrong-code') throw new AppError('mfa-code-wrong');
    if (outcome === 'ended') throw new AppError('session-ended');
  }

  /** Whether a code is needed too. */
  async #checkPassword(who: SessionRef, password: string, signal: AbortSignal): Promise<boolean> {
    const { database, passwords, guessing } = this.#deps;
    const { account } = await database.inTenant(who.tenantId, (tx) => findLoginById(tx, who.userId));
    const attempt = { ...who, pool: 'password-session', subject: who.sessionId } as const;
    const proven = await guessing.guardAttempt(attempt, async () => {
      const isRight = await passwords.matches(password, account?.passwordHash, { signal });
      return refusalOf(account, isRight, this.#deps) === undefined ? account : undefined;
    });
    if (proven === undefined) throw new AppError('invalid-credentials');
    return proven.hasSecondFactor;
  }
}
