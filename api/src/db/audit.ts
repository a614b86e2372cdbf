/** Appends to the audit trail, in the transaction of what it records. Called by the services. */
import type { Transaction } from './database.ts';

export interface AuditEvent {
  readonly tenantId: string;
  readonly userId: string;
  readonly sessionId: string;
  readonly eventType: 'logout' | 'token_reused';
  readonly action: string;
  readonly metadata: { readonly severity: 'info' | 'warning'; readonly [key: string]: string | number };
}

export const appendAudit = async (tx: Transaction, event: AuditEvent): Promise<void> => {
  await tx.query(`SELECT auth.log_audit_event($1, $2, $3, $4, 'session', $5, NULL, NULL, $6)`, [
    event.userId,
    event.tenantId,
    event.eventType,
    event.action,
    event.sessionId,
    JSON.stringify(event.metadata),
  ]);
};
