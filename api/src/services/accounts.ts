/** Puts the services on accounts and their passwords together. Called by service.ts. */
import type { Config } from '../config.ts';
import type { Passwords } from '../crypto/passwords.ts';
import type { Database } from '../db/database.ts';
import { createDefaultTenant } from './default-tenant.ts';
import type { Guessing } from './guessing.ts';
import { Invitations } from './invitations.ts';
import type { Login } from './login.ts';
import type { EnqueueMail } from './mail-outbox.ts';
import { NewPasswords } from './new-passwords.ts';
import { PasswordChanges } from './password-change.ts';
import { PasswordResets } from './password-reset.ts';
import { PasswordWriting } from './password-writing.ts';
import { Registrations } from './registration.ts';
import type { Sessions } from './sessions.ts';
import { Verifications } from './verification.ts';

export interface AccountDeps {
  readonly config: Config;
  readonly database: Database;
  readonly passwords: Passwords;
  readonly sessions: Sessions;
  readonly guessing: Guessing;
  readonly login: Login;
  readonly enqueueMail: EnqueueMail;
  readonly nowMs: () => number;
}

export interface Accounts {
  readonly registrations: Registrations;
  readonly verifications: Verifications;
  readonly passwordChanges: PasswordChanges;
  readonly passwordResets: PasswordResets;
  readonly invitations: Invitations;
}

export const createAccounts = ({ config, ...deps }: AccountDeps): Accounts => {
  const { passwordPolicy, isVerificationRequired } = config;
  const defaultTenant = createDefaultTenant(deps.database, config.organizationSlug);
  const newPasswords = new NewPasswords({ ...deps, passwordPolicy });
  const writing = new PasswordWriting({ ...deps, newPasswords });
  return {
    registrations: new Registrations({ ...deps, newPasswords, defaultTenant, isVerificationRequired }),
    verifications: new Verifications({ ...deps, newPasswords, defaultTenant }),
    passwordChanges: new PasswordChanges({ ...deps, writing, passwordPolicy }),
    passwordResets: new PasswordResets({ ...deps, writing, defaultTenant }),
    invitations: new Invitations({ ...deps, writing }),
  };
};
