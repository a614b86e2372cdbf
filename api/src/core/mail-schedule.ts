/** When a mail that could not be sent is tried again, and when nobody tries any more. Called by mail/delivery.ts. */

export const GIVE_UP_AFTER_MS = 24 * 3_600_000;
const FIRST_DELAY_MS = 15_000;
const LONGEST_DELAY_MS = 3_600_000;

export type MailSchedule = { readonly kind: 'retry'; readonly atMs: number } | { readonly kind: 'give-up' };

export interface FailedMail {
  /** The failed one included. */
  readonly attempts: number;
  readonly createdAtMs: number;
  readonly nowMs: number;
  /** 0 to 1: a mail server that comes back must not meet everybody at once. */
  readonly random: number;
}

/** 15 s, doubled each time up to an hour, give or take a half. */
export const scheduleAfterFailure = ({ attempts, createdAtMs, nowMs, random }: FailedMail): MailSchedule => {
  const delayMs = Math.min(FIRST_DELAY_MS * 2 ** Math.min(attempts - 1, 20), LONGEST_DELAY_MS) * (0.5 + random);
  return nowMs - createdAtMs >= GIVE_UP_AFTER_MS ? { kind: 'give-up' } : { kind: 'retry', atMs: nowMs + delayMs };
};
