/** The way of a mail from the configuration: how one is written down, and what sends it. Called by service.ts. */
import type { Config, Secrets } from '../config.ts';
import { createSealedBoxes } from '../crypto/sealed-box.ts';
import type { Database } from '../db/database.ts';
import type { Log } from '../log.ts';
import type { Metrics } from '../metrics.ts';
import { createEnqueueMail, type EnqueueMail, enqueueNothing } from '../services/mail-outbox.ts';
import { startMailDelivery } from './delivery.ts';
import { readSmtpUrl } from './smtp-url.ts';
import { createFolderTransport, createSmtpTransport, type MailTransport } from './transport.ts';

export interface MailingDeps {
  readonly config: Config;
  readonly secrets: Secrets;
  readonly database: Database;
  readonly metrics: Metrics;
  readonly log: Log;
  readonly nowMs: () => number;
}

export interface Mailing {
  readonly enqueueMail: EnqueueMail;
  /** Begins to send; returns the function that stops it. */
  start(): () => Promise<void>;
}

const transportOf = (config: Config, smtpUrl: string | undefined): MailTransport | undefined => {
  if (smtpUrl !== undefined) return createSmtpTransport(readSmtpUrl(smtpUrl, config.appEnv), config.mailFrom);
  return config.mailFolder === undefined ? undefined : createFolderTransport(config.mailFolder, config.mailFrom);
};

const NO_MAILING: Mailing = { enqueueMail: enqueueNothing, start: () => () => Promise.resolve() };

/** What the configuration allows and production should not have. */
const warn = ({ appEnv, isVerificationRequired }: Config, hasTransport: boolean, log: Log): void => {
  if (!hasTransport) log.warn('no mail is sent: SMTP_URL and MAIL_FOLDER are empty');
  if (appEnv === 'production' && !isVerificationRequired) {
    log.warn('EMAIL_VERIFICATION is optional: whoever registers an address need not own it');
  }
};

export const createMailing = ({ config, secrets, database, metrics, log, nowMs }: MailingDeps): Mailing => {
  const transport = transportOf(config, secrets.smtpUrl);
  warn(config, transport !== undefined, log);
  if (transport === undefined) return NO_MAILING;
  const boxes = createSealedBoxes(secrets.encryptionKey, secrets.previousEncryptionKeys);
  return {
    enqueueMail: createEnqueueMail(boxes, nowMs),
    start: () => startMailDelivery({ database, boxes, transport, metrics, log, publicUrl: config.publicUrl, nowMs }),
  };
};
