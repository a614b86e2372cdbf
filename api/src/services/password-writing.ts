/**
 * Sets an account's password, with everything that follows from it in the same transaction: history, ended sessions, dead links, audit event,
 * mail. Called by services/password-change.ts and password-reset.ts, which have found out by then that they may.
 */
import { type Credentials, findPasswordHistory, replacePassword } from '../db/account-credentials.ts';
import { type AuditEventType, appendAudit } from '../db/audit.ts';
import type { Database, Transaction } from '../db/database.ts';
import { AppError } from '../errors.ts';
import { clearBudgets } from './guessing.ts';
import type { EnqueueMail } from './mail-outbox.ts';
import type { NewPasswords } from './new-passwords.ts';
import { endOneTimeTokens } from './one-time-tokens.ts';
import type { Endings, Sessions } from './sessions.ts';

export interface PasswordWritingDeps {
  readonly database: Database;
  readonly sessions: Sessions;
  readonly newPasswords: NewPasswords;
  readonly enqueueMail: EnqueueMail;
  readonly nowMs: () => number;
}

export interface PasswordWish {
  readonly tenantId: string;
  readonly account: Credentials;
  readonly newPassword: string;
}

export interface PasswordWrite extends PasswordWish {
  readonly passwordHash: string;
  readonly eventType: Extract<AuditEventType, 'password_changed' | 'password_reset'>;
  readonly exceptSessionId?: string;
}

export class PasswordWriting {
  readonly #deps: PasswordWritingDeps;

  constructor(deps: PasswordWritingDeps) {
    this.#deps = deps;
  }

  /**
   * Judges the new password and hashes it: the dear part, with no connection held.
   * @throws AppError `invalid-request` for a weak or an old password | `overloaded`
   */
  async prepare({ tenantId, account, newPassword }: PasswordWish, signal: AbortSignal): Promise<string> {
    const { database, newPasswords } = this.#deps;
    const wish = { field: 'newPassword', text: newPassword, email: account.email };
    newPasswords.judge(wish);
    const history = await database.inTenant(tenantId, (tx) => findPasswordHistory(tx, account.userId));
    const current = account.passwordHash === undefined ? [] : [account.passwordHash];
    await newPasswords.refuseOld(wish, [...current, ...history], signal);
    return newPasswords.hash(newPassword, signal);
  }

  /** Call `announce` of what comes back after the commit. @throws AppError `conflict` when the password was changed meanwhile */
  async write(tx: Transaction, change: PasswordWrite): Promise<Endings> {
    const { newPasswords, enqueueMail, sessions } = this.#deps;
    const { tenantId, account, passwordHash, eventType, exceptSessionId } = change;
    const { userId, email } = account;
    const nowMs = this.#deps.nowMs();
    const times = { nowMs, expiresAtMs: newPasswords.expiryMs(nowMs) };
    await clearBudgets(tx, tenantId, email); // before the account's row, as a login does
    const isWritten = await replacePassword(tx, { userId, fromHash: account.passwordHash, passwordHash, ...times });
    if (!isWritten) throw new AppError('conflict');
    await endOneTimeTokens(tx, userId, ['reset-password', 'login-second-factor']);
    await appendAudit(tx, {
      tenantId,
      userId,
      eventType,
      action: eventType === 'password_reset' ? 'reset' : 'change',
      resource: { type: 'user', id: userId },
      metadata: { severity: 'info' },
    });
    const at = new Date(nowMs).toISOString();
    await enqueueMail(tx, { tenantId, template: 'password-changed', userId, recipient: email, data: { at } });
    const reason = eventType === 'password_reset' ? 'password-reset' : 'password-changed';
    return sessions.endAllIn(tx, { tenantId, userId }, reason, exceptSessionId);
  }
}
