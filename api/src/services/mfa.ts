/**
 * The second factor of an account: begin, confirm, take away, new backup codes. Called by routes/mfa.ts for sessions that proved themselves
 * lately; statements in db/mfa.ts. Codes are checked by services/second-factor.ts, under a budget.
 */
import { randomUUID } from 'node:crypto';
import type { BackupCodes } from '../crypto/backup-codes.ts';
import type { SealedBoxes } from '../crypto/sealed-box.ts';
import { createTotpSecret, matchingStep, otpauthUri } from '../crypto/totp.ts';
import { appendAudit } from '../db/audit.ts';
import type { Database, Transaction } from '../db/database.ts';
import { findLoginById } from '../db/login.ts';
import {
  beginFactor,
  confirmFactor,
  countBackupCodes,
  deleteFactor,
  findFactor,
  replaceBackupCodes,
} from '../db/mfa.ts';
import { AppError } from '../errors.ts';
import type { Guessing } from './guessing.ts';
import type { EnqueueMail } from './mail-outbox.ts';
import { endOneTimeTokens } from './one-time-tokens.ts';
import { type Code, type SecondFactor, totpContext } from './second-factor.ts';
import type { SessionRef, Sessions, TokenPair } from './sessions.ts';

export interface MfaDeps {
  readonly database: Database;
  readonly boxes: SealedBoxes;
  readonly backupCodes: BackupCodes;
  readonly guessing: Guessing;
  readonly secondFactor: SecondFactor;
  readonly sessions: Sessions;
  readonly enqueueMail: EnqueueMail;
  readonly mfaIssuer: string;
  readonly nowMs: () => number;
}

export interface Enrolment {
  /** Base32, for typing it in. */
  readonly secret: string;
  readonly otpauthUri: string;
  /** A PNG as a data URL. */
  readonly qrCode: string;
}

export interface MfaStatus {
  readonly totp: { readonly isEnabled: boolean; readonly enabledAt: string | null };
  readonly backupCodesLeft: number;
}

type Change = 'enabled' | 'disabled' | 'renewed';

export class Mfa {
  readonly #deps: MfaDeps;

  constructor(deps: MfaDeps) {
    this.#deps = deps;
  }

  /** A new secret, asked for at no login before it is confirmed. @throws AppError `conflict` | `session-ended` | `database-unavailable` */
  async begin(who: SessionRef): Promise<Enrolment> {
    const { database, boxes, mfaIssuer, nowMs } = this.#deps;
    const secret = createTotpSecret();
    const factorId = randomUUID();
    const sealedSecret = boxes.seal(secret, totpContext(who.userId, factorId));
    const email = await database.inTenant(who.tenantId, async (tx) => {
      const isBegun = await beginFactor(tx, { ...who, factorId, sealedSecret, keyId: boxes.keyId, nowMs: nowMs() });
      if (!isBegun) throw new AppError('conflict');
      return emailOf(tx, who.userId);
    });
    const uri = otpauthUri(secret, { issuer: mfaIssuer, email });
    const { toDataURL } = await import('qrcode'); // with the first enrolment
    return { secret, otpauthUri: uri, qrCode: await toDataURL(uri, { errorCorrectionLevel: 'M', margin: 2 }) };
  }

  /**
   * The first right code turns it on: ten backup codes, shown this once, and a new session id. @throws AppError `mfa-code-wrong` | `conflict`
   * where nothing waits to be confirmed | `session-ended` | `database-unavailable`
   */
  async confirm(
    who: SessionRef,
    code: string,
  ): Promise<{ readonly codes: readonly string[]; readonly pair: TokenPair }> {
    const outcome = await this.#deps.database.inTenant(who.tenantId, (tx) => this.#confirm(tx, who, code));
    if (outcome instanceof AppError) throw outcome;
    return { codes: outcome, pair: await this.#deps.sessions.renew(who, { hasSecondFactor: true }) };
  }

  /** @throws AppError `mfa-code-wrong` | `conflict` where there is none | `database-unavailable` */
  async disable(who: SessionRef, code: Code): Promise<void> {
    const isDone = await this.#deps.database.inTenant(who.tenantId, async (tx) => {
      if ((await findFactor(tx, who.userId))?.confirmedAtMs === undefined) throw new AppError('conflict');
      const payer = { kind: 'session', id: who.sessionId } as const;
      if (!(await this.#deps.secondFactor.check(tx, { ...who, ...code, payer }))) return false;
      await deleteFactor(tx, who.userId);
      await endOneTimeTokens(tx, who.userId, ['login-second-factor']);
      await this.#tell(tx, who, 'disabled');
      return true;
    });
    if (!isDone) throw new AppError('mfa-code-wrong');
  }

  /** Ten new ones; the old ones are worth nothing. @throws AppError `conflict` without a second factor | `database-unavailable` */
  renewBackupCodes(who: SessionRef): Promise<readonly string[]> {
    return this.#deps.database.inTenant(who.tenantId, async (tx) => {
      if ((await findFactor(tx, who.userId))?.confirmedAtMs === undefined) throw new AppError('conflict');
      const codes = await this.#writeBackupCodes(tx, who);
      await this.#tell(tx, who, 'renewed');
      return codes;
    });
  }

  /** @throws AppError `database-unavailable` */
  status(who: SessionRef): Promise<MfaStatus> {
    return this.#deps.database.inTenant(who.tenantId, async (tx) => {
      const enabledAtMs = (await findFactor(tx, who.userId))?.confirmedAtMs;
      const enabledAt = enabledAtMs === undefined ? null : new Date(enabledAtMs).toISOString();
      return {
        totp: { isEnabled: enabledAt !== null, enabledAt },
        backupCodesLeft: await countBackupCodes(tx, who.userId),
      };
    });
  }

  /** An error to throw after the commit, so that the failure stays counted. */
  async #confirm(tx: Transaction, who: SessionRef, code: string): Promise<readonly string[] | AppError> {
    const { boxes, guessing } = this.#deps;
    const nowMs = this.#deps.nowMs();
    const factor = await findFactor(tx, who.userId);
    if (factor === undefined || factor.confirmedAtMs !== undefined) return new AppError('conflict');
    const secret = boxes.open(factor.sealedSecret, totpContext(who.userId, factor.factorId));
    const step = matchingStep(secret, code, nowMs);
    const attempt = { ...who, pool: 'totp-session', subject: `${who.userId} ${who.sessionId}` } as const;
    const isIn = await guessing.settle(tx, attempt, step !== undefined);
    if (!isIn || step === undefined) return new AppError('mfa-code-wrong');
    if (!(await confirmFactor(tx, { factorId: factor.factorId, step, nowMs }))) return new AppError('conflict');
    const codes = await this.#writeBackupCodes(tx, who);
    await this.#tell(tx, who, 'enabled');
    return codes;
  }

  async #writeBackupCodes(tx: Transaction, who: SessionRef): Promise<readonly string[]> {
    const { backupCodes, nowMs } = this.#deps;
    const codes = backupCodes.create();
    const digests = codes.map((code) => backupCodes.digest(who.userId, code));
    await replaceBackupCodes(tx, { ...who, keyId: backupCodes.keyId, digests, nowMs: nowMs() });
    return codes;
  }

  /** The trail and the owner hear of it in the same transaction. */
  async #tell(tx: Transaction, { tenantId, userId }: SessionRef, change: Change): Promise<void> {
    await appendAudit(tx, {
      tenantId,
      userId,
      eventType: change === 'disabled' ? 'mfa_disabled' : 'mfa_enabled',
      action: change === 'renewed' ? 'renew-backup-codes' : change,
      resource: { type: 'user', id: userId },
      metadata: { severity: change === 'disabled' ? 'warning' : 'info', factor: 'totp' },
    });
    const data = { change, at: new Date(this.#deps.nowMs()).toISOString() };
    await this.#deps.enqueueMail(tx, {
      tenantId,
      userId,
      template: 'mfa-changed',
      recipient: await emailOf(tx, userId),
      data,
    });
  }
}

/** The session is live, so its account is there, unless it went this moment. */
const emailOf = async (tx: Transaction, userId: string): Promise<string> => {
  const { account } = await findLoginById(tx, userId);
  if (account === undefined) throw new AppError('session-ended');
  return account.email;
};
