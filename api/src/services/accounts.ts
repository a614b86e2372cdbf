/** Accounts: registration, the password check of a login, the profile. Called by routes/auth.ts; statements in db/accounts.ts. */
import type { Passwords } from '../crypto/passwords.ts';
import {
  findLoginAccount,
  findProfile,
  insertAccount,
  ORGANIZATION_BY_SLUG,
  recordFailedLogin,
} from '../db/accounts.ts';
import { type Database, isUniqueViolation } from '../db/database.ts';
import type { Origin } from '../db/sessions.ts';
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
  readonly origin: Origin;
}

export interface AccountDeps {
  readonly database: Database;
  readonly passwords: Passwords;
  readonly sessions: Sessions;
  readonly metrics: Metrics;
  readonly organizationSlug: string;
}

export interface Accounts {
  /** @throws AppError `email-taken` | `overloaded` | `database-unavailable` */
  register(registration: Registration, signal: AbortSignal): Promise<{ readonly id: string; readonly email: string }>;
  /** @throws AppError `invalid-credentials` | `overloaded` | `database-unavailable` */
  login(login: Login, signal: AbortSignal): Promise<TokenPair>;
  /** @throws AppError `session-ended` | `database-unavailable` */
  profile(who: { readonly userId: string; readonly sessionId: string; readonly tenantId: string }): Promise<object>;
}

/** The organization of whoever names none; asked once, since a slug does not change under a running process. */
const createDefaultTenant = (database: Database, slug: string): (() => Promise<string>) => {
  let known: string | undefined;
  return async () => {
    if (known === undefined) {
      const [row] = await database.query(ORGANIZATION_BY_SLUG, [slug]);
      if (typeof row?.['id'] !== 'string')
        throw new AppError('internal', { cause: new Error(`no organization has the slug ${slug}`) });
      known = row['id'];
    }
    return known;
  };
};

export const createAccounts = ({ database, passwords, sessions, metrics, organizationSlug }: AccountDeps): Accounts => {
  const defaultTenant = createDefaultTenant(database, organizationSlug);

  const register: Accounts['register'] = async ({ email, password, firstName, lastName }, signal) => {
    const tenantId = await defaultTenant();
    const passwordHash = await passwords.hash(password, signal);
    const displayName = [firstName, lastName].filter(Boolean).join(' ') || email;
    const account = { tenantId, email, passwordHash, firstName, lastName, displayName };
    try {
      return { id: await database.inTenant(tenantId, (tx) => insertAccount(tx, account)), email };
    } catch (error) {
      throw isUniqueViolation(error) ? new AppError('email-taken', { cause: error }) : error;
    }
  };

  /** No connection is held while the password is hashed: 250 ms of a core must not cost a place in the pool. */
  const attempt = async ({ email, password, origin }: Login, signal: AbortSignal): Promise<TokenPair> => {
    const tenantId = await defaultTenant();
    const account = await database.inTenant(tenantId, (tx) => findLoginAccount(tx, email));
    const isRight = await passwords.matches(password, account?.passwordHash, signal);
    if (!isRight || account === undefined || !account.isUsable) {
      await database.inTenant(tenantId, (tx) => recordFailedLogin(tx, { tenantId, userId: account?.id, origin }));
      throw new AppError('invalid-credentials');
    }
    return sessions.start({ tenantId, userId: account.id, origin });
  };

  const login: Accounts['login'] = async (credentials, signal) => {
    const stop = metrics.auth.loginDuration.startTimer();
    metrics.auth.loginAttempts.inc();
    try {
      const pair = await attempt(credentials, signal);
      metrics.auth.loginSuccesses.inc();
      return pair;
    } catch (error) {
      metrics.auth.loginFailures.inc();
      throw error;
    } finally {
      stop();
    }
  };

  const profile: Accounts['profile'] = async ({ userId, sessionId, tenantId }) => {
    const row = await database.inTenant(tenantId, (tx) => findProfile(tx, userId, sessionId));
    if (row === undefined) throw new AppError('session-ended');
    return {
      user: {
        id: row.id,
        email: row.email,
        emailVerified: row.email_verified,
        firstName: row.first_name,
        lastName: row.last_name,
        displayName: row.display_name,
        roles: row.roles,
        permissions: row.permissions,
      },
      session: {
        id: sessionId,
        expiresAt: row.expires_at.toISOString(),
        absoluteExpiresAt: row.absolute_expires_at.toISOString(),
      },
    };
  };

  return { register, login, profile };
};
