/** The admin API by its doors: what a test knocks at to see whom it lets in. Called by the tests of authorisation. */

/** Every endpoint of the admin API that names something of an organization, with the permission that it needs. */
export interface Door {
  readonly method: string;
  readonly path: (thing: Things) => string;
  readonly permission: string;
  readonly body?: unknown;
}

export interface Things {
  readonly userId: string;
  readonly roleId: string;
  readonly sessionId: string;
}

const END = '2999-01-01T00:00:00Z';

export const DOORS: readonly Door[] = [
  { method: 'GET', path: ({ userId }) => `/users/${userId}`, permission: 'users:manage' },
  { method: 'PATCH', path: ({ userId }) => `/users/${userId}`, permission: 'users:update', body: { firstName: 'Eve' } },
  { method: 'DELETE', path: ({ userId }) => `/users/${userId}`, permission: 'users:delete' },
  { method: 'POST', path: ({ userId }) => `/users/${userId}/disable`, permission: 'users:update' },
  { method: 'POST', path: ({ userId }) => `/users/${userId}/enable`, permission: 'users:update' },
  { method: 'POST', path: ({ userId }) => `/users/${userId}/unlock`, permission: 'users:update' },
  { method: 'GET', path: ({ userId }) => `/users/${userId}/sessions`, permission: 'sessions:read' },
  { method: 'DELETE', path: ({ userId }) => `/users/${userId}/sessions`, permission: 'sessions:revoke' },
  {
    method: 'DELETE',
    path: ({ userId, sessionId }) => `/users/${userId}/sessions/${sessionId}`,
    permission: 'sessions:revoke',
  },
  { method: 'GET', path: ({ userId }) => `/users/${userId}/permissions`, permission: 'permissions:read' },
  {
    method: 'PUT',
    path: ({ userId }) => `/users/${userId}/permissions/reports:read`,
    permission: 'permissions:assign',
    body: { isGranted: true, expiresAt: END },
  },
  {
    method: 'DELETE',
    path: ({ userId }) => `/users/${userId}/permissions/reports:read`,
    permission: 'permissions:assign',
  },
  {
    method: 'PUT',
    path: ({ userId, roleId }) => `/users/${userId}/roles/${roleId}`,
    permission: 'roles:assign',
    body: {},
  },
  { method: 'DELETE', path: ({ userId, roleId }) => `/users/${userId}/roles/${roleId}`, permission: 'roles:assign' },
  { method: 'GET', path: ({ roleId }) => `/roles/${roleId}`, permission: 'roles:read' },
  { method: 'PATCH', path: ({ roleId }) => `/roles/${roleId}`, permission: 'roles:update', body: { name: 'Eve' } },
  { method: 'DELETE', path: ({ roleId }) => `/roles/${roleId}`, permission: 'roles:delete' },
];
