/** Pages of the audit trail, and the trail that reading it leaves. Called by routes/audit.ts; statements in db/audit-trail.ts. */
import { decodeCursor, encodeCursor } from '../core/page-cursor.ts';
import { type AuditEventType, appendAudit } from '../db/audit.ts';
import { type AuditFilter, type AuditRow, listAudit } from '../db/audit-trail.ts';
import type { Database } from '../db/database.ts';
import { AppError } from '../errors.ts';
import type { Caller } from '../http/authenticate.ts';

export interface AuditQuery extends AuditFilter {
  readonly limit: number;
  readonly cursor?: string | undefined;
}

export interface AuditPage {
  readonly rows: readonly AuditRow[];
  readonly nextCursor: string | null;
}

interface Reading {
  readonly scope: 'authentication' | 'all';
  readonly eventType: Extract<AuditEventType, 'data_read' | 'data_exported'>;
}

export class AuditTrail {
  readonly #database: Pick<Database, 'inTenant'>;

  constructor(database: Pick<Database, 'inTenant'>) {
    this.#database = database;
  }

  /** @throws AppError `invalid-request` | `database-unavailable` */
  list(who: Caller, scope: Reading['scope'], query: AuditQuery): Promise<AuditPage> {
    return this.#read(who, { scope, eventType: 'data_read' }, query);
  }

  /** One JSON line a row, the newest first. @throws AppError `invalid-request` | `database-unavailable` */
  export(who: Caller, query: AuditQuery): Promise<AuditPage> {
    return this.#read(who, { scope: 'all', eventType: 'data_exported' }, query);
  }

  /** The page and the event that tells of it are one transaction: nobody reads unseen. */
  async #read(who: Caller, reading: Reading, { limit, cursor, ...filter }: AuditQuery): Promise<AuditPage> {
    const after = cursor === undefined ? undefined : decodeCursor(cursor);
    if (cursor !== undefined && after === undefined) {
      throw new AppError('invalid-request', { fields: [{ field: 'cursor', message: 'is not a cursor of ours' }] });
    }
    const found = await this.#database.inTenant(who.tenantId, async (tx) => {
      const rows = await listAudit(tx, reading.scope, filter, { after, limit: limit + 1 });
      await appendAudit(tx, {
        tenantId: who.tenantId,
        userId: who.userId,
        eventType: reading.eventType,
        action: reading.eventType === 'data_read' ? 'audit.read' : 'audit.export',
        resource: { type: 'audit_events', id: undefined },
        metadata: { severity: 'info', scope: reading.scope, filter, rows: Math.min(rows.length, limit) },
      });
      return rows;
    });
    const rows = found.slice(0, limit);
    const last = found.length > limit ? rows.at(-1) : undefined;
    return { rows, nextCursor: last === undefined ? null : encodeCursor({ at: last.position, id: last.id }) };
  }
}
