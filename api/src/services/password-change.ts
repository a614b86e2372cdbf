/** A new password for who knows the current one. Called by routes/passwords.ts; the rules against guessing are those of the login. */
import { stepAfterPassword } from '../core/login.ts';
import type { PasswordProfile } from '../core/password-policy.ts';
import type { Passwords } from '../crypto/passwords.ts';
import { type Credentials, findCredentials } from '../db/account-credentials.ts';
import type { Database } from '../db/database.ts';
import { AppError } from '../errors.ts';
import type { Guessing } from './guessing.ts';
import type { Login, Credentials as LoginCredentials } from './login.ts';
import type { PasswordWriting } from './password-writing.ts';
import type { SessionRef, Sessions } from './sessions.ts';

export interface PasswordChangeDeps {
  readonly database: Database;
  readonly passwords: Passwords;
  readonly guessing: Guessing;
  readonly writing: PasswordWriting;
  readonly sessions: Sessions;
  readonly login: Login;
  readonly passwordPolicy: PasswordProfile;
  readonly nowMs: () => number;
}

export interface PasswordChange {
  readonly currentPassword: string;
  readonly newPassword: string;
}

/** As at a login, since there is no session yet. */
export interface ExpiredChange extends PasswordChange, Omit<LoginCredentials, 'password'> {}

export class PasswordChanges {
  readonly #deps: PasswordChangeDeps;

  constructor(deps: PasswordChangeDeps) {
    this.#deps = deps;
  }

  /**
   * Ends every other session and renews this one under a new id.
   * @throws AppError `invalid-credentials` for a wrong current password | `invalid-request` for a weak or an old new one | `session-ended` |
   *   `conflict` | `overloaded` | `database-unavailable`
   */
  async change(who: SessionRef, { currentPassword, newPassword }: PasswordChange, signal: AbortSignal) {
    const { database, writing, sessions } = this.#deps;
    const { tenantId, userId, sessionId } = who;
    const account = await database.inTenant(tenantId, (tx) => findCredentials(tx, userId));
    if (account?.isUsable !== true) throw new AppError('session-ended');
    await this.#prove(who, account, { currentPassword, signal });
    const wish = { tenantId, account, newPassword };
    const passwordHash = await writing.prepare(wish, signal);
    const change = { ...wish, passwordHash, eventType: 'password_changed', exceptSessionId: sessionId } as const;
    const endings = await database.inTenant(tenantId, (tx) => writing.write(tx, change));
    await endings.announce();
    return sessions.renew(who);
  }

  /**
   * Only for a password that has expired: otherwise a password alone would change a password, past the second factor.
   * @throws AppError as {@link change}, and `password-not-expired` to who knows the password | `rate-limited`
   */
  async changeExpired({ currentPassword, newPassword, ...who }: ExpiredChange, signal: AbortSignal): Promise<void> {
    const { database, writing, login, passwordPolicy, nowMs } = this.#deps;
    const { account: proven, next } = await login.prove({ ...who, password: currentPassword }, signal, (_tx, account) =>
      Promise.resolve(stepAfterPassword(account, passwordPolicy, nowMs())),
    );
    if (next !== 'change-password') {
      throw new AppError('password-not-expired');
    }
    const { tenantId, userId } = proven;
    const account = await database.inTenant(tenantId, (tx) => findCredentials(tx, userId));
    if (account?.passwordHash !== proven.passwordHash) throw new AppError('conflict');
    const wish = { tenantId, account, newPassword };
    const passwordHash = await writing.prepare(wish, signal);
    const change = { ...wish, passwordHash, eventType: 'password_changed' } as const;
    const endings = await database.inTenant(tenantId, (tx) => writing.write(tx, change));
    await endings.announce();
  }

  async #prove(
    { tenantId, userId, sessionId }: SessionRef,
    account: Credentials,
    { currentPassword, signal }: { readonly currentPassword: string; readonly signal: AbortSignal },
  ): Promise<void> {
    const { guessing, passwords } = this.#deps;
    const attempt = { tenantId, pool: 'password-session', subject: sessionId, userId } as const;
    const isRight = await guessing.guardAttempt(attempt, async () =>
      (await passwords.matches(currentPassword, account.passwordHash, { signal })) ? true : undefined,
    );
    if (isRight !== true) throw new AppError('invalid-credentials');
  }
}
