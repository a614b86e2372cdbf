/**
 * Where an administrator acts, and as whom. Called by every service behind the admin API: it opens the transaction, reads what the caller may
 * do in it, and leaves the trail. The tenant is the session's. Another one may be named in the query, and only a super administrator gets there,
 * after http/permissions.ts has asked for the permission in his own; to everybody else that organization does not exist.
 */
import { type Authority, mayActOn, type Subject } from '../core/levels.ts';
import { type AuditEvent, appendAudit } from '../db/audit.ts';
import type { Database, Transaction } from '../db/database.ts';
import { organizationExists } from '../db/organizations.ts';
import { lockAuthority, readAuthority } from '../db/permissions.ts';
import type { Origin } from '../db/sessions.ts';
import { AppError } from '../errors.ts';
import type { Caller } from '../http/authenticate.ts';

/** Who asks, and for which organization. */
export interface AdminCall {
  readonly who: Caller;
  readonly origin: Origin;
  /** undefined: the caller's own. */
  readonly organizationId?: string | undefined;
}

export interface AdminAction {
  /** `users.disable`: what the audit trail calls it. */
  readonly name: string;
  readonly kind: 'read' | 'change';
  readonly resource: { readonly type: string; readonly id: string | undefined };
}

/** What the work of an action is given. */
export interface AdminScope {
  readonly tx: Transaction;
  /** The organization that it is done in. */
  readonly tenantId: string;
  readonly actor: Authority;
  /** Writes the change down with who made it, in the same transaction. */
  record(event: AdminEvent): Promise<void>;
}

export type AdminEvent = Pick<AuditEvent, 'eventType' | 'before' | 'after'> & {
  /** The account it is about; without one, the caller. */
  readonly userId?: string | undefined;
  readonly details?: Readonly<Record<string, unknown>>;
};

/** Refusals that are attempts: they go into the trail. */
const ATTEMPTS = new Set(['level-too-low', 'not-found', 'permission-missing', 'last-super-admin']);

/** Refuses what reaches too high. @throws AppError `level-too-low` */
export const demand = (isAllowed: boolean): void => {
  if (!isAllowed) throw new AppError('level-too-low');
};

/** @throws AppError `level-too-low` */
export const demandOver = ({ actor }: AdminScope, subject: Subject): void => demand(mayActOn(actor, subject));

/** Of another organization, gone, or never there: nobody learns which. @throws AppError `not-found` */
export const found = <T>(row: T | undefined): T => {
  if (row === undefined) throw new AppError('not-found');
  return row;
};

export class AdminScopes {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /**
   * Runs the work of one action. A change sees and holds still who may do what in the organization.
   * @throws AppError `not-found` for another organization's, `level-too-low`, `database-unavailable`, and whatever the work throws
   */
  async run<T>(call: AdminCall, action: AdminAction, work: (scope: AdminScope) => Promise<T>): Promise<T> {
    const { who, organizationId = who.tenantId } = call;
    try {
      if (organizationId === who.tenantId) {
        return await this.#database.inTenant(who.tenantId, async (tx) => {
          if (action.kind === 'change') await lockAuthority(tx, who.tenantId);
          const actor = await readAuthority(tx, who.userId);
          return doIn({ call, action, tx, tenantId: who.tenantId, actor }, work);
        });
      }
      return await this.#cross(call, organizationId, action, work);
    } catch (error) {
      if (error instanceof AppError && ATTEMPTS.has(error.code)) await this.#recordAttempt(call, action, error.code);
      throw error;
    }
  }

  /** Into another organization: both trails show it. */
  async #cross<T>(
    call: AdminCall,
    organizationId: string,
    action: AdminAction,
    work: (scope: AdminScope) => Promise<T>,
  ): Promise<T> {
    const { who } = call;
    const actor = await this.#database.inTenant(who.tenantId, async (tx) => {
      const authority = await readAuthority(tx, who.userId);
      if (!authority.isSuperAdmin || !(await organizationExists(tx, organizationId))) throw new AppError('not-found');
      await appendAudit(tx, {
        tenantId: who.tenantId,
        userId: who.userId,
        eventType: 'data_read',
        action: `admin.${action.name}`,
        resource: action.resource,
        metadata: { severity: 'warning', ...traceOf(call), crossedInto: organizationId },
      });
      return authority;
    });
    return this.#database.inTenant(organizationId, async (tx) => {
      if (action.kind === 'change') await lockAuthority(tx, organizationId);
      return doIn({ call, action, tx, tenantId: organizationId, actor }, work);
    });
  }

  /** In the caller's own trail, after the work was undone. */
  async #recordAttempt(call: AdminCall, action: AdminAction, reason: string): Promise<void> {
    const { who, organizationId } = call;
    await this.#database.inTenant(who.tenantId, (tx) =>
      appendAudit(tx, {
        tenantId: who.tenantId,
        userId: who.userId,
        eventType: 'access_denied',
        action: `admin.${action.name}`,
        resource: action.resource,
        metadata: { severity: 'warning', reason, ...traceOf(call), ...(organizationId && { organizationId }) },
      }),
    );
  }
}

const traceOf = ({ who, origin }: AdminCall): Readonly<Record<string, unknown>> => ({
  actorId: who.userId,
  sessionId: who.sessionId,
  ...(origin.ip === undefined ? {} : { ip: origin.ip }),
});

interface Doing {
  readonly call: AdminCall;
  readonly action: AdminAction;
  readonly tx: Transaction;
  readonly tenantId: string;
  readonly actor: Authority;
}

/** What is read through the admin API is recorded too: it shows other people's data. */
const doIn = async <T>(doing: Doing, work: (scope: AdminScope) => Promise<T>): Promise<T> => {
  const { call, action, tx, tenantId, actor } = doing;
  const record = ({ userId = call.who.userId, details = {}, ...event }: AdminEvent): Promise<void> =>
    appendAudit(tx, {
      ...event,
      tenantId,
      userId,
      action: `admin.${action.name}`,
      resource: action.resource,
      metadata: { severity: 'info', ...traceOf(call), actorOrganizationId: call.who.tenantId, ...details },
    });
  const result = await work({ tx, tenantId, actor, record });
  if (action.kind === 'read') await record({ eventType: 'data_read' });
  return result;
};
