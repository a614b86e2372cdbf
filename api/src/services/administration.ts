/** Puts the parts of profiles and administration together. Called by service.ts. */
import type { Liveness } from '../cache/liveness.ts';
import type { Database } from '../db/database.ts';
import { AdminConfig } from './admin-config.ts';
import { AdminInvitations } from './admin-invitations.ts';
import { AdminOrganizations } from './admin-organizations.ts';
import { AdminRoles } from './admin-roles.ts';
import { AdminScopes } from './admin-scope.ts';
import { AdminUsers } from './admin-users.ts';
import { FeatureFlags } from './feature-flags.ts';
import type { EnqueueMail } from './mail-outbox.ts';
import type { Modes } from './modes.ts';
import { Profiles } from './profile.ts';
import type { RolloutPercentage } from './rollout-percentage.ts';
import type { Sessions } from './sessions.ts';

export interface AdministrationDeps {
  readonly database: Database;
  readonly enqueueMail: EnqueueMail;
  readonly liveness: Liveness;
  readonly modes: Modes;
  readonly rollout: RolloutPercentage;
  readonly sessions: Sessions;
  readonly nowMs: () => number;
}

export interface Administration {
  readonly adminConfig: AdminConfig;
  readonly adminInvitations: AdminInvitations;
  readonly adminOrganizations: AdminOrganizations;
  readonly adminRoles: AdminRoles;
  readonly adminUsers: AdminUsers;
  readonly featureFlags: FeatureFlags;
  readonly profiles: Profiles;
}

export const createAdministration = (deps: AdministrationDeps): Administration => {
  const { database, enqueueMail, liveness, modes, sessions, nowMs } = deps;
  const scopes = new AdminScopes(database);
  const announceEnd = (sessionId: string): Promise<void> => liveness.markEnded(sessionId);
  return {
    adminConfig: new AdminConfig({ scopes, modes }),
    adminInvitations: new AdminInvitations({ scopes, enqueueMail }),
    adminOrganizations: new AdminOrganizations({ scopes, database }),
    adminRoles: new AdminRoles(scopes),
    adminUsers: new AdminUsers({ scopes, sessions, enqueueMail, announceEnd, nowMs }),
    featureFlags: new FeatureFlags(deps),
    profiles: new Profiles(database),
  };
};
