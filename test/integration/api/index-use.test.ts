/**
 * What is asked at every request stays an index look-up however many accounts there are: among 20,000 accounts no statement reads a big table from
 * end to end. The times with 100,000 are measured by `npm run bench` (load/bench/rbac.ts).
 */
import { expect } from 'chai';
import { findUser, listUsers } from '../../../api/src/db/admin-users.ts';
import { Database, type Transaction } from '../../../api/src/db/database.ts';
import { hasPermission, readAuthority } from '../../../api/src/db/permissions.ts';
import { findDetails, findPreferences } from '../../../api/src/db/profile.ts';
import { createMetrics } from '../../../api/src/metrics.ts';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.ts';

const ACCOUNTS = 20_000;

describe('index use', () => {
  let testDatabase: TestDatabase;
  let database: Database;
  let tenantId: string;
  let userId: string;

  before(async function () {
    this.timeout(60_000);
    testDatabase = await createTestDatabase();
    const [organization] = await testDatabase.query("SELECT id FROM public.organization WHERE slug = 'default'");
    tenantId = String(organization?.['id']);
    // Without the audit triggers: they would write 40,000 events that nothing here reads.
    await testDatabase.query(
      `DO $$ BEGIN
         SET LOCAL session_replication_role = replica;
         INSERT INTO auth.users_extended (org_id, email, display_name, created_at)
         SELECT '${tenantId}', 'many-' || n || '@example.com', 'Many ' || n, now() - n * interval '1 minute' FROM generate_series(1, ${ACCOUNTS}) n;
         INSERT INTO auth.user_roles (user_id, role_id)
         SELECT u.id, r.id FROM auth.users_extended u JOIN auth.roles r ON r.org_id = u.org_id AND r.slug = 'user';
         INSERT INTO auth.user_permissions (user_id, permission_id)
         SELECT u.id, p.id FROM auth.users_extended u JOIN auth.permissions p ON p.name = 'reports:export';
         INSERT INTO auth.user_preferences (user_id) SELECT id FROM auth.users_extended;
       END $$`,
    );
    await testDatabase.query('ANALYZE');
    const [user] = await testDatabase.query("SELECT id FROM auth.users_extended WHERE email = 'many-777@example.com'");
    userId = String(user?.['id']);
    database = new Database({ url: testDatabase.url, metrics: createMetrics(), onIdleError: () => undefined });
  });
  after(async () => {
    await database?.close();
    await testDatabase?.drop();
  });

  /** Counters of this connection; they may still hold what an earlier transaction did, so only their growth says something. */
  const counted = async (
    tx: Transaction,
    counter: 'seq_scan' | 'idx_tup_fetch',
  ): Promise<ReadonlyMap<string, number>> => {
    const { rows } = await tx.query(
      `SELECT relname::text, ${counter}::int AS n FROM pg_stat_xact_user_tables
       WHERE schemaname IN ('auth', 'latchkey') AND relid IN (SELECT oid FROM pg_class WHERE reltuples > 1000)`,
    );
    return new Map(rows.map(({ relname, n }) => [String(relname), Number(n)]));
  };

  /** Big tables that the work read from end to end. */
  const fullReadsOf = (work: (tx: Transaction) => Promise<unknown>): Promise<readonly string[]> =>
    database.inTenant(tenantId, async (tx) => {
      const before = await counted(tx, 'seq_scan');
      // Six times: from then on PostgreSQL may have made a plan for any value.
      for (let round = 0; round < 6; round += 1) await work(tx);
      const after = await counted(tx, 'seq_scan');
      return [...after].filter(([name, n]) => n > (before.get(name) ?? 0)).map(([name]) => name);
    });

  it('counts a full read as one: this test can fail', async () => {
    expect(
      await fullReadsOf((tx) => tx.query("SELECT 1 FROM auth.users_extended WHERE display_name = 'x'")),
    ).to.have.length(1);
  });

  const statements: readonly (readonly [string, (tx: Transaction) => Promise<unknown>])[] = [
    [
      'an account by its address',
      (tx) => tx.query('SELECT id FROM auth.users_extended WHERE email = $1', ['many-777@example.com']),
    ],
    ['one permission', (tx) => hasPermission(tx, userId, 'users:read')],
    ['all permissions', (tx) => tx.query('SELECT * FROM auth.get_user_permissions($1)', [userId])],
    ['what an administrator may', (tx) => readAuthority(tx, userId)],
    ['a profile', (tx) => findDetails(tx, userId)],
    ['preferences', (tx) => findPreferences(tx, userId)],
    ['an account for its administrator', (tx) => findUser(tx, userId)],
    ['the first page of accounts', (tx) => listUsers(tx, { limit: 51 })],
  ];
  for (const [name, work] of statements) {
    it(`finds ${name} by an index`, async () => {
      expect(await fullReadsOf(work)).to.deep.equal([]);
    });
  }

  it('reads a page in the middle as cheaply as the first', async () => {
    const [middle] = await testDatabase.query(
      "SELECT created_at::text AS at, id FROM auth.users_extended WHERE email = 'many-10000@example.com'",
    );
    const after = { at: String(middle?.['at']), id: String(middle?.['id']) };
    expect(await fullReadsOf((tx) => listUsers(tx, { limit: 51, after }))).to.deep.equal([]);
    const touched = await database.inTenant(tenantId, async (tx) => {
      const before = await counted(tx, 'idx_tup_fetch');
      await listUsers(tx, { limit: 51, after });
      const now = await counted(tx, 'idx_tup_fetch');
      return (now.get('users_extended') ?? 0) - (before.get('users_extended') ?? 0);
    });
    expect(touched, 'rows of accounts that were fetched').to.be.below(200);
  });
});
