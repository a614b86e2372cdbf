/**
 * Opens accounts. Called by routes/accounts.ts. Where an address has to be verified first, a taken one gets the same answer after the same
 * work as a free one, and its owner hears of it by mail: nobody learns who has an account.
 */
import { randomUUID } from 'node:crypto';
import { beginTry, findCredentialsByEmail, keepTry, undoTry } from '../db/account-credentials.ts';
import { insertAccount } from '../db/accounts.ts';
import type { Database, Transaction } from '../db/database.ts';
import { isUniqueViolation } from '../db/sqlstate.ts';
import { AppError } from '../errors.ts';
import type { DefaultTenant } from './default-tenant.ts';
import type { EnqueueMail } from './mail-outbox.ts';
import type { NewPasswords } from './new-passwords.ts';

export interface Registration {
  readonly email: string;
  readonly password: string;
  readonly firstName?: string | undefined;
  readonly lastName?: string | undefined;
}

/** `pending`: a mail is on its way, to whom it may concern. */
export type Registered =
  | { readonly kind: 'open'; readonly user: { readonly id: string; readonly email: string } }
  | { readonly kind: 'pending' };

export interface RegistrationDeps {
  readonly database: Database;
  readonly newPasswords: NewPasswords;
  readonly enqueueMail: EnqueueMail;
  readonly defaultTenant: DefaultTenant;
  readonly isVerificationRequired: boolean;
  readonly nowMs: () => number;
}

type Account = Parameters<typeof insertAccount>[1] & { readonly nowMs: number };

export class Registrations {
  readonly #deps: RegistrationDeps;

  constructor(deps: RegistrationDeps) {
    this.#deps = deps;
  }

  /**
   * @throws AppError `invalid-request` for a weak password | `email-taken` (where verification is optional) | `overloaded` |
   *   `database-unavailable`
   */
  async register({ email, password, firstName, lastName }: Registration, signal: AbortSignal): Promise<Registered> {
    const { newPasswords, defaultTenant, isVerificationRequired } = this.#deps;
    newPasswords.judge({ field: 'password', text: password, email });
    const tenantId = await defaultTenant();
    const passwordHash = await newPasswords.hash(password, signal);
    const nowMs = this.#deps.nowMs();
    const displayName = [firstName, lastName].filter(Boolean).join(' ') || email;
    const passwordExpiresAtMs = newPasswords.expiryMs(nowMs);
    const account = { tenantId, email, passwordHash, firstName, lastName, displayName, nowMs, passwordExpiresAtMs };
    if (!isVerificationRequired) return { kind: 'open', user: { id: await this.#open(account), email } };
    await this.#openQuietly(account);
    return { kind: 'pending' };
  }

  async #open(account: Account): Promise<string> {
    const { database, enqueueMail } = this.#deps;
    const { tenantId, email } = account;
    try {
      return await database.inTenant(tenantId, async (tx) => {
        const userId = await insertAccount(tx, account);
        await enqueueMail(tx, { tenantId, template: 'verify-email', userId, recipient: email });
        return userId;
      });
    } catch (error) {
      throw isUniqueViolation(error) ? new AppError('email-taken', { cause: error }) : error;
    }
  }

  /** Who loses a race for an address finds it taken at the second try. */
  async #openQuietly(account: Account): Promise<void> {
    const attempt = (): Promise<void> =>
      this.#deps.database.inTenant(account.tenantId, (tx) => this.#registerOrTell(tx, account));
    try {
      await attempt();
    } catch (error) {
      if (!isUniqueViolation(error)) throw error;
      await attempt();
    }
  }

  /**
   * The same statements in both cases. For a taken address the account is opened under one that nobody has and taken back, since an insert
   * less is a few milliseconds less.
   *
   * The link brings the password of its own registration along: whoever registers somebody else's address first has prepared nothing, as
   * the owner's link sets the owner's password.
   */
  async #registerOrTell(tx: Transaction, account: Account): Promise<void> {
    const { enqueueMail } = this.#deps;
    const { tenantId, email, passwordHash, nowMs } = account;
    const taken = await findCredentialsByEmail(tx, email);
    await beginTry(tx);
    const inserted = await insertAccount(tx, taken === undefined ? account : { ...account, email: nobody() });
    await (taken === undefined ? keepTry(tx) : undoTry(tx));
    await enqueueMail(tx, {
      tenantId,
      template: taken?.isVerified === true ? 'account-exists' : 'verify-email',
      userId: taken?.userId ?? inserted,
      recipient: email,
      data: { passwordHash, registeredAt: new Date(nowMs).toISOString() },
    });
  }
}

const nobody = (): string => `${randomUUID()}@taken.invalid`;
