/** The pool and its transactions: a tenant never outlives its transaction, and an error leaves a connection that can be used. */
import { expect } from 'chai';
import { Database } from '../../../api/src/db/database.ts';
import { createMetrics } from '../../../api/src/metrics.ts';
import { eventually } from '../../support/eventually.ts';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.ts';

const MANY = Array.from({ length: 60 });
const COUNT = 'SELECT count(*)::int AS n FROM auth.roles';

describe('the database pool', () => {
  let test: TestDatabase;
  let database: Database;
  let tenantId: string;
  const metrics = createMetrics();

  before(async () => {
    test = await createTestDatabase();
    database = new Database({ url: test.url, metrics, onIdleError: () => undefined });
    tenantId = String((await test.query('SELECT id FROM public.organization'))[0]?.['id']);
  });
  after(async () => {
    await database?.close();
    await test?.drop();
  });

  const rolesOf = (id: string) => database.inTenant(id, async (tx) => (await tx.query(COUNT)).rows[0]?.['n']);

  it('forgets the tenant with the transaction, on every connection that it gives out again', async () => {
    const inside = await Promise.all(MANY.map(() => rolesOf(tenantId)));
    const outside = await Promise.all(MANY.map(async () => (await database.query(COUNT))[0]?.['n']));
    expect(new Set(inside)).to.deep.equal(new Set([5]));
    expect(new Set(outside)).to.deep.equal(new Set([0]));
  });

  it('undoes what a failed transaction wrote and goes on with the connection', async () => {
    const failing = () =>
      database.inTenant(tenantId, async (tx) => {
        await tx.query("UPDATE auth.roles SET name = 'changed'");
        await tx.query('SELECT 1 / 0');
      });
    const errors = await Promise.all(MANY.map(() => failing().catch((error: unknown) => error)));
    expect(new Set(errors.map((error) => (error as { code: string }).code))).to.deep.equal(new Set(['internal']));
    expect(await rolesOf(tenantId)).to.equal(5);
    expect(await test.query("SELECT count(*)::int AS n FROM auth.roles WHERE name = 'changed'")).to.deep.equal([
      { n: 0 },
    ]);
  });

  it('begins a transaction anew that a deadlock undid: both that met are through, each once', async () => {
    await test.query('CREATE TABLE met (id int PRIMARY KEY, n int); INSERT INTO met VALUES (1, 0), (2, 0)');
    await test.query('GRANT SELECT, UPDATE ON met TO latchkey_app');
    const both = Promise.withResolvers<void>();
    let holding = 0;
    let runs = 0;
    const meet = (first: number, second: number) =>
      database.inTenant(tenantId, async (tx) => {
        runs += 1;
        await tx.query('UPDATE met SET n = n + 1 WHERE id = $1', [first]);
        holding += 1;
        if (holding === 2) both.resolve();
        await both.promise;
        await tx.query('UPDATE met SET n = n + 1 WHERE id = $1', [second]);
      });
    await Promise.all([meet(1, 2), meet(2, 1)]);
    expect(runs).to.equal(3);
    expect(await test.query('SELECT n FROM met ORDER BY id')).to.deep.equal([{ n: 2 }, { n: 2 }]);
  });

  it('takes no text for a tenant that is no UUID', async () => {
    const error = await rolesOf("x', true); DROP TABLE auth.roles; --").catch((thrown: unknown) => thrown);
    expect(error).to.include({ code: 'internal' });
    expect(await rolesOf(tenantId)).to.equal(5);
  });

  it('says 503 for a connection that was cut, and counts it', async () => {
    const cut = database.inTenant(tenantId, (tx) => tx.query('SELECT pg_sleep(4)')).catch((error: unknown) => error);
    await eventually('it sleeps', 3_000, async () => {
      const rows = await test.query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(4)%' AND pid <> pg_backend_pid()",
      );
      return rows.length > 0;
    });
    expect(await cut).to.include({ code: 'database-unavailable', retryAfterSeconds: 2 });
    expect(await rolesOf(tenantId)).to.equal(5);
    expect(await metrics.registry.getSingleMetricAsString('auth_db_connection_errors_total')).to.match(/_total 1$/);
  });
});
