/** Accounts: registration, the password check of a login. Called by routes/auth.ts; statements in db/accounts.ts. */
import type { Passwords } from '../crypto/passwords.ts';
import { findLoginAccount, findOrganization, insertAccount, recordFailedLogin } from '../db/accounts.ts';
import type { Database } from '../db/database.ts';
import type { Origin, SessionClient } from '../db/sessions.ts';
import { isUniqueViolation } from '../db/sqlstate.ts';
import { AppError } from '../errors.ts';
import type { Metrics } from '../metrics.ts';
import type { Sessions, TokenPair } from './sessions.ts';

export interface Registration {
  readonly email: string;
  readonly password: string;
  readonly firstName?: string | undefined;
  readonly lastName?: string | undefined;
}

export interface Login {
  readonly email: string;
  readonly password: string;
  readonly client?: SessionClient;
  readonly origin: Origin;
}

export interface AccountDeps {
  readonly database: Database;
  readonly passwords: Passwords;
  readonly sessions: Sessions;
  readonly metrics: Metrics;
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

  /** @throws AppError `invalid-credentials` | `overloaded` | `database-unavailable` */
  async login(credentials: Login, signal: AbortSignal): Promise<TokenPair> {
    const { auth } = this.#deps.metrics;
    const stop = auth.loginDuration.startTimer();
    auth.loginAttempts.inc();
    try {
      const pair = await this.#attempt(credentials, signal);
      auth.loginSuccesses.inc();
      return pair;
    } catch (error) {
      auth.loginFailures.inc();
      throw error;
    } finally {
      stop();
    }
  }

  /** No connection is held while the password is hashed: 250 ms of a core must not cost a place in the pool. */
  async #attempt({ email, password, origin, client = 'bearer' }: Login, signal: AbortSignal): Promise<TokenPair> {
    const { database, passwords, sessions } = this.#deps;
    const tenantId = await this.#defaultTenant();
    const account = await database.inTenant(tenantId, (tx) => findLoginAccount(tx, email));
    const isRight = await passwords.matches(password, account?.passwordHash, { signal });
    if (!isRight || account === undefined || !account.isUsable) {
      await database.inTenant(tenantId, (tx) => recordFailedLogin(tx, { tenantId, userId: account?.id, origin }));
      throw new AppError('invalid-credentials');
    }
    return sessions.start({ tenantId, userId: account.id, origin, client });
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
