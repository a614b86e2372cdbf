/**
 * Sends the mails that wait (services/mail-outbox.ts), in the background, from any number of pods. Started by service.ts.
 * A row is leased in one statement, so no two pods send the same mail; a pod that dies in between leaves it to the next one, and then a mail
 * server may see the same Message-ID twice. A link's token is made just before it is sent: until then it is nowhere.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { z } from 'zod';
import { scheduleAfterFailure } from '../core/mail-schedule.ts';
import type { SealedBoxes } from '../crypto/sealed-box.ts';
import { type Credentials, findCredentials } from '../db/account-credentials.ts';
import type { Database, Transaction } from '../db/database.ts';
import {
  countSentSince,
  countWaiting,
  deleteMail,
  deleteOldMails,
  type LeasedMail,
  leaseMails,
  markFailed,
  markGivenUp,
  markSent,
} from '../db/mail-outbox.ts';
import type { Log } from '../log.ts';
import type { Metrics } from '../metrics.ts';
import { type MailTemplate, mailContext } from '../services/mail-outbox.ts';
import { issueOneTimeToken, type TokenPurpose } from '../services/one-time-tokens.ts';
import { renderMail } from './templates.ts';
import { MailError, type MailTransport } from './transport.ts';

export interface DeliveryDeps {
  readonly database: Database;
  readonly boxes: SealedBoxes;
  readonly transport: MailTransport;
  readonly metrics: Metrics;
  readonly log: Log;
  readonly publicUrl: string;
  readonly nowMs: () => number;
}

const HOUR_MS = 3_600_000;
const POLL_MS = 500;
/** At once, each with a database connection now and then: requests must find some too. */
const BATCH = 5;
/** Longer than the slowest attempt (mail/transport.ts). */
const LEASE_MS = 120_000;
const UPKEEP_MS = 15_000;
const STOP_MS = 2_000;
const KEEP_MS = 30 * 24 * HOUR_MS;

interface Handling {
  /** To one address within an hour: whoever asks for more gets the same answer, and nobody's mailbox is filled through us. */
  readonly perHour: number;
  readonly link?: { readonly purpose: TokenPurpose; readonly lifetimeMs: number };
  /** Whether the account still wants it. */
  readonly isWanted: (account: Credentials) => boolean;
}

const HANDLING: Readonly<Record<MailTemplate, Handling>> = {
  'verify-email': {
    perHour: 5,
    link: { purpose: 'verify-email', lifetimeMs: 24 * HOUR_MS },
    isWanted: (account) => account.isUsable && !account.isVerified,
  },
  'reset-password': {
    perHour: 5,
    link: { purpose: 'reset-password', lifetimeMs: HOUR_MS },
    isWanted: (account) => account.isUsable,
  },
  invitation: {
    perHour: 5,
    link: { purpose: 'accept-invitation', lifetimeMs: 7 * 24 * HOUR_MS },
    isWanted: (account) => account.isUsable && account.passwordHash === undefined,
  },
  'account-exists': { perHour: 2, isWanted: (account) => account.isUsable },
  'account-locked': { perHour: 2, isWanted: (account) => account.isUsable },
  'new-login': { perHour: 10, isWanted: () => true },
  'password-changed': { perHour: 100, isWanted: () => true },
  'mfa-changed': { perHour: 100, isWanted: () => true },
};

const TEMPLATES = Object.keys(HANDLING);
const isTemplate = (text: string): text is MailTemplate => TEMPLATES.includes(text);
/** What a box holds: whom the mail is about, and what its template says (services/mail-outbox.ts). */
const sealedMail = z.object({ userId: z.string().optional(), data: z.record(z.string(), z.string()) });
type SealedMail = z.infer<typeof sealedMail>;

export class MailDelivery {
  readonly #deps: DeliveryDeps;

  constructor(deps: DeliveryDeps) {
    this.#deps = deps;
  }

  /** One round; says how many mails were due. @throws AppError `database-unavailable` */
  async round(): Promise<number> {
    const { database, nowMs } = this.#deps;
    const lease = { templates: TEMPLATES, limit: BATCH, nowMs: nowMs(), leaseMs: LEASE_MS };
    const mails = await database.asWorker('mail', (tx) => leaseMails(tx, lease));
    await Promise.all(mails.map((mail) => this.#deliver(mail)));
    return mails.length;
  }

  /** The gauge, and the end of what is long over. @throws AppError `database-unavailable` */
  async upkeep(): Promise<void> {
    const { database, metrics, nowMs } = this.#deps;
    const waiting = await database.asWorker('mail', async (tx) => {
      await deleteOldMails(tx, nowMs() - KEEP_MS);
      return countWaiting(tx);
    });
    metrics.mail.waiting.set(waiting);
  }

  async #deliver(mail: LeasedMail): Promise<void> {
    const { database, metrics, log, nowMs } = this.#deps;
    try {
      const isSent = await this.#send(mail);
      await database.inTenant(mail.tenantId, (tx) =>
        isSent ? markSent(tx, mail.id, nowMs()) : deleteMail(tx, mail.id),
      );
      if (isSent) metrics.mail.sent.inc();
    } catch (error) {
      // What went wrong with one mail must not end the round of the others; whatever is not written now, the lease's end repairs.
      await this.#fail(mail, error).catch((failure: unknown) => log.warn({ error: failure }, 'a mail stays leased'));
    }
  }

  /** False where nobody wants it any more. @throws MailError | AppError */
  async #send(mail: LeasedMail): Promise<boolean> {
    const { template } = mail;
    if (!isTemplate(template)) return false;
    const about = this.#open(mail);
    const prepared = await this.#deps.database.inTenant(mail.tenantId, (tx) =>
      this.#prepare(tx, { mail, template, about }),
    );
    if (prepared === undefined) return false;
    const content = renderMail(template, { data: about.data, publicUrl: this.#deps.publicUrl, token: prepared.token });
    await this.#deps.transport.send({ ...content, id: mail.id, recipient: prepared.recipient });
    return true;
  }

  #open({ id, sealed }: LeasedMail): SealedMail {
    try {
      return sealedMail.parse(JSON.parse(this.#deps.boxes.open(sealed, mailContext(id))));
    } catch {
      throw new MailError('EUNREADABLE', true); // sealed under a key that is gone: no attempt will read it
    }
  }

  /** To whom, and with which token: asked of the account as it is now, not as it was when somebody asked for the mail. */
  async #prepare(
    tx: Transaction,
    {
      mail,
      template,
      about,
    }: { readonly mail: LeasedMail; readonly template: MailTemplate; readonly about: SealedMail },
  ): Promise<{ readonly recipient: string; readonly token: string | undefined } | undefined> {
    const { perHour, link, isWanted } = HANDLING[template];
    const { userId, data } = about;
    const nowMs = this.#deps.nowMs();
    // Without an account: somebody asked for a link with an address that has none.
    const account = userId === undefined ? undefined : await findCredentials(tx, userId);
    if (account === undefined || !isWanted(account)) return undefined;
    const { recipient, tenantId } = mail;
    const sent = await countSentSince(tx, { recipient, template, sinceMs: nowMs - HOUR_MS });
    if (sent >= perHour) return undefined;
    if (link === undefined) return { recipient, token: undefined };
    const { email } = account; // a link goes where the account is, whatever was asked for
    const times = { nowMs, expiresAtMs: nowMs + link.lifetimeMs };
    const request = { purpose: link.purpose, tenantId, userId: account.userId, email, details: data, ...times };
    return { recipient: email, token: await issueOneTimeToken(tx, request) };
  }

  async #fail(mail: LeasedMail, error: unknown): Promise<void> {
    const { database, metrics, log, nowMs } = this.#deps;
    const { id, template, attempts } = mail;
    const code = error instanceof MailError ? error.code : 'EINTERNAL';
    const schedule = scheduleAfterFailure({ ...mail, nowMs: nowMs(), random: Math.random() });
    metrics.mail.failed.inc();
    if (schedule.kind === 'give-up' || (error instanceof MailError && error.isFinal)) {
      await database.inTenant(mail.tenantId, (tx) => markGivenUp(tx, { id, error: code, nowMs: nowMs() }));
      metrics.mail.givenUp.inc();
      log.error({ mailId: id, template, attempts, code }, 'a mail is given up');
      return;
    }
    await database.inTenant(mail.tenantId, (tx) => markFailed(tx, { id, error: code, nextAttemptAtMs: schedule.atMs }));
    log.warn({ mailId: id, template, attempts, code }, 'a mail has to wait');
  }
}

/** Returns the function that stops it, after the round that runs. */
export const startMailDelivery = (deps: DeliveryDeps): (() => Promise<void>) => {
  const delivery = new MailDelivery(deps);
  const stopping = new AbortController();
  const { signal } = stopping;
  let upkeepAtMs = 0;

  const once = async (): Promise<number> => {
    try {
      if (performance.now() >= upkeepAtMs) {
        upkeepAtMs = performance.now() + UPKEEP_MS;
        await delivery.upkeep();
      }
      return await delivery.round();
    } catch (error) {
      deps.log.debug({ error }, 'mails wait for the database');
      return 0;
    }
  };

  const run = async (): Promise<void> => {
    while (!signal.aborted) {
      const isMoreDue = (await once()) >= BATCH;
      if (!isMoreDue) await pause(POLL_MS * (0.5 + Math.random()), undefined, { signal }).catch(() => undefined);
    }
  };
  const running = run();

  return async () => {
    stopping.abort();
    // Whatever hangs then is left to its lease: a pod that is to go must not wait for a mail server.
    await Promise.race([running, pause(STOP_MS, undefined, { ref: false })]);
    deps.transport.close();
  };
};
