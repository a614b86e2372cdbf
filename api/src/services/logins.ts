/** Puts the parts of login, guessing and second factor together. Called by service.ts. */
import type { Config, Secrets } from '../config.ts';
import { createBackupCodes } from '../crypto/backup-codes.ts';
import { createDeviceTokens } from '../crypto/device-token.ts';
import type { Passwords } from '../crypto/passwords.ts';
import { createSealedBoxes } from '../crypto/sealed-box.ts';
import type { Database } from '../db/database.ts';
import type { Metrics } from '../metrics.ts';
import { createDefaultTenant } from './default-tenant.ts';
import { Guessing } from './guessing.ts';
import { Login } from './login.ts';
import type { EnqueueMail } from './mail-outbox.ts';
import { Mfa } from './mfa.ts';
import { Reauthentication } from './reauthentication.ts';
import { SecondFactor } from './second-factor.ts';
import type { Sessions } from './sessions.ts';

export interface LoginsDeps {
  readonly config: Config;
  readonly secrets: Secrets;
  readonly database: Database;
  readonly passwords: Passwords;
  readonly sessions: Sessions;
  readonly enqueueMail: EnqueueMail;
  readonly metrics: Metrics;
  readonly nowMs: () => number;
}

export interface Logins {
  readonly guessing: Guessing;
  readonly login: Login;
  readonly secondFactor: SecondFactor;
  readonly mfa: Mfa;
  readonly reauthentication: Reauthentication;
}

export const createLogins = ({ config, secrets, ...deps }: LoginsDeps): Logins => {
  const { encryptionKey, previousEncryptionKeys } = secrets;
  const { isVerificationRequired, passwordPolicy, mfaIssuer } = config;
  const boxes = createSealedBoxes(encryptionKey, previousEncryptionKeys);
  const backupCodes = createBackupCodes(encryptionKey, previousEncryptionKeys);
  const devices = createDeviceTokens([encryptionKey, ...previousEncryptionKeys]);
  const defaultTenant = createDefaultTenant(deps.database, config.organizationSlug);
  const guessing = new Guessing({ ...deps, config });
  const login = new Login({ ...deps, guessing, devices, defaultTenant, isVerificationRequired, passwordPolicy });
  const secondFactor = new SecondFactor({ ...deps, boxes, backupCodes, guessing, login, isVerificationRequired });
  const mfa = new Mfa({ ...deps, boxes, backupCodes, guessing, secondFactor, mfaIssuer });
  const reauthentication = new Reauthentication({ ...deps, guessing, secondFactor, isVerificationRequired });
  return { guessing, login, secondFactor, mfa, reauthentication };
};
