/** Accounts: registration. Called by routes/auth.ts; statements in db/accounts.ts. */
import type { Passwords } from '../crypto/passwords.ts';
import { findOrganization, insertAccount } from '../db/accounts.ts';
import type { Database } from '../db/database.ts';
import { isUniqueViolation } from '../db/sqlstate.ts';
import { AppError } from '../errors.ts';

export interface Registration {
  readonly email: string;
  readonly password: string;
  readonly firstName?: string | undefined;
  readonly lastName?: string | undefined;
}

export interface AccountDeps {
  readonly database: Database;
  readonly passwords: Passwords;
  readonly organizationSlug: string;
}

export class Accounts {
  readonly #deps: AccountDeps;
  #tenantId: string | undefined;

  constructor(deps: AccountDeps) {
    this.#deps = deps;
  }

  /** @throws AppError `email-taken` | `overloaded` | `database-unavailable` */
  async register(
    registration: Registration,
    signal: AbortSignal,
  ): Promise<{ readonly id: string; readonly email: string }> {
    const { email, password, firstName, lastName } = registration;
    const tenantId = await this.#defaultTenant();
    const passwordHash = await this.#deps.passwords.hash(password, signal);
    const displayName = [firstName, lastName].filter(Boolean).join(' ') || email;
    const account = { tenantId, email, passwordHash, firstName, lastName, displayName };
    try {
      return { id: await this.#deps.database.inTenant(tenantId, (tx) => insertAccount(tx, account)), email };
    } catch (error) {
      throw isUniqueViolation(error) ? new AppError('email-taken', { cause: error }) : error;
    }
  }

  /** The organization of whoever names none; asked once, since a slug does not change under a running process. */
  async #defaultTenant(): Promise<string> {
    const { database, organizationSlug } = this.#deps;
    this.#tenantId ??= await findOrganization(database, organizationSlug);
    if (this.#tenantId === undefined) {
      throw new AppError('internal', { cause: new Error('DEFAULT_ORGANIZATION is no slug of public.organization') });
    }
    return this.#tenantId;
  }
}
