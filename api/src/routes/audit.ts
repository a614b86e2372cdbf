/** The audit trail, for whoever may read it. Mounted by app.ts through http/mount.ts; services/audit-trail.ts does the work. */
import { z } from 'zod';
import { AUDIT_EVENT_TYPES } from '../db/audit.ts';
import type { AuditRow } from '../db/audit-trail.ts';
import { type Endpoint, endpoint } from '../http/endpoint.ts';
import type { AuditPage, AuditTrail } from '../services/audit-trail.ts';
import { isoTime } from './fields.ts';

export interface AuditRouteDeps {
  readonly auditTrail: AuditTrail;
}

const TAG = 'Audit';
const SEVERITIES = ['info', 'warning', 'error', 'critical'] as const;

const filters = {
  userId: z.uuid().optional().meta({ description: 'Whom it is about.' }),
  eventType: z.enum(AUDIT_EVENT_TYPES).optional(),
  severity: z.enum(SEVERITIES).optional(),
  success: z
    .enum(['true', 'false'])
    .transform((text) => text === 'true')
    .optional()
    .meta({ description: 'false: refusals and failures alone.' }),
  from: isoTime.optional().meta({ description: 'At this time or after.' }),
  to: isoTime.optional().meta({ description: 'Before this time.' }),
  cursor: z.string().max(200).optional().meta({ description: '`nextCursor` of the page before.' }),
};

const query = z.strictObject({ ...filters, limit: z.coerce.number().int().min(1).max(100).default(50) });
const exportQuery = z.strictObject({ ...filters, limit: z.coerce.number().int().min(1).max(5_000).default(1_000) });

const entry = z
  .object({
    id: z.uuid(),
    source: z.enum(['audit_events', 'login_history']),
    at: isoTime.meta({ description: "By the database's clock." }),
    eventType: z.enum(AUDIT_EVENT_TYPES),
    action: z.string(),
    severity: z.enum(SEVERITIES),
    success: z.boolean(),
    userId: z.uuid().nullable().meta({ description: 'Whom it is about; null where no account is known.' }),
    actorId: z.string().nullable().meta({ description: 'Who did it, where a session was there.' }),
    sessionId: z.string().nullable(),
    resource: z.object({ type: z.string().nullable(), id: z.uuid().nullable() }),
    ip: z.string().nullable(),
    userAgent: z.string().nullable(),
    requestId: z.string().nullable(),
    reason: z.string().nullable(),
    before: z.unknown(),
    after: z.unknown(),
    metadata: z.record(z.string(), z.unknown()),
  })
  .meta({ id: 'AuditEntry' });

const page = z.object({ entries: z.array(entry), nextCursor: z.string().nullable() }).meta({ id: 'AuditPage' });

const present = (row: AuditRow) => ({
  id: row.id,
  source: row.source,
  at: row.created_at.toISOString(),
  eventType: row.event_type,
  action: row.action,
  severity: row.severity,
  success: row.success,
  userId: row.user_id,
  actorId: row.actor_id,
  sessionId: row.session_id,
  resource: { type: row.resource_type, id: row.resource_id },
  ip: row.ip,
  userAgent: row.user_agent,
  requestId: row.request_id,
  reason: row.reason,
  before: row.old_values,
  after: row.new_values,
  metadata: row.metadata,
});

const presentPage = ({ rows, nextCursor }: AuditPage) => ({ entries: rows.map(present), nextCursor });

const readAuthentication = ({ auditTrail }: AuditRouteDeps): Endpoint =>
  endpoint(
    {
      method: 'get',
      path: '/api/v1/audit/auth',
      aliases: ['/api/audit/auth'],
      tag: TAG,
      summary: 'List logins and what else happened to credentials and sessions, newest first',
      access: { permission: 'audit_events:read' },
      query,
      answers: { 200: { description: 'A page of the trail', schema: page } },
    },
    async (call) => ({ status: 200, body: presentPage(await auditTrail.list(call.who, 'authentication', call.query)) }),
  );

const readAll = ({ auditTrail }: AuditRouteDeps): Endpoint =>
  endpoint(
    {
      method: 'get',
      path: '/api/v1/audit/logs',
      aliases: ['/api/audit/logs'],
      tag: TAG,
      summary: 'List every audit event of the organization, newest first',
      access: { permission: 'audit_events:read' },
      query,
      answers: { 200: { description: 'A page of the trail', schema: page } },
    },
    async (call) => ({ status: 200, body: presentPage(await auditTrail.list(call.who, 'all', call.query)) }),
  );

const exportAll = ({ auditTrail }: AuditRouteDeps): Endpoint =>
  endpoint(
    {
      method: 'get',
      path: '/api/v1/audit/export',
      tag: TAG,
      summary: 'Export audit events as JSON lines, newest first; `Link` leads to the next part',
      access: { permission: 'audit_events:export' },
      query: exportQuery,
      answers: { 200: { description: 'One event a line', schema: z.string(), contentType: 'application/x-ndjson' } },
    },
    async ({ who, query: wanted, request }) => {
      const { rows, nextCursor } = await auditTrail.export(who, wanted);
      const next = new URLSearchParams(request.originalUrl.split('?', 2)[1] ?? '');
      if (nextCursor !== null) next.set('cursor', nextCursor);
      return {
        status: 200,
        body: rows.map((row) => `${JSON.stringify(present(row))}\n`).join(''),
        headers: {
          'content-type': 'application/x-ndjson; charset=utf-8',
          ...(nextCursor !== null && { link: `</api/v1/audit/export?${next.toString()}>; rel="next"` }),
        },
      };
    },
  );

export const auditEndpoints = (deps: AuditRouteDeps): readonly Endpoint[] => [
  readAuthentication(deps),
  readAll(deps),
  exportAll(deps),
];
