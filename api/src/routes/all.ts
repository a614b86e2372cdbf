/** Every endpoint of the API, in one list: app.ts serves it, openapi/ describes it, tests walk over it. */
import type { Endpoint, EndpointSpec } from '../http/endpoint.ts';
import { type AccountRouteDeps, accountRoutes } from './accounts.ts';
import { type AdminConfigRouteDeps, adminConfigRoutes } from './admin-config.ts';
import { type AdminRoleRouteDeps, adminRoleRoutes } from './admin-roles.ts';
import { type AdminUserRouteDeps, adminUserRoutes } from './admin-users.ts';
import { type AuditRouteDeps, auditEndpoints } from './audit.ts';
import { type AuthRouteDeps, authEndpoints, hotEndpoints } from './auth.ts';
import { type DiagnosticsRouteDeps, diagnosticsEndpoints } from './diagnostics.ts';
import { type DocsRouteDeps, docsRoutes } from './docs.ts';
import { type ErrorRouteDeps, errorEndpoints } from './errors.ts';
import { type IntrospectionRouteDeps, introspectionEndpoints } from './introspection.ts';
import { type InvitationRouteDeps, invitationRoutes } from './invitations.ts';
import { type KeyRouteDeps, keyEndpoints } from './keys.ts';
import { type LoginRouteDeps, loginRoutes } from './login.ts';
import { type MfaRouteDeps, mfaRoutes } from './mfa.ts';
import { type PasswordRouteDeps, passwordRoutes } from './passwords.ts';
import { type ProfileRouteDeps, profileRoutes } from './profile.ts';
import { type SessionRouteDeps, sessionEndpoints } from './sessions.ts';

export interface EndpointDeps
  extends AuthRouteDeps,
    AccountRouteDeps,
    PasswordRouteDeps,
    LoginRouteDeps,
    MfaRouteDeps,
    SessionRouteDeps,
    KeyRouteDeps,
    IntrospectionRouteDeps,
    ProfileRouteDeps,
    AdminUserRouteDeps,
    AdminRoleRouteDeps,
    AdminConfigRouteDeps,
    AuditRouteDeps,
    ErrorRouteDeps,
    DiagnosticsRouteDeps,
    InvitationRouteDeps,
    DocsRouteDeps {}

/** Served first, before anything that reads a body. */
export const hot = (deps: EndpointDeps): readonly Endpoint[] => hotEndpoints(deps);

export const endpoints = (deps: EndpointDeps): readonly Endpoint[] => [
  ...accountRoutes(deps),
  ...authEndpoints(deps),
  ...passwordRoutes(deps),
  ...loginRoutes(deps),
  ...mfaRoutes(deps),
  ...sessionEndpoints(deps),
  ...keyEndpoints(deps),
  ...introspectionEndpoints(deps),
  ...profileRoutes(deps),
  ...adminUserRoutes(deps),
  ...adminRoleRoutes(deps),
  ...adminConfigRoutes(deps),
  ...auditEndpoints(deps),
  ...errorEndpoints(deps),
  ...diagnosticsEndpoints(deps),
  ...invitationRoutes(deps),
  ...docsRoutes(deps),
];

/** What every endpoint says of itself, for those who only describe: no handler of these is ever called. */
export const endpointSpecs = (): readonly EndpointSpec[] => {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  const nobody = {} as EndpointDeps;
  return [...hot(nobody), ...endpoints(nobody)].map(({ spec }) => spec);
};
