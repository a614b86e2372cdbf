/**
 * Takes an invitation: a password for an account that an administrator opened. Called by routes/invitations.ts. The link proves the address that it
 * was sent to and works for the account of that address alone, so nobody accepts another's invitation (Better Auth GHSA-fmh4-wcc4-5jm3).
 */
import { type Credentials, findCredentials, verifyEmail } from '../db/account-credentials.ts';
import { appendAudit } from '../db/audit.ts';
import type { Database, Transaction } from '../db/database.ts';
import { AppError } from '../errors.ts';
import { consumeOneTimeToken, endOneTimeTokens, peekOneTimeToken, readTenant } from './one-time-tokens.ts';
import type { PasswordWish, PasswordWriting } from './password-writing.ts';
import type { Endings } from './sessions.ts';

export interface InvitationDeps {
  readonly database: Database;
  readonly writing: PasswordWriting;
  readonly nowMs: () => number;
}

export interface Acceptance {
  readonly token: string;
  readonly newPassword: string;
}

/** Open to an invitation: somebody who set a password by another link has no use for this one. */
const isInvited = (account: Credentials | undefined, email: string | undefined): account is Credentials =>
  account !== undefined && account.isUsable && account.passwordHash === undefined && account.email === email;

export class Invitations {
  readonly #deps: InvitationDeps;

  constructor(deps: InvitationDeps) {
    this.#deps = deps;
  }

  /**
   * A refused password leaves the token for the next try.
   * @throws AppError `link-invalid` | `invalid-request` for a weak password | `overloaded` | `conflict` | `database-unavailable`
   */
  async accept({ token, newPassword }: Acceptance, signal: AbortSignal): Promise<void> {
    const wish = await this.#find(token, newPassword);
    const passwordHash = await this.#deps.writing.prepare(wish, signal);
    const endings = await this.#deps.database.inTenant(wish.tenantId, (tx) =>
      this.#acceptIn(tx, { ...wish, token, passwordHash }),
    );
    await endings.announce();
  }

  async #acceptIn(
    tx: Transaction,
    { token, ...wish }: PasswordWish & { readonly token: string; readonly passwordHash: string },
  ): Promise<Endings> {
    const nowMs = this.#deps.nowMs();
    const spent = await consumeOneTimeToken(tx, 'accept-invitation', token, nowMs);
    if (spent === undefined) throw new AppError('link-invalid');
    const { userId, email } = spent;
    await verifyEmail(tx, { userId, email, nowMs });
    await endOneTimeTokens(tx, userId, ['accept-invitation', 'verify-email']);
    await appendAudit(tx, {
      tenantId: wish.tenantId,
      userId,
      eventType: 'email_verified',
      action: 'accept-invitation',
      resource: { type: 'user', id: userId },
      metadata: { severity: 'info' },
    });
    return this.#deps.writing.write(tx, { ...wish, eventType: 'password_changed' });
  }

  async #find(token: string, newPassword: string): Promise<PasswordWish> {
    const tenantId = readTenant(token);
    if (tenantId === undefined) throw new AppError('link-invalid');
    const account = await this.#deps.database.inTenant(tenantId, async (tx) => {
      const invitation = await peekOneTimeToken(tx, 'accept-invitation', token, this.#deps.nowMs());
      const owner = invitation === undefined ? undefined : await findCredentials(tx, invitation.userId);
      return isInvited(owner, invitation?.email) ? owner : undefined;
    });
    if (account === undefined) throw new AppError('link-invalid');
    return { tenantId, account, newPassword };
  }
}
