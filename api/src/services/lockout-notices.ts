/**
 * Tells owners that their account was closed to strangers, and forgets old budgets. Started by service.ts. In the background, because a mail
 * that is written with the fifth failure would make that answer slower for accounts that exist.
 */
import { z } from 'zod';
import { deleteOldBudgets, takeNotices } from '../db/attempt-budgets.ts';
import type { Database } from '../db/database.ts';
import type { Log } from '../log.ts';
import type { EnqueueMail } from './mail-outbox.ts';

export interface LockoutNoticeDeps {
  readonly database: Database;
  readonly enqueueMail: EnqueueMail;
  readonly log: Log;
  readonly nowMs: () => number;
}

const EVERY_MS = 5_000;
const NOTICES_A_ROUND = 100;
/** Longer than anything in core/guessing.ts remembers. */
const KEEP_MS = 3 * 24 * 3_600_000;

const organization = z.object({ id: z.uuid() });

/** One round over every organization. The row's flag is taken in the transaction that writes the mail: at most one mail a closing. */
export const sendLockoutNotices = async ({ database, enqueueMail, nowMs }: LockoutNoticeDeps): Promise<void> => {
  const rows = await database.query('SELECT id FROM public.organization ORDER BY id');
  for (const { id: tenantId } of z.array(organization).parse(rows)) {
    await database.inTenant(tenantId, async (tx) => {
      for (const { userId, email } of await takeNotices(tx, NOTICES_A_ROUND)) {
        const data = { at: new Date(nowMs()).toISOString() };
        await enqueueMail(tx, { tenantId, userId, template: 'account-locked', recipient: email, data });
      }
      await deleteOldBudgets(tx, nowMs() - KEEP_MS);
    });
  }
};

/** Returns the function that stops it, which resolves when nothing of it runs. A failed round is tried again with the next. */
export const startLockoutNotices = (deps: LockoutNoticeDeps): (() => Promise<void>) => {
  let timer: NodeJS.Timeout | undefined;
  let isStopped = false;
  let running = Promise.resolve();
  const round = (): void => {
    running = sendLockoutNotices(deps)
      .catch((error: unknown) => deps.log.warn({ error }, 'lockout notices wait for the next round'))
      .finally(() => {
        if (!isStopped) timer = setTimeout(round, EVERY_MS * (0.8 + Math.random() * 0.4)).unref();
      });
  };
  timer = setTimeout(round, EVERY_MS * Math.random()).unref();
  return async () => {
    isStopped = true;
    clearTimeout(timer);
    await running;
  };
};
