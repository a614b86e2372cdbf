/** The admin API on accounts and their sessions. Mounted by app.ts through http/mount.ts; services/admin-users.ts does the work. */
import { z } from 'zod';
import { USER_STATUSES } from '../db/admin-users.ts';
import type { ErrorCode } from '../errors.ts';
import { type Endpoint, endpoint } from '../http/endpoint.ts';
import type { AdminCall } from '../services/admin-scope.ts';
import type { AdminUsers, User } from '../services/admin-users.ts';
import { adminCall, HIDDEN, nullableName, organizationId, RANKED, scoped, TAG, user } from './admin-fields.ts';
import { isoTime, personName, storableText } from './fields.ts';

export interface AdminUserRouteDeps {
  readonly adminUsers: AdminUsers;
}

const USERS = '/api/v1/admin/users';
const USER = `${USERS}/{userId}`;

const params = z.strictObject({ userId: z.uuid() });

const page = z.object({ users: z.array(user), nextCursor: z.string().nullable() }).meta({ id: 'UserPage' });

const listUsers = ({ adminUsers }: AdminUserRouteDeps): Endpoint =>
  endpoint(
    {
      method: 'get',
      path: USERS,
      tag: TAG,
      summary: 'List accounts, newest first',
      access: { permission: 'users:manage' },
      query: z.strictObject({
        organizationId,
        search: storableText.min(1).max(100).optional().meta({ description: 'Part of the address or the name.' }),
        role: storableText.min(1).max(63).optional().meta({ description: 'Slug of a role that is held now.' }),
        status: z.enum(USER_STATUSES).optional(),
        limit: z.coerce.number().int().min(1).max(100).default(50),
        cursor: storableText.max(200).optional().meta({ description: '`nextCursor` of the page before.' }),
      }),
      answers: { 200: { description: 'A page of accounts', schema: page } },
      problems: HIDDEN,
    },
    async (call) => {
      const { organizationId: _organization, ...query } = call.query;
      return { status: 200, body: await adminUsers.list(adminCall(call), query) };
    },
  );

const showUser = ({ adminUsers }: AdminUserRouteDeps): Endpoint =>
  endpoint(
    {
      method: 'get',
      path: USER,
      tag: TAG,
      summary: 'Show an account',
      access: { permission: 'users:manage' },
      params,
      query: scoped,
      answers: { 200: { description: 'The account', schema: user } },
      problems: HIDDEN,
    },
    async (call) => ({ status: 200, body: await adminUsers.get(adminCall(call), call.params.userId) }),
  );

const changeUser = ({ adminUsers }: AdminUserRouteDeps): Endpoint =>
  endpoint(
    {
      method: 'patch',
      path: USER,
      tag: TAG,
      summary: 'Change names, or demand a new password at the next login',
      access: { permission: 'users:update' },
      params,
      query: scoped,
      body: z.strictObject({
        firstName: nullableName,
        lastName: nullableName,
        displayName: personName.optional(),
        mustChangePassword: z.boolean().optional(),
      }),
      answers: { 200: { description: 'The account as it is now', schema: user } },
      problems: RANKED,
    },
    async (call) => ({ status: 200, body: await adminUsers.change(adminCall(call), call.params.userId, call.body) }),
  );

const removeUser = ({ adminUsers }: AdminUserRouteDeps): Endpoint =>
  endpoint(
    {
      method: 'delete',
      path: USER,
      tag: TAG,
      summary: 'Delete an account and end its sessions',
      access: { permission: 'users:delete' },
      params,
      query: scoped,
      answers: { 204: { description: 'It is gone; its address stays taken' } },
      problems: [...RANKED, 'last-super-admin'],
    },
    async (call) => {
      await adminUsers.delete(adminCall(call), call.params.userId);
      return { status: 204 };
    },
  );

interface Step {
  readonly name: string;
  readonly summary: string;
  readonly act: (call: AdminCall, userId: string) => Promise<User>;
  readonly problems: readonly ErrorCode[];
}

/** Disable and enable: the same request, the same answer. */
const step = ({ name, summary, act, problems }: Step): Endpoint =>
  endpoint(
    {
      method: 'post',
      path: `${USER}/${name}`,
      tag: TAG,
      summary,
      access: { permission: 'users:update' },
      params,
      query: scoped,
      answers: { 200: { description: 'The account as it is now', schema: user } },
      problems: [...RANKED, ...problems],
    },
    async (call) => ({ status: 200, body: await act(adminCall(call), call.params.userId) }),
  );

const unlockUser = ({ adminUsers }: AdminUserRouteDeps): Endpoint =>
  endpoint(
    {
      method: 'post',
      path: `${USER}/unlock`,
      tag: TAG,
      summary: 'Forgive the failed logins of an account',
      access: { permission: 'users:update' },
      params,
      query: scoped,
      answers: { 204: { description: 'Its attempts count from zero again' } },
      problems: RANKED,
    },
    async (call) => {
      await adminUsers.unlock(adminCall(call), call.params.userId);
      return { status: 204 };
    },
  );

const resetSecondFactor = ({ adminUsers }: AdminUserRouteDeps): Endpoint =>
  endpoint(
    {
      method: 'delete',
      path: `${USER}/mfa`,
      tag: TAG,
      summary: 'Take the second factor from an account whose owner has lost it, and end its sessions',
      access: { permission: 'users:update' },
      params,
      query: scoped,
      answers: { 204: { description: 'The password alone logs in again' } },
      problems: [...RANKED, 'conflict'],
    },
    async (call) => {
      await adminUsers.resetSecondFactor(adminCall(call), call.params.userId);
      return { status: 204 };
    },
  );

const session = z
  .object({
    id: z.uuid(),
    name: z.string().nullable(),
    client: z.string(),
    ip: z.string().nullable(),
    userAgent: z.string().nullable(),
    createdAt: isoTime,
    lastActivityAt: isoTime,
    expiresAt: isoTime,
  })
  .meta({ id: 'UserSession' });

const listSessions = ({ adminUsers }: AdminUserRouteDeps): Endpoint =>
  endpoint(
    {
      method: 'get',
      path: `${USER}/sessions`,
      tag: TAG,
      summary: 'List the live sessions of an account',
      access: { permission: 'sessions:read' },
      params,
      query: scoped,
      answers: { 200: { description: 'Newest first', schema: z.object({ sessions: z.array(session) }) } },
      problems: HIDDEN,
    },
    async (call) => ({
      status: 200,
      body: { sessions: await adminUsers.sessions(adminCall(call), call.params.userId) },
    }),
  );

const endSessions = ({ adminUsers }: AdminUserRouteDeps): Endpoint =>
  endpoint(
    {
      method: 'delete',
      path: `${USER}/sessions`,
      tag: TAG,
      summary: 'End every session of an account',
      access: { permission: 'sessions:revoke' },
      params,
      query: scoped,
      answers: { 200: { description: 'How many there were', schema: z.object({ ended: z.int() }) } },
      problems: RANKED,
    },
    async (call) => ({
      status: 200,
      body: { ended: await adminUsers.endSessions(adminCall(call), call.params.userId) },
    }),
  );

const endSession = ({ adminUsers }: AdminUserRouteDeps): Endpoint =>
  endpoint(
    {
      method: 'delete',
      path: `${USER}/sessions/{sessionId}`,
      tag: TAG,
      summary: 'End a session of an account',
      access: { permission: 'sessions:revoke' },
      params: z.strictObject({ userId: z.uuid(), sessionId: z.uuid() }),
      query: scoped,
      answers: { 204: { description: 'It has ended' } },
      problems: RANKED,
    },
    async (call) => {
      await adminUsers.endSession(adminCall(call), call.params.userId, call.params.sessionId);
      return { status: 204 };
    },
  );

export const adminUserRoutes = (deps: AdminUserRouteDeps): readonly Endpoint[] => [
  listUsers(deps),
  showUser(deps),
  changeUser(deps),
  removeUser(deps),
  step({
    name: 'disable',
    summary: 'Disable an account and end its sessions',
    act: (call, userId) => deps.adminUsers.disable(call, userId),
    problems: ['last-super-admin'],
  }),
  step({
    name: 'enable',
    summary: 'Enable an account again',
    act: (call, userId) => deps.adminUsers.enable(call, userId),
    problems: [],
  }),
  unlockUser(deps),
  resetSecondFactor(deps),
  listSessions(deps),
  endSessions(deps),
  endSession(deps),
];
