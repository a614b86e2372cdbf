/** Appends to the audit trail, in the transaction of what it records. Called by the services. */
import type { Transaction } from './database.ts';

/** The database's enum `auth.audit_event_type`. */
export const AUDIT_EVENT_TYPES = [
  'user_created',
  'user_updated',
  'user_deleted',
  'login_succeeded',
  'login_failed',
  'logout',
  'session_created',
  'session_revoked',
  'session_moved',
  'token_reused',
  'password_changed',
  'password_reset',
  'password_reset_requested',
  'email_verified',
  'mfa_enabled',
  'mfa_disabled',
  'mfa_failed',
  'account_locked',
  'account_unlocked',
  'role_changed',
  'permission_changed',
  'config_changed',
  'feature_flag_changed',
  'rate_limited',
  'data_read',
  'data_exported',
  'access_denied',
] as const;

export type AuditEventType = (typeof AUDIT_EVENT_TYPES)[number];

export interface AuditEvent {
  readonly tenantId: string;
  /** Whom it is about, or who did it where it is about no account. */
  readonly userId: string | undefined;
  readonly eventType: AuditEventType;
  readonly action: string;
  readonly resource: { readonly type: string; readonly id: string | undefined };
  readonly before?: unknown;
  readonly after?: unknown;
  /** `severity` is info, warning, error or critical. Never a secret. */
  readonly metadata: { readonly severity: 'info' | 'warning' | 'error' | 'critical'; readonly [key: string]: unknown };
}

const json = (value: unknown): string | null => (value === undefined ? null : JSON.stringify(value));

export const appendAudit = async (tx: Transaction, event: AuditEvent): Promise<void> => {
  await tx.query('SELECT auth.log_audit_event($1, $2, $3, $4, $5, $6, $7, $8, $9)', [
    event.userId ?? null,
    event.tenantId,
    event.eventType,
    event.action,
    event.resource.type,
    event.resource.id ?? null,
    json(event.before),
    json(event.after),
    JSON.stringify(event.metadata),
  ]);
};
