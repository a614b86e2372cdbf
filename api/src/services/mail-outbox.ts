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
  | 'invitation'
  | 'password-changed'
  | 'new-login'
  | 'mfa-changed'
  | 'account-locked';

export interface OutgoingMail {
  readonly tenantId: string;
  readonly template: MailTemplate;
  /** undefined: nobody has the address. Such a mail is written like any other, so that a request looks the same, and never sent. */
  readonly userId: string | undefined;
  readonly recipient: string;
  /** For a template with a link: what the token brings back when it is used. */
  readonly data?: Readonly<Record<string, string>>;
}

/** In the caller's transaction. */
export type EnqueueMail = (tx: Transaction, mail: OutgoingMail) => Promise<void>;

/** What a box is bound to: moved to another row it does not open. */
export const mailContext = (id: string): string => `mail:${id}`;

export const createEnqueueMail =
  (boxes: SealedBoxes, nowMs: () => number): EnqueueMail =>
  async (tx, { userId, data = {}, ...mail }) => {
    const id = randomUUID();
    const sealed = boxes.seal(JSON.stringify({ userId, data }), mailContext(id));
    await insertMail(tx, { ...mail, id, sealed, nowMs: nowMs() });
  };

/** Where neither a mail server nor a folder is configured: nothing would ever send them. */
export const enqueueNothing: EnqueueMail = () => Promise.resolve();
