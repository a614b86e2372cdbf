/**
 * Mails are written into the transaction of what they tell about, and sent by mail/delivery.ts: no mail about what was rolled back, none
 * lost with a crash, and no request waits for a mail server (a request that does is a clock that tells who has an account).
 */
import { randomUUID } from 'node:crypto';
import type { SealedBoxes } from '../crypto/sealed-box.ts';
import type { Transaction } from '../db/database.ts';
import { insertMail } from '../db/mail-outbox.ts';

/** mail/templates.ts says what each needs in `data`. */
export type MailTemplate =
  | 'verify-email'
  | 'account-exists'
  | 'reset-password'
  | 'password-changed'
  | 'new-login'
  | 'mfa-changed'
  | 'account-locked';

export interface OutgoingMail {
  readonly tenantId: string;
  readonly template: MailTemplate;
  readonly recipient: string;
  readonly data: Readonly<Record<string, string>>;
}

/** In the caller's transaction. */
export type EnqueueMail = (tx: Transaction, mail: OutgoingMail) => Promise<void>;

/** What a box is bound to: moved to another row it does not open. */
export const mailContext = (id: string): string => `mail:${id}`;

export const createEnqueueMail =
  (boxes: SealedBoxes, nowMs: () => number): EnqueueMail =>
  async (tx, { data, ...mail }) => {
    const id = randomUUID();
    await insertMail(tx, { ...mail, id, sealed: boxes.seal(JSON.stringify(data), mailContext(id)), nowMs: nowMs() });
  };
