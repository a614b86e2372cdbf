/** That the database itself keeps organizations apart: every table, every pooled connection, whatever the code above it does. */
import { expect } from 'chai';
import { Database } from '../../../api/src/db/database.ts';
import { createMetrics } from '../../../api/src/metrics.ts';
import { type Person, World } from '../../support/admin.ts';

describe('tenancy', () => {
  let world: World;
  let people: readonly [Person, Person];

  before(async () => {
    world = await World.create();
    people = [await world.person('admin', 'first'), await world.person('admin', 'second')];
  });
  after(() => world?.destroy());

  it('every table in auth and latchkey that has an org_id has row level security, forced, and for the application no policy that lets more through', async () => {
    const tables = await world.database.query(
      `SELECT n.nspname || '.' || c.relname AS name, c.relrowsecurity AND c.relforcerowsecurity AS is_forced,
              ARRAY(SELECT coalesce(pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid)) FROM pg_policy p
                    WHERE p.polrelid = c.oid AND p.polpermissive AND (0 = ANY (p.polroles) OR 'latchkey_app'::regrole = ANY (p.polroles))) AS policies
       FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
       WHERE n.nspname IN ('auth', 'latchkey') AND c.relkind IN ('r', 'p')
         AND EXISTS (SELECT 1 FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'org_id' AND NOT a.attisdropped)`,
    );
    expect(tables.length).to.be.at.least(10);
    for (const { name, is_forced, policies } of tables) {
      expect(is_forced, String(name)).to.equal(true);
      const filters = policies as readonly string[];
      expect(filters, String(name)).not.to.deep.equal([]);
      expect(
        filters.filter((filter) => filter === 'true'),
        String(name),
      ).to.deep.equal([]);
    }
  });

  it('and of every such table the application sees nothing without a tenant, and nothing of another one', async () => {
    const tables = await world.database.query(
      `SELECT n.nspname || '.' || c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
       JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'org_id' AND NOT a.attisdropped
       WHERE n.nspname IN ('auth', 'latchkey') AND c.relkind IN ('r', 'p') AND has_table_privilege('latchkey_app', c.oid, 'SELECT')`,
    );
    const database = new Database({ url: world.database.url, metrics: createMetrics(), onIdleError: () => undefined });
    try {
      for (const { name } of tables) {
        const foreign = await database.inTenant(world.organizationIds.first, (tx) =>
          tx.query(`SELECT count(*)::int AS n FROM ${String(name)} WHERE org_id IS NOT NULL AND org_id <> $1`, [
            world.organizationIds.first,
          ]),
        );
        expect(foreign.rows[0]?.['n'], String(name)).to.equal(0);
        const rows = await database.query(`SELECT count(*)::int AS n FROM ${String(name)} WHERE org_id IS NOT NULL`);
        expect(rows[0]?.['n'], `${String(name)} without a tenant`).to.equal(0);
      }
    } finally {
      await database.close();
    }
  });

  it('the roles that the application logs in as own nothing, bypass nothing and cannot become who does', async () => {
    const rows = await world.database.query(
      `SELECT r.rolname, r.rolsuper OR r.rolbypassrls OR r.rolcreaterole AS is_strong,
              EXISTS (SELECT 1 FROM pg_class c WHERE c.relowner = r.oid) AS owns,
              pg_has_role(r.oid, (SELECT relowner FROM pg_class WHERE oid = 'auth.users_extended'::regclass), 'MEMBER') AS may_become
       FROM pg_roles r WHERE r.rolname IN ('latchkey_app', 'latchkey_test_app')`,
    );
    expect(rows).to.have.length(2);
    for (const row of rows) expect(row).to.include({ is_strong: false, owns: false, may_become: false });
  });

  it('a pooled connection forgets its tenant, after success, failure and cancellation, also with hundreds of requests of both at once', async function () {
    this.timeout(60_000);
    const database = new Database({ url: world.database.url, metrics: createMetrics(), onIdleError: () => undefined });
    const ids = [world.organizationIds.first, world.organizationIds.second] as const;
    const seen = async (tenantId: string, fail: boolean): Promise<unknown> =>
      database.inTenant(tenantId, async (tx) => {
        const { rows } = await tx.query('SELECT DISTINCT org_id FROM auth.users_extended');
        if (fail) await tx.query('SELECT 1 / 0');
        return rows.map(({ org_id }) => org_id);
      });
    try {
      const results = await Promise.allSettled(
        Array.from({ length: 400 }, (_, n) => seen(ids[n % 2 === 0 ? 0 : 1], n % 7 === 0)),
      );
      for (const [n, result] of results.entries()) {
        if (result.status === 'fulfilled') expect(result.value).to.deep.equal([ids[n % 2 === 0 ? 0 : 1]]);
      }
      const afterwards = await Promise.all(
        Array.from({ length: 40 }, () => database.query('SELECT count(*)::int AS n FROM auth.users_extended')),
      );
      expect(afterwards.flat().filter((row) => row['n'] !== 0)).to.deep.equal([]);
    } finally {
      await database.close();
    }
  });

  it('the tenant is the session’s: no header, query or body moves a request into another organization', async () => {
    const [first, second] = people;
    const id = world.organizationIds.second;
    const headers = {
      'x-tenant-id': id,
      'x-organization-id': id,
      'x-org-id': id,
      tenant: id,
      host: 'second.example.com',
    };
    const profile = await world.api.get(`/api/v1/users/profile?organizationId=${id}&tenantId=${id}`, {
      bearer: first.accessToken,
      headers,
    });
    expect(profile.body).to.include({ id: first.id });
    const flags = await world.api.get('/api/v1/feature-flags', {
      bearer: second.accessToken,
      headers: { 'x-tenant-id': world.organizationIds.first },
    });
    expect(flags.status).to.equal(200);
    expect((await world.api.validate(first.accessToken)).body).to.include({
      organizationId: world.organizationIds.first,
    });
    expect((await world.other.validate(second.accessToken)).body).to.include({ organizationId: id });
    const patched = await world.api.send('PATCH', '/api/v1/users/profile', {
      bearer: first.accessToken,
      body: { firstName: 'A', organizationId: id },
    });
    expect(patched.status).to.equal(400);
  });
});
