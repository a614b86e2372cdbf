/**
 * What is set, and what is weaker than it could be: names and sentences, never a value. Made by config.ts while it still has the environment;
 * shown by routes/diagnostics.ts. What is contradictory or dangerous does not start at all; this is about the rest.
 */
export interface ConfigDiagnosis {
  readonly variables: readonly { readonly name: string; readonly isSet: boolean }[];
  readonly weaknesses: readonly { readonly name: string; readonly message: string }[];
}

/** The part of the configuration that can be weak. */
interface Judged {
  readonly appEnv: string;
  readonly bcryptCost: number;
  readonly isVerificationRequired: boolean;
  readonly redirectsToHttps: boolean;
  readonly publicUrl: string;
  readonly allowedOrigins: readonly string[];
  readonly trustedProxies: readonly string[];
  readonly rateLimitPerMinute: number;
  readonly upstream: { readonly url: string } | undefined;
}

interface JudgedSecrets {
  readonly databaseUrl: string;
  readonly redisUrl: string | undefined;
  readonly smtpUrl: string | undefined;
}

const MIN_COST = 12;
const MANY_PER_MINUTE = 50_000;

const isLocal = (url: string): boolean => /^(localhost|127\.|\[::1\])/.test(new URL(url).hostname);

const ofTransport = (config: Judged, secrets: JudgedSecrets): readonly [boolean, string, string][] => [
  [config.publicUrl.startsWith('http:'), 'PUBLIC_URL', 'is not HTTPS: links in mails can be read on their way'],
  [!config.redirectsToHttps, 'HTTPS_REDIRECT', 'is off: right only where something before this service does it'],
  [
    config.allowedOrigins.some((origin) => origin.startsWith('http:')),
    'ALLOWED_ORIGINS',
    'has an origin without HTTPS',
  ],
  [
    !isLocal(secrets.databaseUrl) && !/[?&]sslmode=(require|verify)/.test(secrets.databaseUrl),
    'DATABASE_URL',
    'does not ask for TLS',
  ],
  [
    secrets.redisUrl !== undefined && !isLocal(secrets.redisUrl) && !secrets.redisUrl.startsWith('rediss:'),
    'REDIS_URL',
    'does not ask for TLS',
  ],
  [
    config.upstream !== undefined && !isLocal(config.upstream.url) && !config.upstream.url.startsWith('https:'),
    'AUTH_UPSTREAM_URL',
    'is not HTTPS: passwords and the service secret can be read on their way',
  ],
];

const ofPolicies = (config: Judged, secrets: JudgedSecrets): readonly [boolean, string, string][] => [
  [config.bcryptCost < MIN_COST, 'BCRYPT_COST', `is below ${MIN_COST}`],
  [!config.isVerificationRequired, 'EMAIL_VERIFICATION', 'is optional: anybody can register with any address'],
  [secrets.smtpUrl === undefined, 'SMTP_URL', 'is not set: mails are written to a folder'],
  [secrets.redisUrl === undefined, 'REDIS_URL', 'is not set: every pod counts its own rate limits'],
  [config.trustedProxies.length === 0, 'TRUST_PROXY', 'is empty: behind a gateway every client has its address'],
  [config.rateLimitPerMinute > MANY_PER_MINUTE, 'RATE_LIMIT_PER_MINUTE', 'limits nobody'],
];

/** Weaknesses are named in every environment; only in staging and production do they make the service `degraded`. */
export const diagnoseConfig = (
  env: NodeJS.ProcessEnv,
  names: readonly string[],
  { config, secrets }: { readonly config: Judged; readonly secrets: JudgedSecrets },
): ConfigDiagnosis => ({
  variables: names.toSorted().map((name) => ({ name, isSet: (env[name] ?? '') !== '' })),
  weaknesses: [...ofTransport(config, secrets), ...ofPolicies(config, secrets)].flatMap(([isWeak, name, message]) =>
    isWeak ? [{ name, message }] : [],
  ),
});
