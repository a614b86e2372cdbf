/** The audit chain against somebody who owns the database: whatever is changed, removed, added or cut off is found and named. */
import { expect } from 'chai';
import type { ChainStatement, Finding } from '../../../api/src/core/audit-chain.ts';
import { openStatement } from '../../../api/src/crypto/audit-keys.ts';
import { auditRounds } from '../../../api/src/services/audit-sealing.ts';
import { type ChainReport, verifyChain } from '../../../api/src/services/audit-verification.ts';
import { AuditPod, defaultTenant, tamper, writeTrail } from '../../support/audit.ts';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.ts';

describe('the audit chain', () => {
  let database: TestDatabase;
  let pod: AuditPod;
  let tenantId: string;
  let ids: readonly string[];

  beforeEach(async () => {
    database = await createTestDatabase();
    pod = new AuditPod(database.url);
    tenantId = await defaultTenant(database);
    ids = await writeTrail(database, tenantId, 5);
    await pod.seal();
  });
  afterEach(async () => {
    await pod?.close();
    await database?.drop();
  });

  const verify = (outside: readonly ChainStatement[] = [], by = pod): Promise<ChainReport> =>
    by.database.inTenant(tenantId, (tx) => verifyChain(tx, by.keys, { tenantId, outside }));
  const faults = async (outside: readonly ChainStatement[] = []): Promise<readonly string[]> =>
    (await verify(outside)).findings.map(({ kind, eventId }: Finding) =>
      eventId === undefined ? kind : `${kind} ${eventId}`,
    );
  const checkpoints = async (): Promise<readonly ChainStatement[]> => {
    const rows = await database.query('SELECT statement FROM latchkey.audit_checkpoint ORDER BY sequence');
    return rows.flatMap((row) => openStatement(String(row['statement']), pod.keys.publicKeys) ?? []);
  };

  it('covers every row of both tables, in the order in which they came', async () => {
    const report = await verify();
    expect(report).to.deep.include({ seals: 10, pending: 0, findings: [] });
    const rows = await database.query('SELECT sequence::int, event_id FROM latchkey.audit_seal ORDER BY sequence');
    expect(rows.map((row) => row['sequence'])).to.deep.equal([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    expect(rows.filter((_, n) => n % 2 === 0).map((row) => row['event_id'])).to.deep.equal(ids);
  });

  it('names a row whose content was edited, column by column', async () => {
    for (const [column, value] of [
      ['new_values', `'{"n": 99}'`],
      ['user_id', 'gen_random_uuid()'],
      ['event_type', `'login_failed'`],
      ['action', `'read'`],
      ['severity', `'critical'`],
      ['metadata', `'{}'`],
      ['created_at', `created_at - interval '1 second'`],
      ['resource_type', 'NULL'],
    ]) {
      const [was] = await database.query(`SELECT ${column}::text AS it FROM auth.audit_events WHERE id = $1`, [ids[2]]);
      await tamper(database, `UPDATE auth.audit_events SET ${column} = ${value} WHERE id = '${ids[2]}'`);
      expect(await faults(), column).to.deep.equal([`edited ${ids[2]}`]);
      await tamper(
        database,
        `UPDATE auth.audit_events SET ${column} = '${String(was?.['it'])}' WHERE id = '${ids[2]}'`,
      );
      expect(await faults(), `${column} put back`).to.deep.equal([]);
    }
  });

  it('names a login whose address or success was edited', async () => {
    const [row] = await database.query('SELECT id FROM auth.login_history LIMIT 1');
    await tamper(
      database,
      `UPDATE auth.login_history SET ip_address = '198.51.100.1' WHERE id = '${String(row?.['id'])}'`,
    );
    expect(await faults()).to.deep.equal([`edited ${String(row?.['id'])}`]);
  });

  it('names a row that was removed, in the middle and at the end', async () => {
    await tamper(database, `DELETE FROM auth.audit_events WHERE id IN ('${ids[1]}', '${ids[4]}')`);
    expect(await faults()).to.deep.equal([`removed ${ids[1]}`, `removed ${ids[4]}`]);
  });

  it('names a row that was inserted past the triggers', async () => {
    const forged = '00000000-0000-4000-8000-00000000f00d';
    await tamper(
      database,
      `INSERT INTO auth.audit_events (id, org_id, event_type, action) VALUES ('${forged}', '${tenantId}', 'logout', 'x')`,
    );
    expect(await faults()).to.deep.equal([`inserted ${forged}`]);
  });

  it('names a second row under the id of a sealed one', async () => {
    await tamper(
      database,
      `INSERT INTO auth.audit_events (id, org_id, event_type, action, created_at) VALUES ('${ids[0]}', '${tenantId}', 'logout', 'x', now() + interval '1 day')`,
    );
    expect(await faults()).to.deep.equal([`inserted ${ids[0]}`]);
  });

  it('names a row that was sealed as real but says that it is old', async () => {
    const [row] = await database.query(
      `INSERT INTO auth.audit_events (org_id, event_type, action, created_at) VALUES ($1, 'logout', 'x', now() - interval '2 days') RETURNING id`,
      [tenantId],
    );
    await pod.seal();
    expect(await faults()).to.deep.equal([`backdated ${String(row?.['id'])}`]);
  });

  it('finds the place when rows and seals were removed together, or renumbered', async () => {
    await tamper(database, `DELETE FROM auth.audit_events WHERE id = '${ids[2]}'`);
    await tamper(database, `DELETE FROM latchkey.audit_seal WHERE event_id = '${ids[2]}'`);
    expect((await verify()).findings).to.containSubset([{ kind: 'seal-missing', sequence: 5 }]);
    await tamper(database, 'UPDATE latchkey.audit_seal SET sequence = sequence - 1 WHERE sequence = 6');
    await tamper(database, 'UPDATE latchkey.audit_seal SET sequence = sequence - 1 WHERE sequence = 7');
    const kinds = (await verify()).findings.map(({ kind }) => kind);
    expect(kinds).to.include('seal-forged').and.to.include('edited');
  });

  it('finds seals that were computed anew without the key', async () => {
    const intruder = new AuditPod(database.url, Buffer.alloc(32, 1));
    await tamper(database, 'DELETE FROM latchkey.audit_seal WHERE sequence > 8');
    await tamper(database, `UPDATE auth.audit_events SET action = 'nothing' WHERE id = '${ids[4]}'`);
    await tamper(
      database,
      `INSERT INTO latchkey.audit_pending (org_id, source, event_id, event_created_at) SELECT org_id, 'audit_events', id, created_at FROM auth.audit_events WHERE id = '${ids[4]}'`,
    );
    await intruder.seal();
    await intruder.close();
    expect((await verify()).findings).to.containSubset([{ kind: 'key-unknown', sequence: 9 }]);
    await tamper(database, `UPDATE latchkey.audit_seal SET key_id = '${pod.keys.keyId}'`);
    expect((await verify()).findings).to.containSubset([{ kind: 'seal-forged', sequence: 9, eventId: ids[4] }]);
  });

  it('finds a cut end by the stored checkpoint, also when the chain has grown again, and by a copy when even that is gone', async () => {
    await pod.sign();
    const kept = await checkpoints();
    expect(kept).to.have.length(1);
    expect(kept[0]).to.deep.include({ kind: 'checkpoint', tenant: tenantId, sequence: 10 });
    const cut = ['audit_events', 'login_history'].map(
      (table) => `DELETE FROM auth.${table} WHERE id IN (SELECT event_id FROM latchkey.audit_seal WHERE sequence > 7)`,
    );
    for (const statement of cut) await tamper(database, statement);
    await tamper(database, 'DELETE FROM latchkey.audit_seal WHERE sequence > 7');
    expect((await verify()).findings).to.containSubset([{ kind: 'truncated', sequence: 8 }]);
    await tamper(database, 'DELETE FROM latchkey.audit_checkpoint');
    expect(await faults()).to.deep.equal([]);
    expect((await verify(kept)).findings).to.containSubset([{ kind: 'truncated', sequence: 8 }]);
    await writeTrail(database, tenantId, 4);
    await pod.seal();
    expect(await faults()).to.deep.equal([]);
    expect(await faults(kept)).to.deep.equal(['rewritten']);
  });

  it('finds a checkpoint that was edited, moved or signed by somebody else', async () => {
    await pod.sign();
    const [row] = await database.query('SELECT statement FROM latchkey.audit_checkpoint');
    const [head = '', , signature = ''] = String(row?.['statement']).split('.');
    const lower = Buffer.from(JSON.stringify({ ...(await checkpoints())[0], sequence: 3 })).toString('base64url');
    await tamper(
      database,
      `UPDATE latchkey.audit_checkpoint SET statement = '${head}.${lower}.${signature}', sequence = 3`,
    );
    expect(await faults()).to.deep.equal(['checkpoint-forged']);
    await tamper(database, `UPDATE latchkey.audit_checkpoint SET statement = '${String(row?.['statement'])}'`);
    expect(await faults(), 'moved').to.deep.equal(['checkpoint-forged']);
  });

  it('does not fork when pods seal at once, and seals every row once', async () => {
    const pods = [pod, new AuditPod(database.url), new AuditPod(database.url)];
    const writing = Promise.all([1, 2, 3].map(() => writeTrail(database, tenantId, 20)));
    const written = new AbortController();
    const sealing = pods.map(async (each) => {
      while (!written.signal.aborted) await each.seal();
    });
    await writing;
    written.abort();
    await Promise.all(sealing);
    await pod.seal();
    await Promise.all(pods.slice(1).map((each) => each.close()));
    expect(await verify()).to.deep.include({ seals: 130, pending: 0, findings: [] });
    const [row] = await database.query('SELECT count(DISTINCT event_id)::int AS n FROM latchkey.audit_seal');
    expect(row).to.deep.equal({ n: 130 });
  });

  it('loses nothing when a pod dies between taking an event and sealing it', async () => {
    await writeTrail(database, tenantId, 3);
    const dying = new AuditPod(database.url);
    const died = await dying.database
      .inTenant(tenantId, async (tx) => {
        await tx.query('DELETE FROM latchkey.audit_pending');
        await database.query(
          "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'DELETE FROM latchkey.audit_pending%' AND state = 'idle in transaction'",
        );
        await tx.query('SELECT 1');
      })
      .then(
        () => 'lived',
        () => 'died',
      );
    await dying.close();
    expect(died).to.equal('died');
    expect((await verify()).pending).to.equal(6);
    await pod.seal();
    expect(await verify()).to.deep.include({ seals: 16, pending: 0, findings: [] });
  });

  it('shows for how long its oldest row has waited where neither seals nor checkpoints can be written', async () => {
    await database.query('REVOKE INSERT ON latchkey.audit_seal, latchkey.audit_checkpoint FROM latchkey_app');
    await writeTrail(database, tenantId, 1);
    const shown = async (): Promise<number> => {
      const ended = await Promise.allSettled(auditRounds(pod.deps).map(({ work }) => work()));
      expect(ended.filter(({ status }) => status === 'rejected')).to.have.length(2);
      const { values } = await pod.deps.metrics.audit.oldestPendingSeconds.get();
      return values[0]?.value ?? 0;
    };
    const first = await shown();
    expect(first).to.be.above(0);
    expect(await shown(), 'a moment later').to.be.above(first);
  });

  it('takes no change to a seal or checkpoint, from the application or from its owner', async () => {
    await pod.sign();
    for (const table of ['audit_seal', 'audit_checkpoint']) {
      for (const statement of [
        `UPDATE latchkey.${table} SET sequence = 9`,
        `DELETE FROM latchkey.${table}`,
        `TRUNCATE latchkey.${table}`,
      ]) {
        const asOwner = await database.query(statement).then(() => 'accepted', String);
        expect(asOwner, statement).to.match(/append-only/);
        const asApp = await pod.database
          .inTenant(tenantId, (tx) => tx.query(statement))
          .then(
            () => 'accepted',
            (error: unknown) => String((error as Error).cause),
          );
        expect(asApp, statement).to.match(/permission denied/);
      }
    }
  });

  it('leaves the application no way to write an anchor, and none to queue what is not there', async () => {
    const tries = [
      `INSERT INTO latchkey.audit_checkpoint (org_id, kind, sequence, statement) VALUES ('${tenantId}', 'anchor', 5, 'x')`,
      `INSERT INTO latchkey.audit_pending (org_id, source, event_id, event_created_at) VALUES ('${tenantId}', 'audit_events', gen_random_uuid(), now())`,
    ];
    for (const statement of tries) {
      const result = await pod.database
        .inTenant(tenantId, (tx) => tx.query(statement))
        .then(
          () => 'accepted',
          (error: unknown) => String((error as Error).cause),
        );
      expect(result).to.match(/row-level security|permission denied/);
    }
  });
});
