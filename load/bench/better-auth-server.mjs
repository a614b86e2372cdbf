// Better Auth 1.7.24 as its documentation sets it up, on node:http, which is the lightest server it has. Copied beside its own node_modules
// by better-auth.ts and run there. MODE: database | cookie | redis.
import { createServer } from 'node:http';
import { betterAuth } from 'better-auth';
import { getMigrations } from 'better-auth/db/migration';
import { toNodeHandler } from 'better-auth/node';
import { Redis } from 'ioredis';
import { Pool } from 'pg';

const { PORT, DATABASE_URL, REDIS_URL, MODE } = process.env;
const redis = MODE === 'redis' ? new Redis(REDIS_URL, { enableAutoPipelining: true }) : undefined;

const auth = betterAuth({
  baseURL: `http://127.0.0.1:${PORT}`,
  secret: process.env.SECRET,
  database: new Pool({ connectionString: DATABASE_URL, max: 20 }),
  emailAndPassword: { enabled: true },
  session: { cookieCache: { enabled: MODE === 'cookie', maxAge: 3600 } },
  rateLimit: { enabled: false },
  telemetry: { enabled: false },
  logger: { level: 'error' },
  ...(redis === undefined
    ? {}
    : {
        secondaryStorage: {
          get: (key) => redis.get(key),
          set: (key, value, ttl) => (ttl ? redis.set(key, value, 'EX', ttl) : redis.set(key, value)),
          delete: (key) => redis.del(key),
        },
      }),
});

await (await getMigrations(auth.options)).runMigrations();
createServer(toNodeHandler(auth)).listen(Number(PORT));
