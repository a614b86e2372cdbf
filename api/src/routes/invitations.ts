/** Inviting somebody, and taking the invitation. Mounted by app.ts through http/mount.ts. */
import { z } from 'zod';
import { type Endpoint, endpoint } from '../http/endpoint.ts';
import type { AdminInvitations } from '../services/admin-invitations.ts';
import type { Invitations } from '../services/invitations.ts';
import { adminCall, RANKED, scoped, TAG, user } from './admin-fields.ts';
import { email, opaqueToken, password, personName } from './fields.ts';

export interface InvitationRouteDeps {
  readonly adminInvitations: AdminInvitations;
  readonly invitations: Invitations;
}

const invite = ({ adminInvitations }: InvitationRouteDeps): Endpoint =>
  endpoint(
    {
      method: 'post',
      path: '/api/v1/admin/users',
      tag: TAG,
      summary: 'Open an account and invite its owner by mail',
      access: { permission: 'users:create' },
      query: scoped,
      body: z.strictObject({
        email,
        firstName: personName.optional(),
        lastName: personName.optional(),
        roles: z
          .array(z.string().regex(/^[a-z][a-z0-9_]{0,62}$/, 'must be the slug of a role'))
          .min(1)
          .max(20)
          .default(['user'])
          .meta({ examples: [['user']] }),
      }),
      answers: {
        201: { description: 'The account, which nobody can log in to before its owner sets a password', schema: user },
      },
      problems: [...RANKED, 'email-taken'],
    },
    async (call) => ({ status: 201, body: await adminInvitations.invite(adminCall(call), call.body) }),
  );

const remind = ({ adminInvitations }: InvitationRouteDeps): Endpoint =>
  endpoint(
    {
      method: 'post',
      path: '/api/v1/admin/users/{userId}/invitation',
      tag: TAG,
      summary: 'Send the invitation again',
      access: { permission: 'users:create' },
      params: z.strictObject({ userId: z.uuid() }),
      query: scoped,
      answers: { 204: { description: 'It is on its way' } },
      problems: [...RANKED, 'conflict'],
    },
    async (call) => {
      await adminInvitations.remind(adminCall(call), call.params.userId);
      return { status: 204 };
    },
  );

const accept = ({ invitations }: InvitationRouteDeps): Endpoint =>
  endpoint(
    {
      method: 'post',
      path: '/api/v1/auth/accept-invitation',
      tag: 'Accounts',
      summary: 'Set the first password of an account with the token of the invitation',
      access: 'public',
      takesCredential: true,
      limit: 'reset',
      body: z.strictObject({ token: opaqueToken, newPassword: password }),
      answers: { 204: { description: 'Set, and the address is verified: log in' } },
      problems: ['link-invalid', 'conflict', 'overloaded'],
    },
    async ({ body, signal }) => {
      await invitations.accept(body, signal);
      return { status: 204 };
    },
  );

export const invitationRoutes = (deps: InvitationRouteDeps): readonly Endpoint[] => [
  invite(deps),
  remind(deps),
  accept(deps),
];
