/**
 * The environment, parsed once. Called by main.ts, which prints every violation and exits 1. An area of the configuration is a file in config/.
 * Secrets come back in an object of their own, so that nobody logs them with the rest.
 */
import { z } from 'zod';
import { type AuditConfig, type AuditKeyring, auditVariables, readAudit, readAuditKeys } from './config/audit.ts';
import { type BrowserConfig, browserConflicts, browserVariables, readBrowser } from './config/browser.ts';
import { type ConfigDiagnosis, diagnoseConfig } from './config/diagnosis.ts';
import { type GuessingConfig, guessingVariables, readGuessing } from './config/guessing.ts';
import { type LimitConfig, limitConflicts, limitVariables, readLimits } from './config/limits.ts';
import { type MailConfig, mailConflicts, mailVariables, readMail } from './config/mail.ts';
import { type ModeConfig, modeVariables, readModes } from './config/modes.ts';
import { type PasswordConfig, passwordConflicts, passwordVariables, readPasswords } from './config/passwords.ts';
import { readServer, type ServerConfig, serverConflicts, serverVariables } from './config/server.ts';
import { readServiceKeys, type ServiceKeys, serviceVariables } from './config/services.ts';
import { readTokens, type TokenConfig, tokenConflicts, tokenVariables } from './config/tokens.ts';
import { readUpstream, type UpstreamConfig, upstreamConflicts, upstreamVariables } from './config/upstream.ts';
import { createSigningKeys, type SigningKeys } from './crypto/signing-keys.ts';

/** Every variable that is read; docs/api.md and the chart's values are held against it. */
export const environment = z.object({
  ...serverVariables,
  ...tokenVariables,
  ...passwordVariables,
  ...guessingVariables,
  ...mailVariables,
  ...limitVariables,
  ...modeVariables,
  ...browserVariables,
  ...serviceVariables,
  ...auditVariables,
  ...upstreamVariables,
});

type Environment = z.infer<typeof environment>;

export interface Config
  extends ServerConfig,
    TokenConfig,
    PasswordConfig,
    GuessingConfig,
    MailConfig,
    LimitConfig,
    ModeConfig,
    BrowserConfig,
    AuditConfig,
    UpstreamConfig {
  /** Names and sentences, never a value. */
  readonly diagnosis: ConfigDiagnosis;
}

export interface Secrets {
  readonly databaseUrl: string;
  readonly redisUrl: string | undefined;
  readonly smtpUrl: string | undefined;
  readonly signingKeys: SigningKeys;
  readonly refreshTokenKey: Buffer;
  readonly passwordPepper: Buffer;
  readonly previousPeppers: readonly Buffer[];
  readonly serviceKeys: ServiceKeys;
  readonly encryptionKey: Buffer;
  readonly previousEncryptionKeys: readonly Buffer[];
  readonly auditKeys: AuditKeyring;
  readonly upstreamServiceSecret: string;
}

/** Every violation at once, one line each, with no value in it. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly code = 'config-invalid';
  readonly violations: readonly string[];

  constructor(violations: readonly string[]) {
    super(`the configuration has ${violations.length} violation(s)`);
    this.violations = violations;
  }
}

const variables: Readonly<Record<string, z.ZodType>> = environment.shape;

/** The example of a variable that has one. */
const exampleOf = (name: string): string => {
  const example = variables[name]?.meta()?.['example'];
  return typeof example === 'string' ? `; for example ${name}=${example}` : '';
};

const violationsOf = (error: z.ZodError | undefined): readonly string[] =>
  (error?.issues ?? []).map((issue) => {
    const name = String(issue.path[0]);
    return `${name}: ${issue.message}${exampleOf(name)}`;
  });

/** @throws ConfigError with every violation. */
export const readConfig = (env: NodeJS.ProcessEnv): { readonly config: Config; readonly secrets: Secrets } => {
  const parsed = environment.safeParse(env);
  const violations = [
    ...violationsOf(parsed.error),
    ...browserConflicts(env),
    ...limitConflicts(env),
    ...mailConflicts(env),
    ...passwordConflicts(env),
    ...serverConflicts(env),
    ...tokenConflicts(env),
    ...upstreamConflicts(env),
  ];
  if (!parsed.success || violations.length > 0) throw new ConfigError(violations);
  const config = present(parsed.data);
  const secrets = presentSecrets(parsed.data);
  const diagnosis = diagnoseConfig(env, Object.keys(variables), { config, secrets });
  return { config: { ...config, diagnosis }, secrets };
};

const present = (env: Environment): Omit<Config, 'diagnosis'> => ({
  ...readServer(env),
  ...readTokens(env),
  ...readPasswords(env),
  ...readGuessing(env),
  ...readMail(env),
  ...readLimits(env),
  ...readModes(env),
  ...readBrowser(env),
  ...readAudit(env),
  ...readUpstream(env),
});

const presentSecrets = (env: Environment): Secrets => ({
  databaseUrl: env.DATABASE_URL,
  redisUrl: env.REDIS_URL === '' ? undefined : env.REDIS_URL,
  smtpUrl: env.SMTP_URL === '' ? undefined : env.SMTP_URL,
  signingKeys: createSigningKeys(env.JWT_PRIVATE_KEY, env.JWT_VERIFICATION_KEYS),
  refreshTokenKey: env.REFRESH_TOKEN_KEY,
  passwordPepper: env.PASSWORD_PEPPER,
  previousPeppers: env.PASSWORD_PEPPERS_PREVIOUS,
  serviceKeys: readServiceKeys(env),
  encryptionKey: env.ENCRYPTION_KEY,
  previousEncryptionKeys: env.ENCRYPTION_KEYS_PREVIOUS,
  auditKeys: readAuditKeys(env),
  upstreamServiceSecret: env.AUTH_UPSTREAM_SERVICE_SECRET,
});
