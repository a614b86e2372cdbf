/** An audit trail to seal, break and verify. Called by the tests of the audit chain. */
import { randomBytes } from 'node:crypto';
import { type AuditKeys, createAuditKeys } from '../../api/src/crypto/audit-keys.ts';
import { Database } from '../../api/src/db/database.ts';
import { createLog } from '../../api/src/log.ts';
import { createMetrics } from '../../api/src/metrics.ts';
import { type AuditSealingDeps, sealAll, signAll } from '../../api/src/services/audit-sealing.ts';
import type { TestDatabase } from './postgres.ts';

export const AUDIT_SECRET = randomBytes(32);

/** What one pod brings to the chain: its own pool, the installation's keys. */
export class AuditPod {
  readonly database: Database;
  readonly keys: AuditKeys;
  readonly deps: AuditSealingDeps;

  constructor(url: string, secret = AUDIT_SECRET) {
    const metrics = createMetrics();
    this.database = new Database({ url, metrics, onIdleError: () => undefined });
    this.keys = createAuditKeys({ current: secret, previous: [] });
    this.deps = {
      database: this.database,
      keys: this.keys,
      log: createLog('silent', undefined),
      metrics,
      auditCheckpointMs: 0,
    };
  }

  seal(): Promise<void> {
    return sealAll(this.deps);
  }

  sign(): Promise<void> {
    return signAll(this.deps);
  }

  close(): Promise<void> {
    return this.database.close();
  }
}

export const defaultTenant = async (database: TestDatabase): Promise<string> => {
  const [row] = await database.query("SELECT id FROM public.organization WHERE slug = 'default'");
  return String(row?.['id']);
};

/** So many audit rows and logins of one tenant, as the API's functions write them; returns the ids of the audit rows, oldest first. */
export const writeTrail = async (
  database: TestDatabase,
  tenantId: string,
  rows: number,
): Promise<readonly string[]> => {
  const ids: string[] = [];
  for (let n = 0; n < rows; n += 1) {
    const [row] = await database.query(
      `SELECT auth.log_audit_event(gen_random_uuid(), $1, 'config_changed', 'update', 'system_config', NULL, NULL, $2, '{"severity": "info"}') AS id`,
      [tenantId, JSON.stringify({ n })],
    );
    await database.query(
      "INSERT INTO auth.login_history (org_id, user_id, success, ip_address, user_agent) VALUES ($1, gen_random_uuid(), true, '192.0.2.7', 'test')",
      [tenantId],
    );
    ids.push(String(row?.['id']));
  }
  return ids;
};

/** What the database's owner can do: write as if there were no triggers. */
export const tamper = async (database: TestDatabase, statement: string): Promise<void> => {
  const quoted = statement.replaceAll("'", "''");
  await database.query(
    `DO $do$ BEGIN PERFORM set_config('session_replication_role', 'replica', true); EXECUTE '${quoted}'; END $do$`,
  );
};
