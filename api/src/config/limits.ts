/** How many requests a client may send, by policy. Part of config.ts. */
import { z } from 'zod';
import { integer, variable } from './variable.ts';

export const limitVariables = {
  RATE_LIMIT_PER_MINUTE: variable(
    integer(1, 10_000_000).optional(),
    '5000',
    'Requests a client address and minute. Not set: 100 in development, 1,000 in staging, 5,000 in production. An IPv6 /56 is one client.',
  ),
  RATE_LIMIT_LOGIN_PER_MINUTE: variable(
    integer(1, 10_000_000).optional(),
    '30',
    'Logins a client address and minute. Not set: `RATE_LIMIT_PER_MINUTE` where that is set, else 30.',
  ),
  RATE_LIMIT_REGISTRATION_PER_HOUR: variable(
    integer(1, 10_000_000).optional(),
    '20',
    'Registrations a client address and hour. Not set: `RATE_LIMIT_PER_MINUTE` where that is set, else 20.',
  ),
  RATE_LIMIT_RESET_PER_HOUR: variable(
    integer(1, 10_000_000).optional(),
    '10',
    'Password resets a client address and hour. Not set: `RATE_LIMIT_PER_MINUTE` where that is set, else 10.',
  ),
};

const parsed = z.object(limitVariables);
type LimitEnvironment = z.infer<typeof parsed> & { readonly APP_ENV: 'development' | 'staging' | 'production' };

/** The runbook's figures a client and minute. */
const PER_MINUTE = { development: 100, staging: 1_000, production: 5_000 } as const;

export interface LimitConfig {
  readonly rateLimitPerMinute: number;
  readonly loginLimitPerMinute: number;
  readonly registrationLimitPerHour: number;
  readonly resetLimitPerHour: number;
}

/** A limit for everything that is set by hand sets the others too: who raises it for a load test has one client. */
export const readLimits = (env: LimitEnvironment): LimitConfig => ({
  rateLimitPerMinute: env.RATE_LIMIT_PER_MINUTE ?? PER_MINUTE[env.APP_ENV],
  loginLimitPerMinute: env.RATE_LIMIT_LOGIN_PER_MINUTE ?? env.RATE_LIMIT_PER_MINUTE ?? 30,
  registrationLimitPerHour: env.RATE_LIMIT_REGISTRATION_PER_HOUR ?? env.RATE_LIMIT_PER_MINUTE ?? 20,
  resetLimitPerHour: env.RATE_LIMIT_RESET_PER_HOUR ?? env.RATE_LIMIT_PER_MINUTE ?? 10,
});

/** A limit of its own that is wider than the general one would never be reached: it would look like a protection and be none. */
export const limitConflicts = ({
  RATE_LIMIT_PER_MINUTE = '',
  RATE_LIMIT_LOGIN_PER_MINUTE = '',
}: NodeJS.ProcessEnv): readonly string[] =>
  RATE_LIMIT_PER_MINUTE !== '' && Number(RATE_LIMIT_LOGIN_PER_MINUTE) > Number(RATE_LIMIT_PER_MINUTE)
    ? [
        'RATE_LIMIT_LOGIN_PER_MINUTE: is above RATE_LIMIT_PER_MINUTE, which counts logins too, so it would never hold; for example RATE_LIMIT_LOGIN_PER_MINUTE=30',
      ]
    : [];
