/** What a password must be before it is set, and the hash of one that is. Called by registration, change and reset; rules in core/password-policy.ts. */
import { contextOf, type PasswordProfile, passwordExpiryMs, passwordWeaknesses } from '../core/password-policy.ts';
import type { Passwords } from '../crypto/passwords.ts';
import { AppError } from '../errors.ts';

export interface NewPasswordDeps {
  readonly passwords: Passwords;
  readonly passwordPolicy: PasswordProfile;
}

export interface NewPassword {
  /** The field of the request that it came in. */
  readonly field: string;
  readonly text: string;
  readonly email: string;
}

const refuse = (field: string, message: string): AppError =>
  new AppError('invalid-request', { fields: [{ field, message }] });

export class NewPasswords {
  readonly #deps: NewPasswordDeps;

  constructor(deps: NewPasswordDeps) {
    this.#deps = deps;
  }

  /** @throws AppError `invalid-request` with what it lacks */
  judge({ field, text, email }: NewPassword): void {
    const lacks = passwordWeaknesses(text, { profile: this.#deps.passwordPolicy, context: contextOf(email) });
    if (lacks.length > 0) throw refuse(field, `must have ${lacks.join(', ')}`);
  }

  /** One hash after the other through the queue, so that nobody's history keeps others from logging in. @throws AppError `invalid-request` | `overloaded` */
  async refuseOld({ field, text }: NewPassword, older: readonly string[], signal?: AbortSignal): Promise<void> {
    for (const stored of older) {
      if (await this.#deps.passwords.matches(text, stored, { signal })) {
        throw refuse(field, 'must be none of your last passwords');
      }
    }
  }

  /** @throws AppError `overloaded` */
  hash(text: string, signal?: AbortSignal): Promise<string> {
    return this.#deps.passwords.hash(text, signal);
  }

  expiryMs(changedAtMs: number): number | undefined {
    return passwordExpiryMs(this.#deps.passwordPolicy, changedAtMs);
  }
}
