/** Listening, logging, stores. Part of config.ts. */
import { z } from 'zod';
import { flag, integer, list, url, variable } from './variable.ts';

const cidr = /^([0-9a-f.:]+)(\/\d{1,3})?$|^(loopback|linklocal|uniquelocal)$/i;

export const serverVariables = {
  PORT: variable(integer(0, 65_535).default(3000), '3000'),
  DATABASE_URL: variable(
    url(['postgres:', 'postgresql:']),
    'postgres://latchkey:password@db.example.com:5432/latchkey',
  ),
  REDIS_URL: variable(
    z
      .union([z.literal(''), url(['redis:', 'rediss:'])], {
        error: 'must be empty or a URL that starts with redis:// or rediss://',
      })
      .default(''),
    'redis://redis.example.com:6379',
  ),
  TRUST_PROXY: variable(
    list.pipe(z.array(z.string().regex(cidr, 'must be a comma list of addresses or CIDR ranges'))),
    '10.0.0.0/8',
  ),
  DEFAULT_ORGANIZATION: variable(z.string().min(1).default('default'), 'default'),
  APP_VERSION: variable(z.string().max(128).default('dev'), '1.2.3'),
  EXPOSE_VERSION: variable(flag.default(false), 'true'),
  LOG_LEVEL: variable(z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']).default('info'), 'info'),
  APP_ENV: variable(z.enum(['development', 'staging', 'production']).default('production'), 'production'),
  SHUTDOWN_GRACE_SECONDS: variable(integer(1, 600).default(25), '25'),
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
