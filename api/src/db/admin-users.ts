/** The statements on accounts as their administrators see them. Called by services/admin-users.ts, inside a tenant's transaction. */
import { z } from 'zod';
import type { Position } from '../core/page-cursor.ts';
import type { Transaction } from './database.ts';

export const USER_STATUSES = ['active', 'disabled', 'invited'] as const;

export type UserStatus = (typeof USER_STATUSES)[number];

const userRow = z.object({
  id: z.uuid(),
  email: z.string(),
  email_verified: z.boolean(),
  first_name: z.string().nullable(),
  last_name: z.string().nullable(),
  display_name: z.string(),
  status: z.enum(USER_STATUSES),
  must_change_password: z.boolean(),
  last_login_at: z.date().nullable(),
  created_at: z.date(),
  position: z.string(),
  level: z.int(),
  is_super_admin: z.boolean(),
  roles: z.array(
    z.object({ id: z.uuid(), slug: z.string(), level: z.int(), expiresAt: z.string().nullable() }).readonly(),
  ),
});

export type UserRow = Readonly<z.infer<typeof userRow>>;

const STATUS = `CASE WHEN NOT u.is_active THEN 'disabled' WHEN u.password_hash IS NULL THEN 'invited' ELSE 'active' END`;

/** `position` is the creation time to the microsecond, which a JavaScript date would cut. Roles that have ended are shown and count for nothing. */
const USER = `u.id, u.email, u.email_verified, u.first_name, u.last_name, u.display_name, ${STATUS} AS status,
  u.must_change_password, u.last_login_at, u.created_at, u.created_at::text AS position, held.level, held.is_super_admin, held.roles`;

const HELD = `CROSS JOIN LATERAL (
    SELECT coalesce(max(r.role_level) FILTER (WHERE h.is_current), 0) AS level,
           coalesce(bool_or(h.is_current AND r.is_system_role AND r.role_type = 'super_admin'), false) AS is_super_admin,
           coalesce(jsonb_agg(jsonb_build_object('id', r.id, 'slug', r.slug, 'level', r.role_level,
             'expiresAt', to_char(h.expires_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')) ORDER BY r.role_level DESC, r.slug)
             FILTER (WHERE r.id IS NOT NULL), '[]') AS roles
    FROM (SELECT role_id, expires_at, expires_at IS NULL OR expires_at > now() AS is_current
          FROM auth.user_roles WHERE user_id = u.id) h
    JOIN auth.roles r ON r.id = h.role_id
  ) held`;

export const findUser = async (tx: Transaction, userId: string): Promise<UserRow | undefined> => {
  const { rows } = await tx.query(
    `SELECT ${USER} FROM auth.users_extended u ${HELD} WHERE u.id = $1 AND u.deleted_at IS NULL`,
    [userId],
  );
  return rows[0] === undefined ? undefined : userRow.parse(rows[0]);
};

export interface UserFilter {
  /** Part of the address or the name. */
  readonly search?: string | undefined;
  /** Slug of a role that is held now. */
  readonly role?: string | undefined;
  readonly status?: UserStatus | undefined;
  readonly after?: Position | undefined;
  readonly limit: number;
}

/** What LIKE would take for a pattern is a letter like any other. */
const containing = (text: string): string =>
  `%${text.toLowerCase().replaceAll(/[\\%_]/g, (special) => `\\${special}`)}%`;

/** Beyond every row: where the first page begins. */
const START: Position = { at: 'infinity', id: 'ffffffff-ffff-ffff-ffff-ffffffffffff' };

/** Newest first. */
export const listUsers = async (tx: Transaction, filter: UserFilter): Promise<readonly UserRow[]> => {
  const { search, role, status, after = START, limit } = filter;
  const { rows } = await tx.query(
    `SELECT ${USER} FROM (
       SELECT u.* FROM auth.users_extended u
       WHERE (u.created_at, u.id) < ($1::timestamptz, $2::uuid) AND u.deleted_at IS NULL
         AND ($3::text IS NULL OR u.email LIKE $3 OR lower(u.display_name) LIKE $3)
         AND ($4::text IS NULL OR ${STATUS} = $4)
         AND ($5::text IS NULL OR EXISTS (
           SELECT 1 FROM auth.user_roles ur JOIN auth.roles r ON r.id = ur.role_id
           WHERE ur.user_id = u.id AND r.slug = $5 AND (ur.expires_at IS NULL OR ur.expires_at > now())))
       ORDER BY u.created_at DESC, u.id DESC LIMIT $6
     ) u ${HELD} ORDER BY u.created_at DESC, u.id DESC`,
    [after.at, after.id, search === undefined ? null : containing(search), status ?? null, role ?? null, limit],
  );
  return z.array(userRow).parse(rows);
};

export interface InvitedUser {
  readonly tenantId: string;
  readonly email: string;
  readonly firstName: string | undefined;
  readonly lastName: string | undefined;
  readonly displayName: string;
}

/** An account without a password: nobody can log in to it. @throws the driver's unique violation when the address is taken */
export const insertInvitedUser = async (tx: Transaction, user: InvitedUser): Promise<string> => {
  const { rows } = await tx.query(
    `INSERT INTO auth.users_extended (org_id, email, first_name, last_name, display_name)
     VALUES ($1, $2, $3, $4, $5) RETURNING id`,
    [user.tenantId, user.email, user.firstName ?? null, user.lastName ?? null, user.displayName],
  );
  const { id } = z.object({ id: z.uuid() }).parse(rows[0]);
  // A second statement: row level security lets the link see the account only once its insert is done.
  await tx.query('INSERT INTO auth.user_preferences (user_id) VALUES ($1)', [id]);
  return id;
};

/** undefined leaves a field as it is, null empties it. */
export interface UserChange {
  readonly firstName?: string | null | undefined;
  readonly lastName?: string | null | undefined;
  readonly displayName?: string | undefined;
  readonly mustChangePassword?: boolean | undefined;
}

export const updateUser = async (tx: Transaction, userId: string, change: UserChange): Promise<void> => {
  await tx.query(
    `UPDATE auth.users_extended
     SET first_name = CASE WHEN $2 THEN $3 ELSE first_name END, last_name = CASE WHEN $4 THEN $5 ELSE last_name END,
         display_name = coalesce($6, display_name), must_change_password = coalesce($7, must_change_password)
     WHERE id = $1`,
    [
      userId,
      change.firstName !== undefined,
      change.firstName ?? null,
      change.lastName !== undefined,
      change.lastName ?? null,
      change.displayName ?? null,
      change.mustChangePassword ?? null,
    ],
  );
};

export const setUserActive = async (tx: Transaction, userId: string, isActive: boolean): Promise<void> => {
  await tx.query('UPDATE auth.users_extended SET is_active = $2 WHERE id = $1', [userId, isActive]);
};

/** The row stays, for the audit trail and for whoever asks who had that address; nobody sees or uses it any more. */
export const markUserDeleted = async (tx: Transaction, userId: string): Promise<void> => {
  await tx.query('UPDATE auth.users_extended SET is_active = false, deleted_at = now() WHERE id = $1', [userId]);
};

const sessionRow = z.object({
  id: z.uuid(),
  name: z.string().nullable(),
  client: z.string(),
  ip_address: z.string().nullable(),
  user_agent: z.string().nullable(),
  created_at: z.date(),
  last_activity_at: z.date(),
  expires_at: z.date(),
});

export type UserSessionRow = Readonly<z.infer<typeof sessionRow>>;

export const listUserSessions = async (
  tx: Transaction,
  userId: string,
  nowMs: number,
): Promise<readonly UserSessionRow[]> => {
  const { rows } = await tx.query(
    `SELECT id, name, client, host(ip_address) AS ip_address, user_agent, created_at, last_activity_at, expires_at
     FROM auth.user_sessions WHERE user_id = $1 AND status = 'active' AND expires_at > $2 ORDER BY created_at DESC LIMIT 200`,
    [userId, new Date(nowMs)],
  );
  return z.array(sessionRow).parse(rows);
};
