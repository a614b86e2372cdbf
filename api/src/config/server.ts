/** Listening, logging, stores. Part of config.ts. */
import { isIP } from 'node:net';
import { z } from 'zod';
import { SSL_MODES } from '../db/connection.ts';
import { flag, integer, list, url, variable } from './variable.ts';

const NAMED_RANGE = /^(loopback|linklocal|uniquelocal)$/;

/** An address or a CIDR range; not the range of every address, which would believe whatever anybody says. */
const isRange = (text: string): boolean => {
  if (NAMED_RANGE.test(text)) return true;
  const [address = '', bits, ...rest] = text.split('/');
  const version = isIP(address);
  if (version === 0 || rest.length > 0) return false;
  return (
    bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) >= 1 && Number(bits) <= (version === 4 ? 32 : 128))
  );
};

export const serverVariables = {
  PORT: variable(integer(0, 65_535).default(3000), '3000', 'Where it listens; 0 takes any free port.'),
  DATABASE_URL: variable(
    url(['postgres:', 'postgresql:']).refine(
      (text) => !URL.canParse(text) || SSL_MODES.includes(new URL(text).searchParams.get('sslmode') ?? 'disable'),
      `has an sslmode that is none of ${SSL_MODES.join(', ')}`,
    ),
    'postgres://latchkey:password@db.example.com:5432/latchkey',
    'PostgreSQL, as the login role of the API: neither owner nor superuser. `sslmode=verify-full` (or `require`) encrypts and checks the certificate, against `sslrootcert` if that names a file.',
  ),
  REDIS_URL: variable(
    z
      .union([z.literal(''), url(['redis:', 'rediss:'])], {
        error: 'must be empty or a URL that starts with redis:// or rediss://',
      })
      .default(''),
    'redis://redis.example.com:6379',
    'Redis for cache, counters and revocation. Empty: limits count in the process and sessions are read from PostgreSQL.',
  ),
  TRUST_PROXY: variable(
    list.pipe(
      z.array(z.string().refine(isRange, 'must be a comma list of addresses or CIDR ranges, and not of every address')),
    ),
    '10.0.0.0/8',
    'Comma list of addresses or CIDR ranges whose `X-Forwarded-For` is believed. Behind a gateway set its range, or all clients share one budget.',
  ),
  DEFAULT_ORGANIZATION: variable(
    z.string().min(1).default('default'),
    'default',
    'Slug of the organization for requests that name none.',
  ),
  APP_VERSION: variable(
    z.string().max(128).default('dev'),
    '1.2.3',
    'What this build calls itself, in logs and where it is exposed.',
  ),
  EXPOSE_VERSION: variable(flag.default(false), 'true', 'Show `APP_VERSION` as `latchkey-version` on every answer.'),
  LOG_LEVEL: variable(
    z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']).default('info'),
    'info',
    'The least severe line that is logged.',
  ),
  APP_ENV: variable(
    z.enum(['development', 'staging', 'production']).default('production'),
    'production',
    'Sets the rate limits and how much an error tells; the strictest is the default.',
  ),
  SHUTDOWN_GRACE_SECONDS: variable(
    integer(1, 600).default(25),
    '25',
    "SIGTERM to exit; shorter than the pod's `terminationGracePeriodSeconds`.",
  ),
};

const parsed = z.object(serverVariables);
type ServerEnvironment = z.infer<typeof parsed>;

export interface ServerConfig {
  readonly port: number;
  readonly trustedProxies: readonly string[];
  readonly organizationSlug: string;
  readonly version: string | undefined;
  readonly logLevel: ServerEnvironment['LOG_LEVEL'];
  readonly appEnv: ServerEnvironment['APP_ENV'];
  readonly shutdownGraceMs: number;
}

export const readServer = (env: ServerEnvironment): ServerConfig => ({
  port: env.PORT,
  trustedProxies: env.TRUST_PROXY,
  organizationSlug: env.DEFAULT_ORGANIZATION,
  version: env.EXPOSE_VERSION ? env.APP_VERSION : undefined,
  logLevel: env.LOG_LEVEL,
  appEnv: env.APP_ENV,
  shutdownGraceMs: env.SHUTDOWN_GRACE_SECONDS * 1000,
});

/** A redirect that nobody can follow: over plain HTTP, or to plain HTTP, or with nobody who may say that it was HTTPS already. */
export const serverConflicts = ({
  HTTPS_REDIRECT = 'false',
  PUBLIC_URL = '',
  TRUST_PROXY = '',
}: NodeJS.ProcessEnv): readonly string[] => {
  if (HTTPS_REDIRECT !== 'true') return [];
  return [
    ...(PUBLIC_URL.startsWith('https://')
      ? []
      : [
          'PUBLIC_URL: must start with https:// when HTTPS_REDIRECT is true; for example PUBLIC_URL=https://auth.example.com',
        ]),
    ...(TRUST_PROXY.trim() === ''
      ? [
          'TRUST_PROXY: must name the gateway when HTTPS_REDIRECT is true, since only it knows what was HTTPS; for example TRUST_PROXY=10.0.0.0/8',
        ]
      : []),
  ];
};
