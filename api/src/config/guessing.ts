/** Guessing: how many failures close a budget, for how long, and what waits there are before. Part of config.ts. */
import { z } from 'zod';
import { integer, variable } from './variable.ts';

export const guessingVariables = {
  LOCKOUT_FAILURES: variable(
    integer(1, 100).default(5),
    '5',
    'Failures in a row that close an account to clients it does not know.',
  ),
  LOCKOUT_MINUTES: variable(
    integer(1, 1_440).default(30),
    '30',
    'How long it stays closed; twice as long for each further time in a row, a day at most.',
  ),
  LOCKOUT_BACKOFF_MS: variable(
    integer(0, 60_000).default(1_000),
    '1000',
    'The wait after the second failure in a row, in milliseconds; it doubles with each further one. 0: none.',
  ),
  LOCKOUT_ADDRESS_FAILURES: variable(
    integer(5, 10_000_000).default(100),
    '100',
    'Failures of one client address over all accounts, within the time of a lockout, that make it wait.',
  ),
  MFA_ISSUER: variable(
    z
      .string()
      .regex(/^[^:%]{1,64}$/, 'must be 1 to 64 characters without : and %')
      .default('Latchkey'),
    'Example',
    'The name that authenticator apps show beside the code.',
  ),
};

const parsed = z.object(guessingVariables);
type GuessingEnvironment = z.infer<typeof parsed>;

export interface GuessingConfig {
  readonly lockoutFailures: number;
  readonly lockoutMs: number;
  readonly backoffMs: number;
  readonly addressFailures: number;
  readonly mfaIssuer: string;
}

export const readGuessing = (env: GuessingEnvironment): GuessingConfig => ({
  lockoutFailures: env.LOCKOUT_FAILURES,
  lockoutMs: env.LOCKOUT_MINUTES * 60_000,
  backoffMs: env.LOCKOUT_BACKOFF_MS,
  addressFailures: env.LOCKOUT_ADDRESS_FAILURES,
  mfaIssuer: env.MFA_ISSUER,
});
