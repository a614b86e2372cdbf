/** What a login comes to, once account and password are known. Called by services/login.ts. */
import { isPasswordExpired, type PasswordProfile } from './password-policy.ts';

/** The account as a login sees it. Times in milliseconds. */
export interface LoginState {
  readonly isActive: boolean;
  readonly isVerified: boolean;
  readonly hasSecondFactor: boolean;
  readonly mustChangePassword: boolean;
  readonly passwordChangedAtMs: number | undefined;
  readonly passwordExpiresAtMs: number | undefined;
}

/** Why nobody gets in: for the audit trail alone, since the client is told one and the same. */
export type LoginRefusal = 'unknown-account' | 'disabled' | 'unverified' | 'wrong-password' | 'locked';

export interface LoginPolicy {
  readonly isVerificationRequired: boolean;
}

/** undefined: nothing speaks against it. A locked budget is judged apart (core/guessing.ts). */
export const refusalOf = (
  account: LoginState | undefined,
  isPasswordRight: boolean,
  { isVerificationRequired }: LoginPolicy,
): LoginRefusal | undefined => {
  if (account === undefined) return 'unknown-account';
  if (!isPasswordRight) return 'wrong-password';
  if (!account.isActive) return 'disabled';
  return isVerificationRequired && !account.isVerified ? 'unverified' : undefined;
};

export type LoginStep = 'change-password' | 'second-factor' | 'session';

/** What comes after the right password of an account that may log in. */
export const stepAfterPassword = (account: LoginState, profile: PasswordProfile, nowMs: number): LoginStep => {
  const age = {
    changedAtMs: account.passwordChangedAtMs,
    expiresAtMs: account.passwordExpiresAtMs,
    mustChange: account.mustChangePassword,
  };
  if (isPasswordExpired(age, profile, nowMs)) return 'change-password';
  return account.hasSecondFactor ? 'second-factor' : 'session';
};
