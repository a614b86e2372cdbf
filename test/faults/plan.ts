// The faults that the test image can have, and the small machine that decides for each request. Called by main.ts of this
// folder; never part of the product. Pure: time and dice come in.
import { z } from 'zod';

const ratio = z.number().min(0).max(1);
/** The fault begins once the pod has served this many requests within a second: "once it carries 25 %". 0: at once. */
const afterRps = z.number().min(0).default(0);
const count = z.int().min(1).max(1_000);

export const faultPlan = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('none') }),
  /** This share of all requests is answered with a 500. */
  z.strictObject({ kind: z.literal('error'), ratio, afterRps }),
  /** This share of the logins is refused though the password is right. */
  z.strictObject({ kind: z.literal('login-error'), ratio, afterRps }),
  /** This share of all requests waits before it is served. */
  z.strictObject({ kind: z.literal('latency'), ratio, delayMs: z.number().min(0), afterRps }),
  /** Something is counted that no request does by itself; the requests are served. */
  z.strictObject({ kind: z.literal('signal'), signal: z.enum(['complaints', 'dataLoss', 'databaseErrors']), count }),
  /** The process ends without an answer. */
  z.strictObject({ kind: z.literal('crash'), afterRps }),
]);

export type FaultPlan = z.infer<typeof faultPlan>;

export type Deed =
  | { readonly kind: 'serve' }
  | { readonly kind: 'fail' }
  | { readonly kind: 'spoil-password' }
  | { readonly kind: 'delay'; readonly delayMs: number }
  | { readonly kind: 'crash' };

export interface Asked {
  readonly path: string;
  readonly nowMs: number;
  /** 0 ≤ dice < 1 */
  readonly dice: number;
}

export interface Faults {
  decide(asked: Asked): Deed;
}

const windowMs = 1_000;
const serve: Deed = { kind: 'serve' };

/** Once armed, a plan stays armed: a broken version does not heal when its traffic goes away. */
export function createFaults(plan: FaultPlan): Faults {
  const recent: number[] = [];
  if (plan.kind === 'none' || plan.kind === 'signal') return { decide: () => serve };
  let isArmed = plan.afterRps === 0;
  return {
    decide: ({ path, nowMs, dice }) => {
      if (!isArmed) {
        recent.push(nowMs);
        while ((recent[0] ?? nowMs) <= nowMs - windowMs) recent.shift();
        isArmed = recent.length >= plan.afterRps;
      }
      return isArmed ? deedOf(plan, path, dice) : serve;
    },
  };
}

function deedOf(plan: Exclude<FaultPlan, { kind: 'none' | 'signal' }>, path: string, dice: number): Deed {
  switch (plan.kind) {
    case 'error':
      return dice < plan.ratio ? { kind: 'fail' } : serve;
    case 'login-error':
      return path === '/api/v1/auth/login' && dice < plan.ratio ? { kind: 'spoil-password' } : serve;
    case 'latency':
      return dice < plan.ratio ? { kind: 'delay', delayMs: plan.delayMs } : serve;
    case 'crash':
      return { kind: 'crash' };
  }
}
