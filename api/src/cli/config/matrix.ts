/**
 * The runbook's matrix of environments: which value a setting has where, and which values are unsafe there. Pure. Read by rules.ts; the limits of the
 * service itself are in api/src/config/limits.ts.
 */

export type Environment = 'development' | 'staging' | 'production';
export const ENVIRONMENTS: readonly Environment[] = ['development', 'staging', 'production'];

type Env = Readonly<Record<string, string | undefined>>;

interface MatrixRule {
  readonly name: string;
  /** What the matrix sets. */
  readonly wanted: string;
  /** Why the value is unsafe; undefined where it is not. */
  readonly unsafe: (value: string | undefined, env: Env) => string | undefined;
}

const atMost =
  (limit: number) =>
  (value: string | undefined): string | undefined =>
    Number(value) > limit ? `is above the ${limit} a client and minute of this environment` : undefined;

const notOff =
  (why: string) =>
  (value: string | undefined): string | undefined =>
    value === 'false' ? why : undefined;

const tooTalkative = (value: string | undefined): string | undefined =>
  value === 'debug' || value === 'trace'
    ? 'is more than production logs: the disk fills, and so does the bill'
    : undefined;

/** Without the operator nobody raises it step by step, so what is written here is what users get at once. */
const atOnce = (value: string | undefined, { AUTH_ROLLOUT_URL = '' }: Env): string | undefined =>
  value === undefined && AUTH_ROLLOUT_URL === ''
    ? 'is not set, and neither is AUTH_ROLLOUT_URL: everybody gets a new version at once'
    : undefined;

const notEverybody = (value: string | undefined): string | undefined =>
  value !== undefined && Number(value) < 100 ? 'is below 100: not all of the staging users are tested' : undefined;

const FLAG_OFF = 'is off: nobody gets authentication';

export const MATRIX: Readonly<Record<Environment, readonly MatrixRule[]>> = {
  development: [{ name: 'RATE_LIMIT_PER_MINUTE', wanted: '100', unsafe: () => undefined }],
  staging: [
    { name: 'AUTH_FEATURE_FLAG_ENABLED', wanted: 'true', unsafe: notOff(FLAG_OFF) },
    { name: 'AUTH_ROLLOUT_PERCENTAGE', wanted: '100', unsafe: notEverybody },
    { name: 'RATE_LIMIT_PER_MINUTE', wanted: '1000', unsafe: atMost(1_000) },
  ],
  production: [
    { name: 'AUTH_FEATURE_FLAG_ENABLED', wanted: 'true', unsafe: notOff(FLAG_OFF) },
    { name: 'AUTH_ROLLOUT_PERCENTAGE', wanted: '5', unsafe: atOnce },
    { name: 'LOG_LEVEL', wanted: 'info', unsafe: tooTalkative },
    { name: 'RATE_LIMIT_PER_MINUTE', wanted: '5000', unsafe: atMost(5_000) },
  ],
};

/** The runbook's names for what has another name here, or none. */
export const RUNBOOK_NAMES: Readonly<Record<string, string>> = {
  NEON_DATABASE_URL: 'DATABASE_URL',
  RATE_LIMIT_MAX_REQUESTS: 'RATE_LIMIT_PER_MINUTE',
  SESSION_SECRET: 'REFRESH_TOKEN_KEY',
  SENTRY_ENVIRONMENT: 'APP_ENV',
};
