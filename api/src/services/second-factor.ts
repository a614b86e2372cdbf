/**
 * The code that follows the password: which factor it is of, whether it is right, and the login that waits for it. Called by
 * services/mfa.ts, services/reauthentication.ts and routes/login.ts. Each factor has a budget of its own (services/guessing.ts).
 */
import { refusalOf } from '../core/login.ts';
import type { BackupCodes } from '../crypto/backup-codes.ts';
import type { SealedBoxes } from '../crypto/sealed-box.ts';
import { matchingStep } from '../crypto/totp.ts';
import { appendAudit } from '../db/audit.ts';
import type { Database, Transaction } from '../db/database.ts';
import { findLoginById, recordFailedLogin } from '../db/login.ts';
import { findFactor, hasBackupCode, resealFactor, type TotpFactor, useBackupCode, useStep } from '../db/mfa.ts';
import type { Origin, SessionClient } from '../db/sessions.ts';
import { AppError } from '../errors.ts';
import type { Metrics } from '../metrics.ts';
import type { Attempt, Guessing } from './guessing.ts';
import { countLogin, type Login, type ProvenAccount, type StartedSession } from './login.ts';
import { consumeOneTimeToken, peekOneTimeToken, readTenant } from './one-time-tokens.ts';

/** Exactly one of the two; the routes' schemas see to it. */
export interface Code {
  readonly code?: string | undefined;
  readonly backupCode?: string | undefined;
}

export interface CodeAttempt extends Code {
  readonly tenantId: string;
  readonly userId: string;
  /** Whose budget pays: strangers share the account's, a known device and a live session have their own. */
  readonly payer: { readonly kind: 'stranger' } | { readonly kind: 'device' | 'session'; readonly id: string };
}

export interface SecondStep extends Code {
  readonly mfaToken: string;
  readonly client: SessionClient;
  readonly origin: Origin;
}

export interface SecondFactorDeps {
  readonly database: Database;
  readonly boxes: SealedBoxes;
  readonly backupCodes: BackupCodes;
  readonly guessing: Guessing;
  readonly login: Login;
  readonly metrics: Metrics;
  readonly isVerificationRequired: boolean;
  readonly nowMs: () => number;
}

/** What a sealed secret is bound to: moved to another account or factor it does not open. */
export const totpContext = (userId: string, factorId: string): string => `totp:${userId}:${factorId}`;

export class SecondFactor {
  readonly #deps: SecondFactorDeps;

  constructor(deps: SecondFactorDeps) {
    this.#deps = deps;
  }

  /**
   * Ends a login that waits for its code. A wrong code leaves the token, so that a slip does not cost the password again; the budget bounds
   * the tries. @throws AppError `mfa-token-invalid` | `mfa-code-wrong` | `invalid-credentials` | `database-unavailable`
   */
  async finishLogin(step: SecondStep): Promise<StartedSession> {
    return countLogin(this.#deps.metrics, async () => {
      const tenantId = readTenant(step.mfaToken);
      if (tenantId === undefined) throw new AppError('mfa-token-invalid');
      const { database, login } = this.#deps;
      const proven = await database.inTenant(tenantId, (tx) => this.#prove(tx, tenantId, step));
      if (proven instanceof AppError) throw proven;
      const started = await database.inTenant(tenantId, (tx) => login.startIn(tx, proven, step, true));
      if (started instanceof AppError) throw started;
      return started;
    });
  }

  /**
   * Uses up a code of the account, in the caller's transaction, which must commit whatever comes of it. A right code that the budget refuses
   * is not used up: its owner may need it later.
   */
  async check(tx: Transaction, attempt: CodeAttempt): Promise<boolean> {
    const { guessing } = this.#deps;
    const budget = budgetOf(attempt);
    const use =
      attempt.backupCode === undefined ? await this.#findTotp(tx, attempt) : await this.#findBackup(tx, attempt);
    const isIn = await guessing.settle(tx, budget, use !== undefined);
    if (isIn && use !== undefined) {
      if (await use()) return true;
      await guessing.settle(tx, budget, false); // somebody else used the code between look and use
    }
    await appendAudit(tx, {
      tenantId: attempt.tenantId,
      userId: attempt.userId,
      eventType: 'mfa_failed',
      action: 'verify',
      resource: { type: 'user', id: attempt.userId },
      metadata: {
        severity: 'warning',
        factor: factorOf(attempt),
        payer: attempt.payer.kind,
        wasRight: use !== undefined,
      },
    });
    return false;
  }

  /** An error to throw after the commit, so that the failure stays counted. */
  async #prove(tx: Transaction, tenantId: string, step: SecondStep): Promise<ProvenAccount | AppError> {
    const nowMs = this.#deps.nowMs();
    const found = await peekOneTimeToken(tx, 'login-second-factor', step.mfaToken, nowMs);
    if (found === undefined) return new AppError('mfa-token-invalid');
    const { account } = await findLoginById(tx, found.userId);
    const deviceId = found.details['deviceId'];
    const isRight = await this.check(tx, {
      ...step,
      tenantId,
      userId: found.userId,
      payer: deviceId === undefined ? { kind: 'stranger' } : { kind: 'device', id: deviceId },
    });
    if (!isRight) {
      await recordFailedLogin(tx, { tenantId, userId: found.userId, origin: step.origin, reason: 'wrong-code' });
      return new AppError('mfa-code-wrong');
    }
    // Parallel right codes: the one that takes the token goes on.
    const taken = await consumeOneTimeToken(tx, 'login-second-factor', step.mfaToken, nowMs);
    const refusal = refusalOf(account, true, this.#deps);
    const isSamePassword = found.details['passwordChangedAt'] === String(account?.passwordChangedAtMs);
    if (taken === undefined || account?.passwordHash === undefined || refusal !== undefined || !isSamePassword) {
      return new AppError('mfa-token-invalid');
    }
    return { ...account, passwordHash: account.passwordHash, tenantId, deviceId };
  }

  /** How to use the code up, once it may count; undefined for a wrong one. */
  async #findTotp(tx: Transaction, { userId, code = '' }: CodeAttempt): Promise<(() => Promise<boolean>) | undefined> {
    const factor = await findFactor(tx, userId);
    if (factor?.confirmedAtMs === undefined) return undefined;
    const step = matchingStep(await this.#openSecret(tx, userId, factor), code, this.#deps.nowMs());
    return step === undefined || step <= factor.lastStep ? undefined : () => useStep(tx, factor.factorId, step);
  }

  async #findBackup(
    tx: Transaction,
    { userId, backupCode = '' }: CodeAttempt,
  ): Promise<(() => Promise<boolean>) | undefined> {
    const { backupCodes, nowMs } = this.#deps;
    const use = { userId, digests: backupCodes.digests(userId, backupCode), nowMs: nowMs() };
    return (await hasBackupCode(tx, use)) ? () => useBackupCode(tx, use) : undefined;
  }

  /** Sealed again where the key has changed since. */
  async #openSecret(tx: Transaction, userId: string, { factorId, sealedSecret }: TotpFactor): Promise<string> {
    const { boxes } = this.#deps;
    const context = totpContext(userId, factorId);
    const secret = boxes.open(sealedSecret, context);
    if (boxes.isStale(sealedSecret)) {
      await resealFactor(tx, { factorId, sealedSecret: boxes.seal(secret, context), keyId: boxes.keyId });
    }
    return secret;
  }
}

const factorOf = ({ backupCode }: Code): 'totp' | 'backup-code' => (backupCode === undefined ? 'totp' : 'backup-code');

const budgetOf = (attempt: CodeAttempt): Attempt => {
  const { tenantId, userId, payer } = attempt;
  const factor = factorOf(attempt);
  switch (payer.kind) {
    case 'stranger':
      return { tenantId, userId, pool: factor, subject: userId };
    case 'device':
    case 'session':
      return { tenantId, userId, pool: `${factor}-${payer.kind}`, subject: `${userId} ${payer.id}` };
  }
};
