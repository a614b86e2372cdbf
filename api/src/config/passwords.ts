/** Passwords: what a hash costs and what a new one must be. Part of config.ts. */
import { z } from 'zod';
import { integer, key, olderKeys, variable } from './variable.ts';

export const passwordVariables = {
  BCRYPT_COST: variable(
    integer(4, 15).default(12),
    '12',
    'What a password hash costs: one more doubles the time. At least 10 in production.',
  ),
  PASSWORD_PEPPER: variable(
    key,
    '"$(openssl rand -base64 32)"',
    'Keys every password before it is hashed; at least 32 random bytes as base64. Losing it loses all passwords.',
  ),
  PASSWORD_PEPPERS_PREVIOUS: variable(
    olderKeys,
    '"<the pepper before>"',
    'Comma list of peppers before; a login moves its account to the new one.',
  ),
  PASSWORD_POLICY: variable(
    z.enum(['seed', 'nist']).default('seed'),
    'seed',
    '`seed`: complexity and expiry of the security plan; `nist`: length and blocklist of NIST SP 800-63B-4.',
  ),
};

const parsed = z.object(passwordVariables);
type PasswordEnvironment = z.infer<typeof parsed>;

export interface PasswordConfig {
  readonly bcryptCost: number;
  readonly passwordPolicy: PasswordEnvironment['PASSWORD_POLICY'];
}

export const readPasswords = (env: PasswordEnvironment): PasswordConfig => ({
  bcryptCost: env.BCRYPT_COST,
  passwordPolicy: env.PASSWORD_POLICY,
});

/** What one variable alone cannot know; read from the text, so that it is said together with everything else. */
export const passwordConflicts = ({
  APP_ENV = 'production',
  BCRYPT_COST = '12',
}: NodeJS.ProcessEnv): readonly string[] =>
  APP_ENV === 'production' && Number(BCRYPT_COST) < 10
    ? ['BCRYPT_COST: must be at least 10 when APP_ENV is production; for example BCRYPT_COST=12']
    : [];
