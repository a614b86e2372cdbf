/** Whether PostgreSQL can be used as the service uses it. Part of the list in ../doctor.ts. */
import { z } from 'zod';
import { CONNECTIONS_PER_POD } from '../../db/database.ts';
import { type Check, fail, faultsOr, type Outcome, ok, Skip, warn } from './check.ts';
import type { Installation } from './installation.ts';

const SQLSTATE = /^[0-9A-Z]{5}$/;
/** Invalid password; invalid authorization: no such role, or no line of pg_hba.conf. */
const REFUSED_LOGIN = new Set(['28P01', '28000']);

const fields = (error: unknown): { readonly code: string; readonly message: string } => {
  if (error instanceof AggregateError) return fields(error.errors[0]);
  if (!(error instanceof Error)) return { code: '', message: 'no answer' };
  return {
    code: 'code' in error && typeof error.code === 'string' ? error.code : '',
    message: error.message,
  };
};

/** undefined when it answered. */
const connectionError = async (installation: Installation) => {
  try {
    await installation.connect();
    return undefined;
  } catch (error) {
    if (error instanceof Skip) throw error;
    return fields(error);
  }
};

const placeOf = (installation: Installation) => {
  const { hostname, port, username, pathname } = new URL(installation.read('DATABASE_URL'));
  return {
    host: hostname,
    port: port === '' ? '5432' : port,
    role: decodeURIComponent(username),
    name: decodeURIComponent(pathname.slice(1)),
  };
};

const ofTls = (code: string, message: string): Outcome | undefined => {
  if (message.includes('does not support SSL'))
    return fail(
      'PostgreSQL does not offer TLS, which DATABASE_URL asks for',
      'switch it on in postgresql.conf: ssl = on, ssl_cert_file, ssl_key_file',
    );
  if (!/CERT|SELF_SIGNED|TLS|UNABLE_TO/.test(code)) return undefined;
  return fail(
    `the certificate of PostgreSQL is not believed (${code})`,
    'name the authority that signed it: DATABASE_URL=…?sslmode=verify-full&sslrootcert=/path/to/ca.pem',
  );
};

const reachable: Check = {
  id: 'database',
  looksAt: 'PostgreSQL answers at DATABASE_URL',
  look: async (installation) => {
    const { host, port } = placeOf(installation);
    const error = await connectionError(installation);
    if (error === undefined || SQLSTATE.test(error.code)) return ok(`PostgreSQL answers at ${host}:${port}`);
    const how = error.code === '' ? error.message : error.code;
    return (
      ofTls(error.code, error.message) ??
      fail(
        `nobody answers as PostgreSQL at ${host}:${port} (${how})`,
        `start it, or correct host and port in DATABASE_URL; pg_isready --host ${host} --port ${port} says when it answers`,
      )
    );
  },
};

const login: Check = {
  id: 'database-login',
  looksAt: 'PostgreSQL takes the role and the database of DATABASE_URL',
  look: async (installation) => {
    const { role, name } = placeOf(installation);
    const error = await connectionError(installation);
    if (error === undefined) return ok(`role ${role} is let into database ${name}`);
    if (!SQLSTATE.test(error.code)) throw new Skip('the database does not answer: see database');
    if (REFUSED_LOGIN.has(error.code))
      return fail(
        `PostgreSQL refuses role ${role} (${error.code}): wrong password, no such role, or no line of pg_hba.conf lets it in`,
        `give both sides one password: ALTER ROLE "${role}" LOGIN PASSWORD '…', and the same in DATABASE_URL; latchkey db migrate makes a role that is missing`,
      );
    if (error.code === '3D000')
      return fail(`there is no database ${name}`, `CREATE DATABASE "${name}"; then latchkey db migrate`);
    if (error.code === '53300')
      return fail('PostgreSQL has no connection left', 'see connections: raise max_connections, or lower the pods');
    return fail(`PostgreSQL refuses the connection (${error.code})`, 'read the log of PostgreSQL for this code');
  },
};

const writableRow = z.object({ recovering: z.boolean(), read_only: z.boolean() });

const writable: Check = {
  id: 'database-writable',
  looksAt: 'PostgreSQL takes writes',
  look: async ({ ask }) => {
    const [row] = await ask(
      `SELECT pg_is_in_recovery() AS recovering, current_setting('default_transaction_read_only') = 'on' AS read_only`,
    );
    const { recovering, read_only: isReadOnly } = writableRow.parse(row);
    if (recovering)
      return fail(
        'this server is a standby: it takes no writes',
        'name the primary in DATABASE_URL, or promote this one',
      );
    if (isReadOnly)
      return fail(
        'transactions are read-only by default here',
        'ALTER DATABASE … RESET default_transaction_read_only, and the same for the role',
      );
    return ok('PostgreSQL takes writes');
  },
};

const roleRow = z.object({
  name: z.string(),
  is_super: z.boolean(),
  bypasses: z.boolean(),
  owns: z.int(),
});

const role: Check = {
  id: 'database-role',
  looksAt: 'the role of the service sees no more than a tenant',
  look: async ({ ask }) => {
    const [row] = await ask(
      `SELECT r.rolname AS name, r.rolsuper AS is_super, r.rolbypassrls AS bypasses,
         (SELECT count(*)::int FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
          WHERE n.nspname IN ('auth', 'latchkey') AND c.relkind IN ('r', 'p') AND pg_has_role(r.oid, c.relowner, 'USAGE')) AS owns
       FROM pg_roles r WHERE r.rolname = current_user`,
    );
    const { name, is_super: isSuper, bypasses, owns } = roleRow.parse(row);
    if (isSuper || bypasses)
      return fail(
        `role ${name} ${isSuper ? 'is a superuser' : 'bypasses row level security'}: the service refuses to start with it`,
        `ALTER ROLE "${name}" NOSUPERUSER NOBYPASSRLS, or name a role of its own in DATABASE_URL: latchkey db migrate makes it`,
      );
    if (owns > 0)
      return fail(
        `role ${name} owns ${owns} tables of the schema: it could switch their protection off`,
        'name another role in DATABASE_URL and this one in MIGRATION_DATABASE_URL; latchkey db migrate makes the other and grants it latchkey_app',
      );
    return ok(`role ${name} is neither owner nor superuser`);
  },
};

const grantRow = z.object({ name: z.string(), is_member: z.boolean().nullable() });

const grants: Check = {
  id: 'database-grants',
  looksAt: 'the role of the service may use the schema',
  look: async ({ ask }) => {
    const [row] = await ask(
      `SELECT current_user::text AS name,
         (SELECT pg_has_role(current_user, oid, 'USAGE') FROM pg_roles WHERE rolname = 'latchkey_app') AS is_member`,
    );
    const { name, is_member: isMember } = grantRow.parse(row);
    if (isMember === true) return ok(`role ${name} has latchkey_app`);
    return fail(
      isMember === null
        ? 'there is no role latchkey_app: nothing was migrated here'
        : `role ${name} lacks latchkey_app`,
      isMember === null
        ? 'latchkey db migrate'
        : `GRANT latchkey_app TO "${name}", or latchkey db migrate, which does it`,
    );
  },
};

const limitsRow = z.object({
  name: z.string(),
  server: z.int(),
  reserved: z.int(),
  role_limit: z.int(),
  database_limit: z.int(),
});

const connections: Check = {
  id: 'connections',
  looksAt: 'PostgreSQL has a connection for each that the pods may open',
  look: async ({ ask, pods }) => {
    const [row] = await ask(
      `SELECT r.rolname AS name, current_setting('max_connections')::int AS server,
         current_setting('superuser_reserved_connections')::int + coalesce(current_setting('reserved_connections', true)::int, 0) AS reserved,
         r.rolconnlimit AS role_limit, d.datconnlimit AS database_limit
       FROM pg_roles r, pg_database d WHERE r.rolname = current_user AND d.datname = current_database()`,
    );
    const found = limitsRow.parse(row);
    const needed = pods * CONNECTIONS_PER_POD;
    const say = `${pods} pods may open ${needed} connections`;
    const faults: Outcome[] = [];
    if (found.server - found.reserved < needed)
      faults.push(
        fail(
          `${say}, and PostgreSQL has ${found.server - found.reserved} for them`,
          `ALTER SYSTEM SET max_connections = ${needed + found.reserved + 10}, then restart PostgreSQL; or run fewer pods (--pods says how many)`,
        ),
      );
    if (found.role_limit >= 0 && found.role_limit < needed)
      faults.push(
        fail(
          `${say}, and role ${found.name} is allowed ${found.role_limit}`,
          `ALTER ROLE "${found.name}" CONNECTION LIMIT ${needed}`,
        ),
      );
    if (found.database_limit >= 0 && found.database_limit < needed)
      faults.push(
        fail(`${say}, and the database allows ${found.database_limit}`, `ALTER DATABASE … CONNECTION LIMIT ${needed}`),
      );
    return faultsOr(faults, `${say}; PostgreSQL has ${found.server - found.reserved}`);
  },
};

/** `sslmode` that encrypts, except to ourselves. */
const transport: Check = {
  id: 'database-tls',
  looksAt: 'what goes to PostgreSQL over a network is encrypted',
  look: async (installation) => {
    const url = new URL(installation.read('DATABASE_URL'));
    const mode = url.searchParams.get('sslmode') ?? 'disable';
    if (/^(localhost|127\.|\[::1\])/.test(url.hostname)) return ok('PostgreSQL is on this machine');
    if (mode !== 'disable' && mode !== 'no-verify') return ok(`sslmode is ${mode}`);
    if (installation.appEnv === 'development') return ok('development: plain text is accepted');
    return warn(
      mode === 'disable' ? 'DATABASE_URL does not ask for TLS' : 'DATABASE_URL believes any certificate',
      'add ?sslmode=verify-full to DATABASE_URL, with &sslrootcert=/path/to/ca.pem for an authority of your own',
    );
  },
};

export const DATABASE_CHECKS: readonly Check[] = [reachable, login, transport, writable, role, grants, connections];
