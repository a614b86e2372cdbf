/**
 * Records in log and audit trail that a client came too often: once a client, policy and window, whoever hammers. Called by http/rate-limit.ts
 * on every refusal; writes through db/audit.ts in the background, so that a refusal stays cheap.
 */
import { LRUCache } from 'lru-cache';
import type { RedisConnections } from '../cache/redis.ts';
import { findOrganization } from '../db/accounts.ts';
import { appendAudit } from '../db/audit.ts';
import type { Database } from '../db/database.ts';
import type { Violation } from '../http/rate-limit.ts';
import type { Log } from '../log.ts';

const MAX_REMEMBERED = 20_000;
/** A flood from many addresses must not become a flood of rows: what is beyond is only counted. */
const MAX_WRITING = 4;

export interface RateLimitAuditDeps {
  readonly database: Database;
  readonly redis: RedisConnections | undefined;
  readonly organizationSlug: string;
  readonly log: Log;
  readonly nowMs: () => number;
}

export const createRateLimitAudit = (deps: RateLimitAuditDeps): ((violation: Violation) => void) => {
  const recorded = new LRUCache<string, true>({ maxSize: MAX_REMEMBERED, sizeCalculation: () => 1 });
  let writing = 0;
  return (violation) => {
    const window = Math.floor(deps.nowMs() / violation.windowMs);
    const key = `${violation.policy}:${violation.client}:${window}`;
    if (recorded.has(key) || writing >= MAX_WRITING) return;
    recorded.set(key, true);
    writing += 1;
    record(deps, violation, key)
      .catch((error: unknown) => deps.log.warn({ error }, 'a rate limit violation could not be recorded'))
      .finally(() => {
        writing -= 1;
      });
  };
};

const record = async (deps: RateLimitAuditDeps, violation: Violation, key: string): Promise<void> => {
  const { policy, client, method, route } = violation;
  if (!(await isFirst(deps.redis, key, violation.windowMs))) return;
  deps.log.warn({ policy, client, method, route }, 'rate limit exceeded');
  const tenantId = await findOrganization(deps.database, deps.organizationSlug);
  if (tenantId === undefined) return;
  await deps.database.inTenant(tenantId, (tx) =>
    appendAudit(tx, {
      tenantId,
      userId: undefined,
      eventType: 'rate_limited',
      action: `limit.${policy}`,
      resource: { type: 'client', id: undefined },
      metadata: { severity: 'warning', client, method, route },
    }),
  );
};

/** Of all pods; without Redis, of this one. */
const isFirst = async (redis: RedisConnections | undefined, key: string, windowMs: number): Promise<boolean> => {
  if (redis === undefined || !redis.isReady()) return true;
  const set = redis.commands.set(`latchkey:limit:told:${key}`, '1', 'PX', windowMs * 2, 'NX');
  return set.then(
    (answer) => answer !== null,
    () => true,
  );
};
