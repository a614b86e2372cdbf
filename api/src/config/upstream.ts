/** The auth service that stands behind this one, if any (upstream/proxy.ts). Part of config.ts. */
import { z } from 'zod';
import { flag, integer, variable } from './variable.ts';

const ID = /^[A-Za-z0-9][\w.-]{0,63}$/;
/** A header's value, and long enough not to be guessed. */
const SECRET = /^[\x21-\x7e]{16,512}$/;
const PATH = /^(\/[\w.~-]+)+$/;
const DOTS = /\/\.\.?(\/|$)/;

/** Nothing but a scheme, a host and a path: credentials and queries in it would travel to places where nobody looks for them. */
const isBase = (text: string): boolean => {
  if (!URL.canParse(text)) return false;
  const { protocol, username, password, search, hash, pathname } = new URL(text);
  const isPlain = [username, password, search, hash].every((part) => part === '') && !/[?#]/.test(text);
  return /^https?:$/.test(protocol) && isPlain && (pathname === '/' || PATH.test(pathname.replace(/\/$/, '')));
};

export const upstreamVariables = {
  AUTH_UPSTREAM_URL: variable(
    z
      .string()
      .default('')
      .refine(
        (text) => text === '' || isBase(text),
        'must be a URL that starts with http:// or https://, with a path at most: no user, query or fragment',
      ),
    'https://auth.example.com/api/v1/auth',
    'The auth service that answers `/api/auth/*`. A path in it takes the place of `/api/auth`; without one, paths stay as they are. Empty: this instance answers itself. See [login-proxy.md](login-proxy.md).',
  ),
  AUTH_UPSTREAM_SERVICE_ID: variable(
    z
      .string()
      .default('')
      .refine((text) => text === '' || ID.test(text), 'must be 1 to 64 letters, digits, dots, dashes or underscores'),
    'latchkey-proxy',
    'What this instance calls itself to the auth service, as `X-Service-ID`.',
  ),
  AUTH_UPSTREAM_SERVICE_SECRET: variable(
    z
      .string()
      .default('')
      .refine((text) => text === '' || SECRET.test(text), 'must be 16 to 512 visible ASCII characters, without spaces'),
    '"$(openssl rand -hex 32)"',
    'How it proves that, as `X-Service-Secret`.',
  ),
  AUTH_UPSTREAM_CONNECT_TIMEOUT_MS: variable(
    integer(50, 30_000).default(2_000),
    '2000',
    'How long a connection to the auth service may take, its name and TLS included.',
  ),
  AUTH_UPSTREAM_READ_TIMEOUT_MS: variable(
    integer(50, 60_000).default(5_000),
    '5000',
    'How long its whole answer may take once the request was sent.',
  ),
  AUTH_UPSTREAM_ATTEMPTS: variable(
    integer(1, 5).optional(),
    '3',
    'How often a request is tried at most, where a repetition is safe. Not set: 3 in staging, else 1.',
  ),
  AUTH_UPSTREAM_REPEATS_REFRESH: variable(
    flag.default(false),
    'true',
    'Whether the auth service answers a refresh token that comes again at once with the same successor, as Latchkey does. Only then is a refresh repeated whose answer was lost.',
  ),
  AUTH_UPSTREAM_HEALTH_PATH: variable(
    z
      .string()
      .default('/api/health/ready')
      .refine((text) => PATH.test(text) && !DOTS.test(text), 'must be a path'),
    '/api/health/ready',
    'What is asked in the background to know whether the auth service is there.',
  ),
  AUTH_UPSTREAM_VALIDATION_CACHE_MS: variable(
    integer(0, 800).default(800),
    '800',
    'How long a good answer of `validate` may be given again. At most 800, so that a revocation is seen within a second; 0 asks each time.',
  ),
};

const parsed = z.object(upstreamVariables);
type UpstreamEnvironment = z.infer<typeof parsed> & { readonly APP_ENV: 'development' | 'staging' | 'production' };

export interface UpstreamSettings {
  /** Without a path, or with one that does not end in a slash. */
  readonly url: string;
  readonly serviceId: string;
  readonly connectTimeoutMs: number;
  readonly readTimeoutMs: number;
  readonly attempts: number;
  readonly repeatsRefresh: boolean;
  readonly healthPath: string;
  readonly validationCacheMs: number;
}

export interface UpstreamConfig {
  /** undefined: `/api/auth/*` is this instance's own. */
  readonly upstream: UpstreamSettings | undefined;
}

/** The seed's figures. */
const ATTEMPTS = { development: 1, staging: 3, production: 1 } as const;

export const readUpstream = (env: UpstreamEnvironment): UpstreamConfig => ({
  upstream:
    env.AUTH_UPSTREAM_URL === ''
      ? undefined
      : {
          url: new URL(env.AUTH_UPSTREAM_URL).href.replace(/\/$/, ''),
          serviceId: env.AUTH_UPSTREAM_SERVICE_ID,
          connectTimeoutMs: env.AUTH_UPSTREAM_CONNECT_TIMEOUT_MS,
          readTimeoutMs: env.AUTH_UPSTREAM_READ_TIMEOUT_MS,
          attempts: env.AUTH_UPSTREAM_ATTEMPTS ?? ATTEMPTS[env.APP_ENV],
          repeatsRefresh: env.AUTH_UPSTREAM_REPEATS_REFRESH,
          healthPath: env.AUTH_UPSTREAM_HEALTH_PATH,
          validationCacheMs: env.AUTH_UPSTREAM_VALIDATION_CACHE_MS,
        },
});

const hostOf = (text: string): string | undefined => (URL.canParse(text) ? new URL(text).host : undefined);

/** An auth service that would refuse us, that nobody asks, or that we are ourselves. */
export const upstreamConflicts = ({
  AUTH_UPSTREAM_URL: url = '',
  AUTH_UPSTREAM_SERVICE_ID: id = '',
  AUTH_UPSTREAM_SERVICE_SECRET: secret = '',
  PUBLIC_URL: publicUrl = '',
}: NodeJS.ProcessEnv): readonly string[] => {
  const missing = (name: string, example: string): string =>
    `${name}: is missing, and AUTH_UPSTREAM_URL is set: the auth service would refuse every request; for example ${name}=${example}`;
  if (url === '')
    return id === '' && secret === ''
      ? []
      : [
          'AUTH_UPSTREAM_URL: is missing, and credentials for it are set; for example AUTH_UPSTREAM_URL=https://auth.example.com/api/v1/auth',
        ];
  return [
    ...(id === '' ? [missing('AUTH_UPSTREAM_SERVICE_ID', 'latchkey-proxy')] : []),
    ...(secret === '' ? [missing('AUTH_UPSTREAM_SERVICE_SECRET', '"$(openssl rand -hex 32)"')] : []),
    ...(hostOf(url) !== undefined && hostOf(url) === hostOf(publicUrl)
      ? [
          'AUTH_UPSTREAM_URL: is the host of PUBLIC_URL, so this instance would ask itself; for example AUTH_UPSTREAM_URL=https://auth-internal.example.com/api/v1/auth',
        ]
      : []),
  ];
};
