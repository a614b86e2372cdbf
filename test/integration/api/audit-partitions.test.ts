/** Migration 0026 on a trail that exists: nothing is lost on the way there and back, and a released server goes on as it is. */
import { expect } from 'chai';
import { Client } from 'pg';
import { createAuditKeys } from '../../../api/src/crypto/audit-keys.ts';
import { asTenant } from '../../../api/src/db/command-client.ts';
import { migrate, migrationStatus, readMigrations, rollback, verify, withOwner } from '../../../api/src/db/migrate.ts';
import { cutoffOf, retainTenant } from '../../../api/src/services/audit-retention.ts';
import { verifyChain } from '../../../api/src/services/audit-verification.ts';
import { AUDIT_SECRET, AuditPod, defaultTenant, writeTrail } from '../../support/audit.ts';
import { createEmptyDatabase, createTestDatabase, type TestDatabase } from '../../support/postgres.ts';

describe('the partitions of the audit trail', () => {
  let database: TestDatabase;
  let tenantId: string;

  beforeEach(async () => {
    database = await createTestDatabase();
    tenantId = await defaultTenant(database);
  });
  afterEach(() => database?.drop());

  const rollBackTo = (version: number, url = database.ownerUrl): Promise<void> =>
    withOwner(url, async (client) => {
      const newer = (await migrationStatus(client)).filter(
        (each) => each.version > version && each.state === 'applied',
      );
      for (const _ of newer) await rollback(client);
    });
  const trail = () =>
    database.query(
      `SELECT to_jsonb(e) AS row FROM auth.audit_events e UNION ALL SELECT to_jsonb(l) FROM auth.login_history l ORDER BY 1`,
    );

  /** A month of rows that are too old goes, and the rest verifies. */
  const retainAsOwner = async (own: TestDatabase, url: string, tenant: string): Promise<void> => {
    const keys = createAuditKeys({ current: AUDIT_SECRET, previous: [] });
    await own.query("SELECT latchkey.add_audit_month('audit_events', (now() - interval '14 months')::date)");
    await own.query(
      "INSERT INTO auth.audit_events (org_id, event_type, action, created_at) VALUES ($1, 'logout', 'x', now() - interval '14 months')",
      [tenant],
    );
    const pod = new AuditPod(own.url);
    await pod.seal();
    await pod.close();
    const cut = { tenantId: tenant, before: cutoffOf(Date.now(), 365), nowMs: Date.now() };
    await withOwner(url, async (client) => {
      const retained = await asTenant(client, { tenantId: tenant, mode: 'write' }, (tx) => retainTenant(tx, keys, cut));
      expect(retained.outcome).to.equal('anchored');
      const { rows } = await client.query('SELECT latchkey.drop_audit_partitions($1) AS name', [cut.before]);
      expect(rows).to.have.length(1);
      const snapshot = { tenantId: tenant, mode: 'snapshot' } as const;
      const report = await asTenant(client, snapshot, (tx) => verifyChain(tx, keys, { tenantId: tenant }));
      expect(report.findings.map(({ kind }) => kind)).to.deep.equal(['backdated']); // it came in now and says otherwise
    });
  };

  it('take over every row, go back to plain tables with every row, and verify both times', async () => {
    await rollBackTo(25);
    await writeTrail(database, tenantId, 20);
    await database.query(
      "INSERT INTO auth.audit_events (org_id, event_type, action, created_at) SELECT $1, 'logout', 'x', now() - make_interval(days => n * 20) FROM generate_series(1, 40) AS n",
      [tenantId],
    );
    const before = await trail();
    await withOwner(database.ownerUrl, migrate);
    expect(await trail()).to.deep.equal(before);
    expect(await database.query('SELECT 1 FROM ONLY latchkey.audit_events_default')).to.deep.equal([]);
    expect(await database.query('SELECT count(*)::int AS n FROM latchkey.audit_pending')).to.deep.equal([
      { n: before.length },
    ]);
    await rollBackTo(25);
    expect(await trail()).to.deep.equal(before);
    expect(
      (await withOwner(database.ownerUrl, verify)).filter(({ isPassed, migration }) => !isPassed && migration < 26),
    ).to.deep.equal([]);
    await withOwner(database.ownerUrl, migrate);
    expect(await trail()).to.deep.equal(before);
    expect((await withOwner(database.ownerUrl, verify)).filter(({ isPassed }) => !isPassed)).to.deep.equal([]);
  });

  it('take over every row for an owner who is no superuser and filtered by row level security', async () => {
    const own = await createEmptyDatabase();
    await own.query(
      "DO $$ BEGIN CREATE ROLE audit_owner LOGIN CREATEROLE PASSWORD 'test'; EXCEPTION WHEN duplicate_object THEN NULL; END $$",
    );
    await own.query(`GRANT CREATE ON DATABASE ${own.name} TO audit_owner`);
    await own.query('GRANT CREATE, USAGE ON SCHEMA public TO audit_owner WITH GRANT OPTION');
    const url = own.ownerUrl.replace('//postgres:', '//audit_owner:');
    await withOwner(url, migrate);
    await rollBackTo(25, url);
    const tenant = await defaultTenant(own);
    await writeTrail(own, tenant, 5);
    await withOwner(url, migrate);
    const count = () =>
      own.query(
        'SELECT (SELECT count(*) FROM auth.audit_events)::int + (SELECT count(*) FROM auth.login_history)::int AS n',
      );
    expect(await count()).to.deep.equal([{ n: 10 }]);
    expect((await withOwner(url, verify)).filter(({ isPassed }) => !isPassed)).to.deep.equal([]);
    await retainAsOwner(own, url, tenant);
    await rollBackTo(25, url);
    expect(await count()).to.deep.equal([{ n: 10 }]);
    await own.query('DROP OWNED BY audit_owner CASCADE');
    await own.drop();
  });

  it('let a connection of the released server go on, with the very statements that it prepared before', async () => {
    await rollBackTo(25);
    const server = new Client({ connectionString: database.url });
    await server.connect();
    const statements = [
      {
        name: 'audit',
        text: "SELECT auth.log_audit_event(NULL, $1, 'logout', 'logout', 'session', NULL, NULL, NULL, '{}') AS id",
      },
      {
        name: 'login',
        text: "WITH history AS (INSERT INTO auth.login_history (org_id, success, failure_reason) VALUES ($1, false, 'x')) SELECT 1",
      },
    ];
    const work = async () => {
      await server.query(`BEGIN; SELECT set_config('app.tenant_id', '${tenantId}', true)`);
      for (const statement of statements) await server.query({ ...statement, values: [tenantId] });
      await server.query('COMMIT');
    };
    for (let times = 0; times < 7; times += 1) await work(); // past the point where PostgreSQL keeps a generic plan
    await withOwner(database.ownerUrl, migrate);
    await work();
    await server.end();
    const pod = new AuditPod(database.url);
    await pod.seal();
    await pod.close();
    expect(await database.query('SELECT count(*)::int AS n FROM latchkey.audit_seal')).to.deep.equal([{ n: 16 }]);
  });

  it('are made ahead by the application, twice at once without harm, and every one refuses changes', async () => {
    const pods = [new AuditPod(database.url), new AuditPod(database.url)];
    await Promise.all(pods.map((pod) => pod.database.query('SELECT latchkey.ensure_audit_partitions(6)')));
    await Promise.all(pods.map((pod) => pod.close()));
    const parts = await database.query(
      "SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = 'auth.audit_events'::regclass",
    );
    expect(parts).to.have.length(8); // this month, six ahead, the default
    await writeTrail(database, tenantId, 1);
    for (const { name } of parts) {
      expect(await database.query(`TRUNCATE ${String(name)}`).then(() => 'accepted', String)).to.match(/append-only/);
    }
    for (const statement of ['UPDATE auth.audit_events SET action = action', 'DELETE FROM auth.audit_events']) {
      expect(await database.query(statement).then(() => 'accepted', String)).to.match(/append-only/);
    }
    const checks = await withOwner(database.ownerUrl, verify);
    expect(checks.filter(({ isPassed }) => !isPassed)).to.deep.equal([]);
    expect((await readMigrations()).some(({ version }) => version === 26)).to.equal(true);
  });
});
