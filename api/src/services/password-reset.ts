/**
 * A forgotten password: a link by mail, and a new password for whoever has it. Called by routes/passwords.ts. No step remembers anything of
 * another but the token itself, so there is no order of steps that does without it (Keycloak CVE-2026-18963).
 */
import { findCredentials, findCredentialsByEmail, verifyEmail } from '../db/account-credentials.ts';
import { appendAudit } from '../db/audit.ts';
import type { Database } from '../db/database.ts';
import { AppError } from '../errors.ts';
import type { DefaultTenant } from './default-tenant.ts';
import type { EnqueueMail } from './mail-outbox.ts';
import { consumeOneTimeToken, endOneTimeTokens, peekOneTimeToken, readTenant } from './one-time-tokens.ts';
import type { PasswordWish, PasswordWriting } from './password-writing.ts';

export interface PasswordResetDeps {
  readonly database: Database;
  readonly writing: PasswordWriting;
  readonly enqueueMail: EnqueueMail;
  readonly defaultTenant: DefaultTenant;
  readonly nowMs: () => number;
}

export interface PasswordReset {
  readonly token: string;
  readonly newPassword: string;
}

export class PasswordResets {
  readonly #deps: PasswordResetDeps;

  constructor(deps: PasswordResetDeps) {
    this.#deps = deps;
  }

  /** Written down and queued whoever asks for whatever address; the worker finds out whether somebody has it. @throws AppError `database-unavailable` */
  async request(email: string): Promise<void> {
    const { database, defaultTenant, enqueueMail } = this.#deps;
    const tenantId = await defaultTenant();
    await database.inTenant(tenantId, async (tx) => {
      const userId = (await findCredentialsByEmail(tx, email))?.userId;
      await appendAudit(tx, {
        tenantId,
        userId,
        eventType: 'password_reset_requested',
        action: 'request-reset',
        resource: { type: 'user', id: userId },
        metadata: { severity: 'info', known: userId !== undefined },
      });
      await enqueueMail(tx, { tenantId, template: 'reset-password', userId, recipient: email });
    });
  }

  /**
   * The token is spent only by a new password that is taken: a refused one leaves it for the next try.
   * @throws AppError `link-invalid` | `invalid-request` for a weak or an old password | `overloaded` | `database-unavailable`
   */
  async reset({ token, newPassword }: PasswordReset, signal: AbortSignal): Promise<void> {
    const wish = await this.#find(token, newPassword);
    if (wish === undefined) return this.#refuse();
    const passwordHash = await this.#deps.writing.prepare(wish, signal);
    const { tenantId, account } = wish;
    const endings = await this.#deps.database.inTenant(tenantId, async (tx) => {
      const nowMs = this.#deps.nowMs();
      const spent = await consumeOneTimeToken(tx, 'reset-password', token, nowMs);
      if (spent === undefined) return undefined;
      const { userId, email } = spent;
      // The link came by mail, so the address is its reader's; a link of a registration before this moment says nothing any more.
      await verifyEmail(tx, { userId, email, nowMs });
      await endOneTimeTokens(tx, userId, ['verify-email']);
      return this.#deps.writing.write(tx, {
        tenantId,
        account,
        newPassword,
        passwordHash,
        eventType: 'password_reset',
      });
    });
    if (endings === undefined) return this.#refuse();
    await endings.announce();
  }

  async #find(token: string, newPassword: string): Promise<PasswordWish | undefined> {
    const tenantId = readTenant(token);
    if (tenantId === undefined) return undefined;
    const account = await this.#deps.database.inTenant(tenantId, async (tx) => {
      const found = await peekOneTimeToken(tx, 'reset-password', token, this.#deps.nowMs());
      const owner = found === undefined ? undefined : await findCredentials(tx, found.userId);
      return owner?.isUsable === true && owner.email === found?.email ? owner : undefined;
    });
    return account === undefined ? undefined : { tenantId, account, newPassword };
  }

  /** A token that is none belongs to nobody: the attempt is written down where strangers' are. */
  async #refuse(): Promise<never> {
    const { database, defaultTenant } = this.#deps;
    const tenantId = await defaultTenant();
    await database.inTenant(tenantId, (tx) =>
      appendAudit(tx, {
        tenantId,
        userId: undefined,
        eventType: 'password_reset',
        action: 'reset',
        resource: { type: 'user', id: undefined },
        metadata: { severity: 'warning', outcome: 'link-invalid' },
      }),
    );
    throw new AppError('link-invalid');
  }
}
