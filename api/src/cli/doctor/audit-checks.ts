/** Whether the audit trail is kept, sealed and can be proved. Part of the list in ../doctor.ts. */
import { z } from 'zod';
import { readAuditKeys } from '../../config/audit.ts';
import { createAuditKeys, openStatement } from '../../crypto/audit-keys.ts';
import { type Check, fail, faultsOr, type Outcome, ok, warn } from './check.ts';
import type { Installation } from './installation.ts';

const triggerRows = z.array(
  z.object({ table: z.string(), refuses_change: z.int(), refuses_truncate: z.int(), seals: z.int(), off: z.string() }),
);

const missingText = (row: z.infer<typeof triggerRows>[number]): string =>
  [
    row.refuses_change === 0 ? 'refuses UPDATE and DELETE' : '',
    row.refuses_truncate === 0 ? 'refuses TRUNCATE' : '',
    row.seals === 0 ? 'queues rows for the seal' : '',
  ]
    .filter((text) => text !== '')
    .join(', ');

/** The tables of the trail and every partition: three triggers each, two of which a partition inherits. Bits of tgtype: 8 DELETE, 32 TRUNCATE. */
const TRIGGERS = `
  WITH trail AS (
    SELECT c.oid FROM pg_class c WHERE c.oid IN ('auth.audit_events'::regclass, 'auth.login_history'::regclass)
    UNION ALL
    SELECT i.inhrelid FROM pg_inherits i WHERE i.inhparent IN ('auth.audit_events'::regclass, 'auth.login_history'::regclass)
  )
  SELECT trail.oid::regclass::text AS "table",
    count(*) FILTER (WHERE is_on AND p.proname = 'refuse_audit_change' AND t.tgtype & 8 > 0)::int AS refuses_change,
    count(*) FILTER (WHERE is_on AND p.proname = 'refuse_audit_change' AND t.tgtype & 32 > 0)::int AS refuses_truncate,
    count(*) FILTER (WHERE is_on AND p.proname = 'note_pending_seal')::int AS seals,
    coalesce(string_agg(quote_ident(t.tgname), ', ' ORDER BY t.tgname) FILTER (WHERE NOT is_on), '') AS off
  FROM trail
  LEFT JOIN LATERAL (SELECT *, tgenabled IN ('O', 'A') AS is_on FROM pg_trigger WHERE tgrelid = trail.oid AND NOT tgisinternal) AS t ON true
  LEFT JOIN pg_proc p ON p.oid = t.tgfoid
  GROUP BY trail.oid ORDER BY 1`;

const triggerFault = (row: z.infer<typeof triggerRows>[number]): readonly Outcome[] => {
  const lacks = missingText(row);
  if (lacks === '') return [];
  const remedy =
    row.off === ''
      ? 'the trigger was dropped: make it as migration 0026 does, then latchkey audit verify says whether rows were changed meanwhile'
      : `${row.off
          .split(', ')
          .map((name) => `ALTER TABLE ${row.table} ENABLE TRIGGER ${name}`)
          .join('; ')}; then latchkey audit verify says whether rows were changed meanwhile`;
  return [fail(`${row.table} has no trigger that ${lacks}`, remedy)];
};

const triggers: Check = {
  id: 'audit-triggers',
  looksAt: 'audit rows cannot be changed, and all are sealed',
  look: async ({ ask }) => {
    const rows = triggerRows.parse(await ask(TRIGGERS));
    return faultsOr(rows.flatMap(triggerFault), `${rows.length} tables and partitions refuse every change`);
  },
};

const monthRows = z.array(z.object({ name: z.string() }));

const partitions: Check = {
  id: 'audit-partitions',
  looksAt: 'the audit trail has a partition for this month and the next',
  look: async ({ ask }) => {
    const rows = await ask(
      `SELECT m.name FROM (
         SELECT parent || to_char(now() AT TIME ZONE 'UTC' + make_interval(months => ahead), '_YYYY_MM') AS name
         FROM unnest(ARRAY['audit_events', 'login_history']) AS parent CROSS JOIN generate_series(0, 1) AS ahead
       ) AS m WHERE to_regclass('latchkey.' || m.name) IS NULL ORDER BY 1`,
    );
    const missing = monthRows.parse(rows).map(({ name }) => name);
    if (missing.length === 0) return ok('this month and the next have theirs');
    return fail(
      `no partition ${missing.join(', ')}: rows go into the default one, where retention cannot drop them by the month`,
      `psql "$DATABASE_URL" -c 'SELECT latchkey.ensure_audit_partitions(3)'`,
    );
  },
};

const totalsRow = z.object({ waiting: z.coerce.number(), oldest: z.coerce.number() });
/** The limit of the alert AuthAuditUnsealed. */
const SEAL_LATE_SECONDS = 300;

const seals: Check = {
  id: 'audit-seals',
  looksAt: 'audit rows are sealed within minutes',
  look: async ({ ask }) => {
    const [row] = await ask(
      'SELECT waiting, coalesce(oldest_waiting_seconds, 0) AS oldest FROM latchkey.audit_totals()',
    );
    const { waiting, oldest } = totalsRow.parse(row);
    if (oldest <= SEAL_LATE_SECONDS) return ok(`${waiting} rows wait, the oldest for ${Math.round(oldest)} s`);
    return fail(
      `${waiting} audit rows wait for their seal, the oldest for ${Math.round(oldest)} s (limit ${SEAL_LATE_SECONDS} s)`,
      'see that a pod runs and what it logs about the chain: kubectl -n auth logs deploy/auth-api-stable | grep -i seal; docs/runbook/auth-audit-unsealed.md',
    );
  },
};

const tenantRows = z.array(z.object({ id: z.uuid() }));
const statementRows = z.array(z.object({ statement: z.string() }));
/** Enough to notice a key that is gone; `latchkey audit verify` looks at every row of every one. */
const MOST_TENANTS = 20;

const newestStatement = async ({ askAs }: Installation, tenantId: string): Promise<string | undefined> => {
  const ask = askAs({ setting: 'app.tenant_id', value: tenantId });
  const rows = await ask('SELECT statement FROM latchkey.audit_checkpoint ORDER BY id DESC LIMIT 1');
  return statementRows.parse(rows)[0]?.statement;
};

const keys: Check = {
  id: 'audit-keys',
  looksAt: 'the newest checkpoints of the audit trail open with the configured keys',
  look: async (installation) => {
    const { read, ask } = installation;
    const ring = readAuditKeys({
      AUDIT_KEY: read('AUDIT_KEY'),
      AUDIT_KEYS_PREVIOUS: read('AUDIT_KEYS_PREVIOUS'),
      AUDIT_CHECKPOINT_SECONDS: read('AUDIT_CHECKPOINT_SECONDS'),
      ENCRYPTION_KEY: read('ENCRYPTION_KEY'),
      ENCRYPTION_KEYS_PREVIOUS: read('ENCRYPTION_KEYS_PREVIOUS'),
    });
    const { publicKeys } = createAuditKeys(ring);
    const tenants = tenantRows.parse(
      await ask('SELECT id FROM public.organization ORDER BY created_at, id LIMIT $1', [MOST_TENANTS]),
    );
    const statements = await Promise.all(tenants.map(({ id }) => newestStatement(installation, id)));
    const foreign = statements.filter((jws) => jws !== undefined && openStatement(jws, publicKeys) === undefined);
    if (foreign.length === 0) return ok(`${statements.filter((jws) => jws !== undefined).length} checkpoints open`);
    return warn(
      `${foreign.length} of the newest checkpoints were signed under a key that is not configured`,
      'put the key before into AUDIT_KEYS_PREVIOUS (or ENCRYPTION_KEYS_PREVIOUS, if it was ENCRYPTION_KEY), then latchkey audit verify',
    );
  },
};

export const AUDIT_CHECKS: readonly Check[] = [triggers, partitions, seals, keys];
