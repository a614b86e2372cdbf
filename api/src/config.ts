/**
 * The environment, parsed once. Called by main.ts, which prints every violation and exits 1. Secrets come back in an object of their own,
 * so that nobody logs them with the rest.
 */
import { z } from 'zod';
import { createSigningKeys, readPrivateKey, readPublicKeys, type SigningKeys } from './crypto/signing-keys.ts';

const flag = z.enum(['true', 'false']).transform((text) => text === 'true');

const key = z.string().transform((text, context) => {
  const bytes = Buffer.from(text, 'base64');
  if (bytes.length < 32) context.addIssue({ code: 'custom', message: 'must be base64 of at least 32 random bytes' });
  return bytes;
});

/** Text that `read` understands. Its error could quote the key, so it is dropped. */
const readable = <T>(read: (text: string) => T, message: string) =>
  z.string().transform((text, context) => {
    try {
      return read(text);
    } catch {
      context.addIssue({ code: 'custom', message });
      return z.NEVER;
    }
  });

const url = (protocols: readonly string[]) =>
  z.string().refine((text) => URL.canParse(text) && protocols.includes(new URL(text).protocol), {
    message: `must be a URL that starts with ${protocols.map((protocol) => `${protocol}//`).join(' or ')}`,
  });

const integer = (min: number, max: number) =>
  z.string().regex(/^\d+$/, 'must be a whole number').transform(Number).pipe(z.int().min(min).max(max));

const cidr = /^([0-9a-f.:]+)(\/\d{1,3})?$|^(loopback|linklocal|uniquelocal)$/i;

const environment = z.object({
  PORT: integer(0, 65_535).default(3000),
  DATABASE_URL: url(['postgres:', 'postgresql:']),
  REDIS_URL: z.union([z.literal(''), url(['redis:', 'rediss:'])]).default(''),
  JWT_PRIVATE_KEY: readable(readPrivateKey, 'must be a P-256 private key, as PEM or JWK'),
  JWT_VERIFICATION_KEYS: readable(readPublicKeys, 'must be a JWKS of P-256 public keys').optional(),
  JWT_ISSUER: z.string().min(1).default('latchkey'),
  JWT_AUDIENCE: z.string().min(1).default('latchkey'),
  REFRESH_TOKEN_KEY: key,
  PASSWORD_PEPPER: key,
  RATE_LIMIT_PER_MINUTE: integer(1, 10_000_000).optional(),
  TRUST_PROXY: z
    .string()
    .default('')
    .transform((text) =>
      text
        .split(',')
        .map((part) => part.trim())
        .filter(Boolean),
    )
    .pipe(z.array(z.string().regex(cidr, 'must be a comma list of addresses or CIDR ranges'))),
  DEFAULT_ORGANIZATION: z.string().min(1).default('default'),
  APP_VERSION: z.string().max(128).default('dev'),
  EXPOSE_VERSION: flag.default(false),
  LOG_LEVEL: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']).default('info'),
  APP_ENV: z.enum(['development', 'staging', 'production']).default('production'),
  BCRYPT_COST: integer(4, 15).default(12),
  AUTH_ROLLOUT_PERCENTAGE: integer(0, 100).default(100),
  SHUTDOWN_GRACE_SECONDS: integer(1, 600).default(25),
});

type Environment = z.infer<typeof environment>;

/** The runbook's figures a client and minute. */
const RATE_LIMITS = { development: 100, staging: 1_000, production: 5_000 } as const;

export interface Config {
  readonly port: number;
  readonly issuer: string;
  readonly audience: string;
  readonly rateLimitPerMinute: number;
  readonly trustedProxies: readonly string[];
  readonly organizationSlug: string;
  readonly version: string | undefined;
  readonly logLevel: Environment['LOG_LEVEL'];
  readonly appEnv: Environment['APP_ENV'];
  readonly bcryptCost: number;
  readonly rolloutPercentage: number;
  readonly shutdownGraceMs: number;
}

export interface Secrets {
  readonly databaseUrl: string;
  readonly redisUrl: string | undefined;
  readonly signingKeys: SigningKeys;
  readonly refreshTokenKey: Buffer;
  readonly passwordPepper: Buffer;
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

/** What one variable alone cannot know; read from the text, so that it is said together with everything else. */
const crossChecks = ({ APP_ENV = 'production', BCRYPT_COST = '12' }: NodeJS.ProcessEnv): readonly string[] =>
  APP_ENV === 'production' && Number(BCRYPT_COST) < 10
    ? ['BCRYPT_COST: must be at least 10 when APP_ENV is production']
    : [];

const violationsOf = (error: z.ZodError | undefined): readonly string[] =>
  (error?.issues ?? []).map((issue) => `${issue.path.join('.')}: ${issue.message}`);

/** @throws ConfigError with every violation. */
export const readConfig = (env: NodeJS.ProcessEnv): { readonly config: Config; readonly secrets: Secrets } => {
  const parsed = environment.safeParse(env);
  const violations = [...violationsOf(parsed.error), ...crossChecks(env)];
  if (!parsed.success || violations.length > 0) throw new ConfigError(violations);
  return present(parsed.data);
};

const present = (env: Environment): { readonly config: Config; readonly secrets: Secrets } => {
  return {
    config: {
      port: env.PORT,
      issuer: env.JWT_ISSUER,
      audience: env.JWT_AUDIENCE,
      rateLimitPerMinute: env.RATE_LIMIT_PER_MINUTE ?? RATE_LIMITS[env.APP_ENV],
      trustedProxies: env.TRUST_PROXY,
      organizationSlug: env.DEFAULT_ORGANIZATION,
      version: env.EXPOSE_VERSION ? env.APP_VERSION : undefined,
      logLevel: env.LOG_LEVEL,
      appEnv: env.APP_ENV,
      bcryptCost: env.BCRYPT_COST,
      rolloutPercentage: env.AUTH_ROLLOUT_PERCENTAGE,
      shutdownGraceMs: env.SHUTDOWN_GRACE_SECONDS * 1000,
    },
    secrets: {
      databaseUrl: env.DATABASE_URL,
      redisUrl: env.REDIS_URL === '' ? undefined : env.REDIS_URL,
      signingKeys: createSigningKeys(env.JWT_PRIVATE_KEY, env.JWT_VERIFICATION_KEYS),
      refreshTokenKey: env.REFRESH_TOKEN_KEY,
      passwordPepper: env.PASSWORD_PEPPER,
    },
  };
};
