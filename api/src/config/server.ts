/** Listening, logging, stores. Part of config.ts. */
import { z } from 'zod';
import { flag, integer, list, url, variable } from './variable.ts';

const cidr = /^([0-9a-f.:]+)(\/\d{1,3})?$|^(loopback|linklocal|uniquelocal)$/i;

export const serverVariables = {
  PORT: variable(integer(0, 65_535).default(3000), '3000', 'Where it listens; 0 takes any free port.'),
  DATABASE_URL: variable(
    url(['postgres:', 'postgresql:']),
    'postgres://latchkey:password@db.example.com:5432/latchkey',
    'PostgreSQL, as the login role of the API: neither owner nor superuser.',
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
    list.pipe(z.array(z.string().regex(cidr, 'must be a comma list of addresses or CIDR ranges'))),
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
