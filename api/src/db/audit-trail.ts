/** The statements behind the pages of the audit trail. Called by services/audit-trail.ts, inside a tenant's transaction. */
import { z } from 'zod';
import type { Position } from '../core/page-cursor.ts';
import type { AuditEventType } from './audit.ts';
import type { Transaction } from './database.ts';

export interface AuditFilter {
  readonly userId?: string | undefined;
  readonly eventType?: AuditEventType | undefined;
  readonly severity?: 'info' | 'warning' | 'error' | 'critical' | undefined;
  readonly success?: boolean | undefined;
  readonly from?: string | undefined;
  readonly to?: string | undefined;
}

export interface AuditPageRequest {
  readonly after: Position | undefined;
  readonly limit: number;
}

/** What happened to who somebody is. Logins are rows of login_history, with address and agent; their audit events would say them twice. */
const AUTHENTICATION_EVENTS = [
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
] as const satisfies readonly AuditEventType[];

const auditRow = z.object({
  source: z.enum(['audit_events', 'login_history']),
  id: z.uuid(),
  position: z.string(),
  created_at: z.date(),
  event_type: z.string(),
  action: z.string(),
  severity: z.enum(['info', 'warning', 'error', 'critical']),
  success: z.boolean(),
  user_id: z.uuid().nullable(),
  session_id: z.string().nullable(),
  actor_id: z.string().nullable(),
  resource_type: z.string().nullable(),
  resource_id: z.uuid().nullable(),
  ip: z.string().nullable(),
  user_agent: z.string().nullable(),
  request_id: z.string().nullable(),
  reason: z.string().nullable(),
  old_values: z.unknown(),
  new_values: z.unknown(),
  metadata: z.record(z.string(), z.unknown()),
});

export type AuditRow = z.infer<typeof auditRow>;

const POSITION = `to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;

/** Refusals and failures, as `success` tells them apart. */
const SUCCESS = `event_type::text NOT IN ('login_failed', 'mfa_failed', 'token_reused', 'access_denied', 'account_locked', 'rate_limited')`;

/** $1 user, $2 event type, $3 severity, $4 success, $5 from, $6 to, $7 and $8 the last row of the page before, $9 how many. */
const EVENTS = `SELECT 'audit_events' AS source, id, ${POSITION} AS position, created_at, event_type::text AS event_type, action, severity,
    ${SUCCESS} AS success, user_id, metadata ->> 'sessionId' AS session_id, metadata ->> 'actorId' AS actor_id, resource_type, resource_id,
    metadata ->> 'ip' AS ip, metadata ->> 'userAgent' AS user_agent, metadata ->> 'requestId' AS request_id,
    metadata ->> 'reason' AS reason, old_values, new_values,
    metadata - ARRAY['severity', 'sessionId', 'actorId', 'ip', 'userAgent', 'requestId', 'reason'] AS metadata
  FROM auth.audit_events
  WHERE ($1::uuid IS NULL OR user_id = $1) AND ($2::text IS NULL OR event_type::text = $2) AND ($3::text IS NULL OR severity = $3)
    AND ($4::boolean IS NULL OR (${SUCCESS}) = $4)
    AND ($5::timestamptz IS NULL OR created_at >= $5) AND ($6::timestamptz IS NULL OR created_at < $6)
    AND ($7::timestamptz IS NULL OR (created_at, id) < ($7, $8::uuid))`;

const LOGINS = `SELECT 'login_history', id, ${POSITION}, created_at, CASE WHEN success THEN 'login_succeeded' ELSE 'login_failed' END, 'login',
    CASE WHEN success THEN 'info' ELSE 'warning' END, success, user_id, session_id::text, user_id::text, 'session', session_id,
    host(ip_address), user_agent, NULL, failure_reason, NULL, NULL, '{}'::jsonb
  FROM auth.login_history
  WHERE ($1::uuid IS NULL OR user_id = $1)
    AND ($2::text IS NULL OR CASE WHEN success THEN 'login_succeeded' ELSE 'login_failed' END = $2)
    AND ($3::text IS NULL OR CASE WHEN success THEN 'info' ELSE 'warning' END = $3)
    AND ($4::boolean IS NULL OR success = $4)
    AND ($5::timestamptz IS NULL OR created_at >= $5) AND ($6::timestamptz IS NULL OR created_at < $6)
    AND ($7::timestamptz IS NULL OR (created_at, id) < ($7, $8::uuid))`;

const NEWEST_FIRST = 'ORDER BY created_at DESC, id DESC LIMIT $9';

const ALL = `${EVENTS} ${NEWEST_FIRST}`;

const AUTHENTICATION = `SELECT * FROM (
    (${EVENTS} AND event_type::text = ANY ('{${AUTHENTICATION_EVENTS.join(',')}}') ${NEWEST_FIRST})
    UNION ALL
    (${LOGINS} ${NEWEST_FIRST})
  ) AS entries ${NEWEST_FIRST}`;

/** Newest first. `authentication`: logins, and what else happened to who somebody is. `all`: every audit event. */
export const listAudit = async (
  tx: Transaction,
  scope: 'authentication' | 'all',
  filter: AuditFilter,
  { after, limit }: AuditPageRequest,
): Promise<readonly AuditRow[]> => {
  const { rows } = await tx.query(scope === 'all' ? ALL : AUTHENTICATION, [
    filter.userId ?? null,
    filter.eventType ?? null,
    filter.severity ?? null,
    filter.success ?? null,
    filter.from ?? null,
    filter.to ?? null,
    after?.at ?? null,
    after?.id ?? null,
    limit,
  ]);
  return z.array(auditRow).parse(rows);
};
