/** Migration 0021 as the runbook wants it, seen by the role that the API logs in with. */
import { expect } from 'chai';
import { Client } from 'pg';
import { verify, withOwner } from '../../../api/src/db/migrate.ts';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.ts';

describe('schema', () => {
  let database: TestDatabase;
  let app: Client;
  const tenants = { first: '', second: '' };
  const users = { first: '', second: '' };

  before(async () => {
    database = await createTestDatabase();
    const [first] = await database.query("SELECT id FROM public.organization WHERE slug = 'default'");
    const [second] = await database.query(
      "INSERT INTO public.organization (name, slug) VALUES ('Second', 'second') RETURNING id",
    );
    Object.assign(tenants, { first: String(first?.['id']), second: String(second?.['id']) });
    await database.query('SELECT auth.create_system_roles($1)', [tenants.second]);
    for (const key of ['first', 'second'] as const) {
      const [row] = await database.query(
        `INSERT INTO auth.users_extended (org_id, email, display_name) VALUES ($1, 'same@example.com', 'Same') RETURNING id`,
        [tenants[key]],
      );
      users[key] = String(row?.['id']);
      await database.query(
        `INSERT INTO auth.user_roles (user_id, role_id) SELECT $1, id FROM auth.roles WHERE slug = 'user' AND org_id = $2`,
        [users[key], tenants[key]],
      );
      await database.query(
        `INSERT INTO auth.user_sessions (org_id, user_id, expires_at, absolute_expires_at) VALUES ($1, $2, now() + '1 h', now() + '2 h')`,
        [tenants[key], users[key]],
      );
      await database.query('INSERT INTO auth.user_preferences (user_id) VALUES ($1)', [users[key]]);
      await database.query('INSERT INTO auth.login_history (org_id, user_id, success) VALUES ($1, $2, true)', [
        tenants[key],
        users[key],
      ]);
      await database.query("INSERT INTO auth.system_config (org_id, key, value) VALUES ($1, 'a', '1')", [tenants[key]]);
      await database.query("INSERT INTO auth.feature_flags (org_id, name) VALUES ($1, 'a')", [tenants[key]]);
    }
    app = new Client({ connectionString: database.url });
    await app.connect();
  });
  after(async () => {
    await app?.end();
    await database?.drop();
  });

  /** Runs as the API does: one transaction, one tenant; undone afterwards. */
  const asTenant = async <T>(tenant: string, work: () => Promise<T>): Promise<T> => {
    await app.query('BEGIN');
    try {
      await app.query("SELECT set_config('app.tenant_id', $1, true)", [tenant]);
      return await work();
    } finally {
      await app.query('ROLLBACK');
    }
  };
  const count = async (table: string): Promise<number> => {
    const { rows } = await app.query<{ n: number }>(`SELECT count(*)::int AS n FROM auth.${table}`);
    return rows[0]?.n ?? -1;
  };
  const refused = async (statement: string, values: readonly unknown[] = []): Promise<string> => {
    try {
      await app.query(statement, [...values]);
      return 'accepted';
    } catch (error) {
      return error instanceof Error && 'code' in error ? String(error.code) : 'no code';
    }
  };

  it('passes its own verification', async () => {
    const checks = await withOwner(database.ownerUrl, verify);
    expect(checks.filter(({ isPassed }) => !isPassed)).to.deep.equal([]);
    expect(checks.length).to.be.greaterThanOrEqual(13);
  });

  it('has five system roles an organization, with the levels 100, 80, 60, 40, 20', async () => {
    for (const tenant of [tenants.first, tenants.second]) {
      const { rows } = await asTenant(tenant, () =>
        app.query('SELECT slug, role_level FROM auth.roles ORDER BY role_level DESC'),
      );
      expect(rows.map((row: Record<string, unknown>) => [row['slug'], row['role_level']])).to.deep.equal([
        ['super_admin', 100],
        ['admin', 80],
        ['manager', 60],
        ['user', 40],
        ['viewer', 20],
      ]);
    }
  });

  describe('row level security', () => {
    const tenantTables = [
      'users_extended',
      'roles',
      'role_permissions',
      'user_roles',
      'user_sessions',
      'audit_events',
      'login_history',
    ];
    const moreTables = ['user_preferences', 'system_config', 'feature_flags'];

    it('is on and forced, with a policy, on every table that the catalog knows in auth', async () => {
      const rows = await database.query(
        `SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname = 'auth' AND c.relkind IN ('r', 'p')
           AND NOT (c.relrowsecurity AND c.relforcerowsecurity AND EXISTS (SELECT 1 FROM pg_policy p WHERE p.polrelid = c.oid))`,
      );
      expect(rows).to.deep.equal([]);
    });

    it('shows no row of any tenant table without a tenant, and none with an unknown one', async () => {
      const unknown = '00000000-0000-4000-8000-00000000dead';
      for (const table of [...tenantTables, ...moreTables]) {
        expect(await count(table), `${table} without a tenant`).to.equal(0);
        expect(await asTenant(unknown, () => count(table)), `${table} with an unknown tenant`).to.equal(0);
      }
    });

    it('shows each tenant its own rows only', async () => {
      for (const table of [...tenantTables, ...moreTables]) {
        const [row] = await database.query(`SELECT count(*)::int AS n FROM auth.${table}`);
        const first = await asTenant(tenants.first, () => count(table));
        const second = await asTenant(tenants.second, () => count(table));
        expect(first, table).to.be.greaterThan(0);
        expect(first + second, table).to.equal(row?.['n']);
      }
    });

    it('does not leak the tenant of one transaction into the next on the same connection', async () => {
      await asTenant(tenants.first, () => count('users_extended'));
      expect(await count('users_extended')).to.equal(0);
    });

    it('refuses to write into another tenant, by value or by link', async () => {
      const results = await asTenant(tenants.first, async () => {
        const tries: string[] = [];
        const attempt = async (statement: string, values: readonly unknown[]) => {
          await app.query('SAVEPOINT attempt');
          tries.push(await refused(statement, values));
          await app.query('ROLLBACK TO attempt');
        };
        await attempt(
          `INSERT INTO auth.users_extended (org_id, email, display_name) VALUES ($1, 'x@example.com', 'x')`,
          [tenants.second],
        );
        await attempt('UPDATE auth.users_extended SET org_id = $1', [tenants.second]);
        await attempt(`INSERT INTO auth.user_preferences (user_id) VALUES ($1)`, [users.second]);
        await attempt('INSERT INTO auth.login_history (org_id, success) VALUES ($1, true)', [tenants.second]);
        await attempt("INSERT INTO auth.system_config (org_id, key, value) VALUES (NULL, 'b', '1')", []);
        return tries;
      });
      expect(results).to.deep.equal(['42501', '42501', '42501', '42501', '42501']);
    });
  });

  describe('permissions', () => {
    const hasPermission = async (user: string, permission: string) => {
      const { rows } = await app.query<{ has: boolean }>('SELECT auth.user_has_permission($1, $2) AS has', [
        user,
        permission,
      ]);
      return rows[0]?.has;
    };

    it('come from roles and direct grants, end with them, and a denial beats both', async () => {
      await asTenant(tenants.first, async () => {
        const user = users.first;
        expect(await hasPermission(user, 'users:read')).to.equal(true);
        expect(await hasPermission(user, 'users:delete')).to.equal(false);
        const grant = (name: string, isGranted: boolean, expires: string | null) =>
          app.query(
            `INSERT INTO auth.user_permissions (user_id, permission_id, is_granted, expires_at)
             SELECT $1, id, $3, now() + $4::interval FROM auth.permissions WHERE name = $2
             ON CONFLICT (user_id, permission_id) DO UPDATE SET is_granted = $3, expires_at = now() + $4::interval`,
            [user, name, isGranted, expires],
          );
        await grant('users:delete', true, null);
        expect(await hasPermission(user, 'users:delete')).to.equal(true);
        await grant('users:delete', true, '-1 second');
        expect(await hasPermission(user, 'users:delete')).to.equal(false);
        await grant('users:read', false, null);
        expect(await hasPermission(user, 'users:read')).to.equal(false);
        await app.query('UPDATE auth.users_extended SET is_active = false WHERE id = $1', [user]);
        expect(await hasPermission(user, 'roles:read')).to.equal(false);
      });
    });

    it('of another tenant are none', async () => {
      expect(await asTenant(tenants.second, () => hasPermission(users.first, 'users:read'))).to.equal(false);
    });
  });

  describe('the audit trail', () => {
    it('takes no UPDATE, DELETE or TRUNCATE, from the application or from its owner', async () => {
      for (const table of ['audit_events', 'login_history']) {
        for (const statement of [
          `UPDATE auth.${table} SET org_id = org_id`,
          `DELETE FROM auth.${table}`,
          `TRUNCATE auth.${table}`,
        ]) {
          expect(await asTenant(tenants.first, () => refused(statement)), statement).to.equal('42501');
          const asOwner = await database.query(statement).then(
            () => 'accepted',
            (error: unknown) => String(error),
          );
          expect(asOwner, statement).to.match(/append-only/);
        }
      }
    });

    it('records a changed user without the password hash, and not a mere login', async () => {
      const eventsOf = () =>
        database.query("SELECT * FROM auth.audit_events WHERE user_id = $1 AND event_type = 'user_updated'", [
          users.second,
        ]);
      await database.query('UPDATE auth.users_extended SET last_login_at = now() WHERE id = $1', [users.second]);
      expect(await eventsOf()).to.have.length(0);
      await database.query(
        "UPDATE auth.users_extended SET display_name = 'New', password_hash = 'hash-of-it' WHERE id = $1",
        [users.second],
      );
      const events = await eventsOf();
      expect(events).to.have.length(1);
      expect(events[0]).to.nested.include({ 'old_values.display_name': 'Same', 'new_values.display_name': 'New' });
      expect(JSON.stringify(events)).not.to.include('hash-of-it');
    });
  });

  it('keeps the runbook times on 20,000 accounts: by e-mail 10 ms, one permission 50 ms, all permissions 100 ms', async () => {
    await database.query(
      `INSERT INTO auth.users_extended (org_id, email, display_name) SELECT $1, 'many-' || n || '@example.com', 'n' FROM generate_series(1, 20000) n`,
      [tenants.first],
    );
    await database.query('ANALYZE auth.users_extended');
    const timed = async (statement: string, values: readonly unknown[]) => {
      const runs: number[] = [];
      for (let run = 0; run < 5; run += 1) {
        const startMs = performance.now();
        await app.query(statement, [...values]);
        runs.push(performance.now() - startMs);
      }
      return Math.min(...runs); // the machine may be busy; the statement's own time is the least
    };
    await asTenant(tenants.first, async () => {
      expect(await timed('SELECT id FROM auth.users_extended WHERE email = $1', ['many-777@example.com'])).to.be.below(
        10,
      );
      expect(await timed("SELECT auth.user_has_permission($1, 'users:read')", [users.first])).to.be.below(50);
      expect(await timed('SELECT * FROM auth.get_user_permissions($1)', [users.first])).to.be.below(100);
    });
  });
});
