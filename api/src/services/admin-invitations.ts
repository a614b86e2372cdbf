/** An administrator invites somebody. Called by routes/invitations.ts; the mail goes out by mail/delivery.ts, and services/invitations.ts takes the answer. */
import { mayGrantRole } from '../core/levels.ts';
import { findUser, insertInvitedUser } from '../db/admin-users.ts';
import { assignRole, findRolesBySlug } from '../db/roles.ts';
import { isUniqueViolation } from '../db/sqlstate.ts';
import { AppError } from '../errors.ts';
import { type AdminCall, type AdminScope, type AdminScopes, demand, found } from './admin-scope.ts';
import { subjectOf, type User, userOf } from './admin-users.ts';
import type { EnqueueMail } from './mail-outbox.ts';

export interface InvitationDraft {
  readonly email: string;
  readonly firstName?: string | undefined;
  readonly lastName?: string | undefined;
  /** Slugs. */
  readonly roles: readonly string[];
}

export interface AdminInvitationDeps {
  readonly scopes: AdminScopes;
  readonly enqueueMail: EnqueueMail;
}

/** Nobody yet: below everybody. */
const NEWCOMER = { userId: '', level: 0 };

export class AdminInvitations {
  readonly #deps: AdminInvitationDeps;

  constructor(deps: AdminInvitationDeps) {
    this.#deps = deps;
  }

  /** An account without a password, and a mail that lets its owner set one. @throws AppError `email-taken` | `level-too-low` | `invalid-request` for a role that is not there */
  async invite(call: AdminCall, draft: InvitationDraft): Promise<User> {
    const action = { name: 'users.invite', kind: 'change', resource: { type: 'user', id: undefined } } as const;
    try {
      return await this.#deps.scopes.run(call, action, (scope) => this.#inviteIn(scope, draft));
    } catch (error) {
      throw isUniqueViolation(error) ? new AppError('email-taken', { cause: error }) : error;
    }
  }

  /** The older mail's link works too, until one of them is used. @throws AppError `not-found` | `level-too-low` | `conflict` when it has been accepted */
  async remind(call: AdminCall, userId: string): Promise<void> {
    const action = { name: 'users.remind', kind: 'change', resource: { type: 'user', id: userId } } as const;
    await this.#deps.scopes.run(call, action, async (scope) => {
      const user = await subjectOf(scope, userId);
      if (user.status !== 'invited') throw new AppError('conflict');
      await this.#mail(scope, user);
      await scope.record({ eventType: 'user_updated', userId, details: { invited: true } });
    });
  }

  async #inviteIn(scope: AdminScope, { roles: slugs, ...draft }: InvitationDraft): Promise<User> {
    const { tx, tenantId, actor } = scope;
    const roles = await findRolesBySlug(tx, slugs);
    const unknown = slugs.findIndex((slug) => !roles.some((role) => role.slug === slug));
    if (unknown >= 0) {
      throw new AppError('invalid-request', { fields: [{ field: `roles.${unknown}`, message: 'is no role here' }] });
    }
    for (const role of roles) demand(mayGrantRole(actor, NEWCOMER, role));
    const { email, firstName, lastName } = draft;
    const displayName = [firstName, lastName].filter(Boolean).join(' ') || email;
    const userId = await insertInvitedUser(tx, { tenantId, email, firstName, lastName, displayName });
    for (const { id: roleId } of roles) {
      await assignRole(tx, { userId, roleId, assignedBy: actor.userId, expiresAt: undefined });
    }
    const user = userOf(found(await findUser(tx, userId)));
    await this.#mail(scope, user);
    await scope.record({ eventType: 'user_created', userId, after: user });
    return user;
  }

  #mail({ tx, tenantId }: AdminScope, user: { readonly id: string; readonly email: string }): Promise<void> {
    return this.#deps.enqueueMail(tx, { tenantId, template: 'invitation', userId: user.id, recipient: user.email });
  }
}
