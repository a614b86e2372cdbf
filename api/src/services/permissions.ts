/** Who may do what. Called by http/permissions.ts; statements in db/permissions.ts. */
import { appendAudit } from '../db/audit.ts';
import type { Database } from '../db/database.ts';
import { hasPermission } from '../db/permissions.ts';
import { sessionProvedAtMs } from '../db/sessions.ts';
import type { PermissionDeps } from '../http/permissions.ts';

/** How long a password or code that was entered counts as recent (ASVS 7.5.1 leaves the figure open). */
export const RECENT_MS = 10 * 60_000;

export const createPermissions = (database: Database, nowMs: () => number): PermissionDeps => ({
  hasPermission: (who, permission) =>
    database.inTenant(who.tenantId, (tx) => hasPermission(tx, who.userId, permission)),
  isRecent: async (who) => {
    const provedAtMs = await database.inTenant(who.tenantId, (tx) => sessionProvedAtMs(tx, who.sessionId));
    return provedAtMs !== undefined && nowMs() - provedAtMs <= RECENT_MS;
  },
  onDenied: (who, permission, request) =>
    database.inTenant(who.tenantId, (tx) =>
      appendAudit(tx, {
        tenantId: who.tenantId,
        userId: who.userId,
        eventType: 'access_denied',
        action: request.method.toLowerCase(),
        resource: { type: 'permission', id: undefined },
        metadata: { severity: 'warning', permission, path: request.path },
      }),
    ),
});
