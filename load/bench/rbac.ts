/** `rbac`: the look-ups that the runbook gives a time for, in a database of 100,000 accounts, as the service's own role asks them. */
import { Client } from 'pg';
import { quantile } from './load.ts';
import type { Figure } from './report.ts';
import type { Scenario } from './scene.ts';
import { asOwner, type BenchDatabase } from './stores.ts';

const USERS = 100_000;
const SAMPLES = 2_000;

interface Lookup {
  readonly name: string;
  readonly limitMs: number;
  readonly statement: string;
  readonly valuesOf: (user: { readonly id: string; readonly email: string }) => readonly unknown[];
}

const LOOKUPS: readonly Lookup[] = [
  {
    name: 'by e-mail',
    limitMs: 10,
    statement: 'SELECT id, password_hash FROM auth.users_extended WHERE email = $1',
    valuesOf: ({ email }) => [email],
  },
  {
    name: 'has_permission',
    limitMs: 50,
    statement: 'SELECT auth.user_has_permission($1, $2)',
    valuesOf: ({ id }) => [id, 'users:read'],
  },
  {
    name: 'get_permissions',
    limitMs: 100,
    statement: 'SELECT permission_name FROM auth.get_user_permissions($1)',
    valuesOf: ({ id }) => [id],
  },
];

/** Accounts with a role each, every tenth with a grant of its own. Triggers are off: 100,000 audit events are not what is measured. */
const fill = async (database: BenchDatabase): Promise<string> => {
  const [organization] = await asOwner(database, `SELECT id FROM public.organization WHERE slug = 'default'`);
  const tenantId = String(organization?.['id']);
  const statements = [
    `INSERT INTO auth.users_extended (org_id, email, display_name)
     SELECT '${tenantId}', 'user-' || n || '@example.com', 'User ' || n FROM generate_series(1, ${USERS}) n`,
    `INSERT INTO auth.user_roles (user_id, role_id)
     SELECT u.id, r.id FROM auth.users_extended u
     JOIN auth.roles r ON r.org_id = u.org_id AND r.slug = CASE WHEN hashtext(u.email) % 20 = 0 THEN 'manager' ELSE 'user' END`,
    `INSERT INTO auth.user_permissions (user_id, permission_id)
     SELECT u.id, p.id FROM auth.users_extended u JOIN auth.permissions p ON p.name = 'reports:export'
     WHERE hashtext(u.email) % 10 = 0`,
  ];
  await asOwner(database, `SET session_replication_role = replica; ${statements.join('; ')}; ANALYZE`);
  return tenantId;
};

const timeOne = async (client: Client, tenantId: string, statement: string, values: readonly unknown[]) => {
  const startedMs = performance.now();
  await client.query(`BEGIN; SELECT set_config('app.tenant_id', '${tenantId}', true)`);
  await client.query({ name: statement.slice(0, 60), text: statement, values: [...values] });
  await client.query('COMMIT');
  return performance.now() - startedMs;
};

const figureOf = ({ name, limitMs }: Lookup, times: readonly number[]): Figure => {
  const p99 = quantile(times, 0.99);
  return {
    name: `${name}, ${USERS.toLocaleString('en')} accounts, p99`,
    unit: 'ms',
    value: { median: p99, min: Math.min(...times), max: Math.max(...times) },
    target: `< ${limitMs} ms`,
    isMet: p99 < limitMs,
    note: `p50 ${quantile(times, 0.5).toFixed(2)} ms`,
  };
};

export const rbac: Scenario = async ({ stores, say }) => {
  const database = await stores.latchkeyDatabase('latchkey_rbac');
  say(`filling ${USERS.toLocaleString('en')} accounts`);
  const tenantId = await fill(database);
  const rows = await asOwner(database, `SELECT id, email FROM auth.users_extended ORDER BY random() LIMIT ${SAMPLES}`);
  const users = rows.map((row) => ({ id: String(row['id']), email: String(row['email']) }));
  const client = new Client({ connectionString: database.url });
  await client.connect();
  try {
    const figures: Figure[] = [];
    for (const lookup of LOOKUPS) {
      const times: number[] = [];
      for (const user of users) times.push(await timeOne(client, tenantId, lookup.statement, lookup.valuesOf(user)));
      figures.push(figureOf(lookup, times));
    }
    return figures;
  } finally {
    await client.end();
  }
};
