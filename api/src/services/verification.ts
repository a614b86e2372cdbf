/** Proves that an address is its account's. Called by routes/accounts.ts; the link was sent by mail/delivery.ts. */
import { z } from 'zod';
import { adoptPassword, findCredentialsByEmail, verifyEmail } from '../db/account-credentials.ts';
import { appendAudit } from '../db/audit.ts';
import type { Database, Transaction } from '../db/database.ts';
import type { FoundToken } from '../db/one-time-tokens.ts';
import { AppError } from '../errors.ts';
import type { DefaultTenant } from './default-tenant.ts';
import { clearBudgets } from './guessing.ts';
import type { EnqueueMail } from './mail-outbox.ts';
import type { NewPasswords } from './new-passwords.ts';
import { consumeOneTimeToken, endOneTimeTokens, readTenant } from './one-time-tokens.ts';
import type { Endings, Sessions } from './sessions.ts';

export interface VerificationDeps {
  readonly database: Database;
  readonly sessions: Sessions;
  readonly newPasswords: NewPasswords;
  readonly enqueueMail: EnqueueMail;
  readonly defaultTenant: DefaultTenant;
  readonly nowMs: () => number;
}

/** What a registration left in its link (services/registration.ts); a link that was asked for later has none. */
const registered = z.object({ passwordHash: z.string(), registeredAt: z.iso.datetime() });

export class Verifications {
  readonly #deps: VerificationDeps;

  constructor(deps: VerificationDeps) {
    this.#deps = deps;
  }

  /** @throws AppError `link-invalid` | `database-unavailable` */
  async verify(token: string): Promise<void> {
    const tenantId = readTenant(token);
    if (tenantId === undefined) throw new AppError('link-invalid');
    const endings = await this.#deps.database.inTenant(tenantId, (tx) => this.#verifyIn(tx, tenantId, token));
    await endings.announce();
  }

  /** Another link, whether there is an account that needs one or not: the worker finds out. @throws AppError `database-unavailable` */
  async resend(email: string): Promise<void> {
    const { database, defaultTenant, enqueueMail } = this.#deps;
    const tenantId = await defaultTenant();
    await database.inTenant(tenantId, async (tx) => {
      const account = await findCredentialsByEmail(tx, email);
      await enqueueMail(tx, { tenantId, template: 'verify-email', userId: account?.userId, recipient: email });
    });
  }

  async #verifyIn(tx: Transaction, tenantId: string, token: string): Promise<Endings> {
    const nowMs = this.#deps.nowMs();
    const found = await consumeOneTimeToken(tx, 'verify-email', token, nowMs);
    if (found === undefined) throw new AppError('link-invalid');
    const { userId, email } = found;
    // Who tried to log in before the mail came has closed it without a chance. Before the account's row, as a login does.
    await clearBudgets(tx, tenantId, email);
    const endings = await this.#adoptPassword(tx, tenantId, found);
    // Thrown out of the transaction: the token is not spent where nothing came of it.
    if (!(await verifyEmail(tx, { userId, email, nowMs }))) throw new AppError('link-invalid');
    await endOneTimeTokens(tx, userId, ['verify-email']);
    await appendAudit(tx, {
      tenantId,
      userId,
      eventType: 'email_verified',
      action: 'verify',
      resource: { type: 'user', id: userId },
      metadata: { severity: 'info' },
    });
    return endings;
  }

  /** The password of the registration that this link belongs to, if the account was not proved and not changed since. */
  async #adoptPassword(tx: Transaction, tenantId: string, { userId, details }: FoundToken): Promise<Endings> {
    const registration = registered.safeParse(details);
    if (!registration.success) return NO_ENDINGS;
    const registeredAtMs = Date.parse(registration.data.registeredAt);
    const { passwordHash } = registration.data;
    const expiresAtMs = this.#deps.newPasswords.expiryMs(registeredAtMs);
    const isAdopted = await adoptPassword(tx, { userId, passwordHash, registeredAtMs, expiresAtMs });
    return isAdopted ? this.#deps.sessions.endAllIn(tx, { tenantId, userId }, 'password-changed') : NO_ENDINGS;
  }
}

const NO_ENDINGS: Endings = { count: 0, announce: () => Promise.resolve() };
