/**
 * Login by password. Called by routes/login.ts; what follows a second factor is in services/second-factor.ts.
 *
 *   account, and budget of the client's address → one hash in any case → verdict → budget of the account → expired? → second factor? → session
 *
 * What follows the hash is one transaction: no budget is forgiven without the session that it is forgiven for.
 * Unknown account, wrong password, locked, disabled and unverified account are the same statements, the same hashing and the same answer.
 */
import { refusalOf, stepAfterPassword } from '../core/login.ts';
import type { PasswordProfile } from '../core/password-policy.ts';
import type { DeviceTokens } from '../crypto/device-token.ts';
import type { Passwords } from '../crypto/passwords.ts';
import type { Database, Transaction } from '../db/database.ts';
import { findLogin, type LoginAccount, type LoginView, recordFailedLogin, replaceHash } from '../db/login.ts';
import type { Origin, SessionClient } from '../db/sessions.ts';
import { AppError } from '../errors.ts';
import type { Metrics } from '../metrics.ts';
import type { DefaultTenant } from './default-tenant.ts';
import { type Attempt, addressKey, type Guessing } from './guessing.ts';
import type { EnqueueMail } from './mail-outbox.ts';
import { issueOneTimeToken } from './one-time-tokens.ts';
import type { Sessions, TokenPair } from './sessions.ts';

export interface Credentials {
  readonly email: string;
  readonly password: string;
  /** What an earlier login left with this client. */
  readonly deviceToken?: string | undefined;
  readonly origin: Origin;
}

/** An account whose password was right and that may log in, and the client that said so. */
export interface ProvenAccount extends LoginAccount {
  readonly tenantId: string;
  readonly passwordHash: string;
  /** undefined: a client that this account does not know. */
  readonly deviceId: string | undefined;
}

export interface StartedSession {
  readonly kind: 'session';
  readonly pair: TokenPair;
  readonly deviceToken: string;
}

export interface SecondFactorNeeded {
  readonly kind: 'second-factor';
  readonly mfaToken: string;
  readonly expiresIn: number;
}

export interface LoginDeps {
  readonly database: Database;
  readonly passwords: Passwords;
  readonly sessions: Sessions;
  readonly guessing: Guessing;
  readonly devices: DeviceTokens;
  readonly defaultTenant: DefaultTenant;
  readonly enqueueMail: EnqueueMail;
  readonly metrics: Metrics;
  readonly isVerificationRequired: boolean;
  readonly passwordPolicy: PasswordProfile;
  readonly nowMs: () => number;
}

/** Between the password and the code. */
const SECOND_FACTOR_SECONDS = 5 * 60;

/** What was read before the hash. */
interface Found extends LoginView {
  readonly tenantId: string;
  readonly deviceId: string | undefined;
}

export class Login {
  readonly #deps: LoginDeps;

  constructor(deps: LoginDeps) {
    this.#deps = deps;
  }

  /** @throws AppError `invalid-credentials` | `password-change-needed` | `rate-limited` | `overloaded` | `database-unavailable` */
  async login(
    credentials: Credentials & { readonly client: SessionClient },
    signal: AbortSignal,
  ): Promise<StartedSession | SecondFactorNeeded> {
    return countLogin(this.#deps.metrics, async () => {
      const { next } = await this.prove(credentials, signal, (tx, account) => this.#goOn(tx, account, credentials));
      if (next instanceof AppError) throw next;
      return next;
    });
  }

  /** An error to throw after the commit, so that the attempt stays settled. */
  async #goOn(
    tx: Transaction,
    account: ProvenAccount,
    who: { readonly client: SessionClient; readonly origin: Origin },
  ): Promise<StartedSession | SecondFactorNeeded | AppError> {
    switch (stepAfterPassword(account, this.#deps.passwordPolicy, this.#deps.nowMs())) {
      case 'change-password':
        return new AppError('password-change-needed');
      case 'second-factor':
        return this.#askForCode(tx, account);
      case 'session':
        return this.startIn(tx, account, who);
    }
  }

  /**
   * The account of an address and a password, by all the rules of a login, and what `goOn` makes of it in the transaction that settles the
   * attempt. `account` has the hash that is stored now. @throws AppError `invalid-credentials` | `rate-limited` | `overloaded` | `database-unavailable`
   */
  async prove<T>(
    credentials: Credentials,
    signal: AbortSignal,
    goOn: (tx: Transaction, account: ProvenAccount) => Promise<T>,
  ): Promise<{ readonly account: ProvenAccount; readonly next: T }> {
    const { passwords, isVerificationRequired } = this.#deps;
    const found = await this.#find(credentials);
    const { account, costsInUse } = found;
    const passwordHash = account?.passwordHash;
    const isRight = await passwords.matches(credentials.password, passwordHash, { signal, costsInUse });
    const refusal = refusalOf(account, isRight, { isVerificationRequired });
    const { tenantId, deviceId } = found;
    const settled = await this.#deps.database.inTenant(tenantId, async (tx) => {
      const isIn = await this.#deps.guessing.settle(tx, attemptOf(found, credentials), refusal === undefined);
      if (!isIn) await this.#recordFailure(tx, found, { reason: refusal ?? 'locked', origin: credentials.origin });
      if (!isIn || account === undefined || passwordHash === undefined) return undefined;
      const proven = { ...account, passwordHash, tenantId, deviceId };
      return { account: proven, next: await goOn(tx, proven) };
    });
    if (settled === undefined) throw new AppError('invalid-credentials');
    return {
      ...settled,
      account: { ...settled.account, passwordHash: await this.#improveHash(settled.account, credentials.password) },
    };
  }

  /** A session for an account that has proved all it has to, in the caller's transaction; an error for the caller to throw after the commit. */
  async startIn(
    tx: Transaction,
    account: ProvenAccount,
    { client, origin }: { readonly client: SessionClient; readonly origin: Origin },
    hasSecondFactor = false,
  ): Promise<StartedSession | AppError> {
    const pair = await this.#deps.sessions.startIn(tx, { ...account, origin, client, hasSecondFactor });
    if (pair === undefined) return new AppError('invalid-credentials');
    await this.#tellOfNewDevice(tx, account, origin);
    const deviceToken = this.#deps.devices.issue(account, account.deviceId, this.#deps.nowMs());
    return { kind: 'session', pair, deviceToken };
  }

  /** Not of the first login of all: its owner has just opened the account. */
  async #tellOfNewDevice(tx: Transaction, account: ProvenAccount, { ip }: Origin): Promise<void> {
    const { tenantId, userId, email: recipient, deviceId, hasLoggedInBefore } = account;
    if (deviceId !== undefined || !hasLoggedInBefore) return;
    const at = new Date(this.#deps.nowMs()).toISOString();
    const data = ip === undefined ? { at } : { at, ip };
    await this.#deps.enqueueMail(tx, { tenantId, template: 'new-login', userId, recipient, data });
  }

  async #find({ email, deviceToken, origin }: Credentials): Promise<Found> {
    const { database, devices, guessing, nowMs } = this.#deps;
    const tenantId = await this.#deps.defaultTenant();
    return database.inTenant(tenantId, async (tx) => {
      const { addressBlockedUntilMs, ...view } = await findLogin(tx, email, addressKey(tenantId, addressOf(origin)));
      const device = view.account === undefined ? undefined : { ...view.account, tenantId };
      const deviceId = devices.recognise(deviceToken, device, nowMs());
      if (deviceId === undefined) guessing.refuseAddress(addressBlockedUntilMs);
      return { ...view, tenantId, deviceId };
    });
  }

  #recordFailure(
    tx: Transaction,
    { tenantId, account }: Found,
    failure: { readonly reason: Parameters<typeof recordFailedLogin>[1]['reason']; readonly origin: Origin },
  ): Promise<void> {
    return recordFailedLogin(tx, { tenantId, userId: account?.userId, ...failure });
  }

  /** Nothing that says "logged in" is written here: until the code is right, nobody is. */
  async #askForCode(tx: Transaction, account: ProvenAccount): Promise<SecondFactorNeeded> {
    const nowMs = this.#deps.nowMs();
    const { tenantId, userId, email, deviceId } = account;
    const mfaToken = await issueOneTimeToken(tx, {
      purpose: 'login-second-factor',
      tenantId,
      userId,
      email,
      nowMs,
      expiresAtMs: nowMs + SECOND_FACTOR_SECONDS * 1000,
      // A password that changes meanwhile makes the step worth nothing.
      details: {
        passwordChangedAt: String(account.passwordChangedAtMs),
        ...(deviceId !== undefined && { deviceId }),
      },
    });
    return { kind: 'second-factor', mfaToken, expiresIn: SECOND_FACTOR_SECONDS };
  }

  /** A hash of an older cost or pepper is replaced while the password is at hand; what hinders that hinders no login, and a later one tries again. */
  async #improveHash(account: ProvenAccount, password: string): Promise<string> {
    const { database, passwords } = this.#deps;
    const { userId, passwordHash: from } = account;
    if (!passwords.needsRehash(from)) return from;
    try {
      const to = await passwords.hash(password);
      const isReplaced = await database.inTenant(account.tenantId, (tx) => replaceHash(tx, { userId, from, to }));
      return isReplaced ? to : from;
    } catch (error) {
      if (error instanceof AppError) return from;
      throw error;
    }
  }
}

const addressOf = (origin: Origin): string => origin.ip ?? '0.0.0.0';

/** A client that the account knows has a budget of its own; all strangers share the address's, whether there is such an account or not. */
const attemptOf = ({ tenantId, account, deviceId }: Found, { email, origin }: Credentials): Attempt =>
  account === undefined || deviceId === undefined
    ? { tenantId, pool: 'password', subject: email, userId: account?.userId, address: addressOf(origin) }
    : { tenantId, pool: 'password-device', subject: `${account.userId} ${deviceId}`, userId: account.userId };

/** Attempts = successes + failures: an answer that asks for a code is neither, the code's own answer will be. */
export const countLogin = async <T extends { readonly kind: string }>(
  { auth }: Metrics,
  attempt: () => Promise<T>,
): Promise<T> => {
  const stop = auth.loginDuration.startTimer();
  try {
    const outcome = await attempt();
    if (outcome.kind === 'session') {
      auth.loginAttempts.inc();
      auth.loginSuccesses.inc();
    }
    return outcome;
  } catch (error) {
    auth.loginAttempts.inc();
    auth.loginFailures.inc();
    throw error;
  } finally {
    stop();
  }
};
