/** What the schemas of the admin API share. Used by routes/admin-*.ts. */
import { z } from 'zod';
import type { Origin } from '../db/sessions.ts';
import type { ErrorCode } from '../errors.ts';
import type { Caller } from '../http/authenticate.ts';
import type { AdminCall } from '../services/admin-scope.ts';
import { isoTime, personName } from './fields.ts';

export const TAG = 'Administration';

/** Another organization than the session's: only a super administrator's request gets there. */
export const organizationId = z.uuid().optional().meta({
  description: "Another organization than the session's own; only for super administrators, to others it is not there.",
});

export const scoped = z.strictObject({ organizationId });

/** Every admin endpoint may answer with it: for what is another organization's too. */
export const HIDDEN = ['not-found'] as const satisfies readonly ErrorCode[];
export const RANKED = ['not-found', 'level-too-low'] as const satisfies readonly ErrorCode[];

/** The part of a call that says who asks, and for which organization. */
export const adminCall = (call: {
  readonly who: Caller;
  readonly origin: Origin;
  readonly query: { readonly organizationId?: string | undefined };
}): AdminCall => ({ who: call.who, origin: call.origin, organizationId: call.query.organizationId });

export const expiresAt = z.iso
  .datetime()
  .transform((text) => new Date(text))
  .refine((time) => time.getTime() > Date.now(), 'must lie in the future')
  .meta({ examples: ['2099-01-01T00:00:00Z'] });

export const nullableName = personName.nullable().optional();

export const permissionName = z
  .string()
  .regex(/^[a-z_]{1,60}:[a-z]{1,20}$/, 'must look like users:read')
  .meta({ examples: ['users:read'] });

export const user = z
  .object({
    id: z.uuid(),
    email: z.string(),
    emailVerified: z.boolean(),
    firstName: z.string().nullable(),
    lastName: z.string().nullable(),
    displayName: z.string(),
    status: z.enum(['active', 'disabled', 'invited']),
    mustChangePassword: z.boolean(),
    level: z.int(),
    roles: z.array(
      z.object({ id: z.uuid(), slug: z.string(), level: z.int(), expiresAt: z.iso.datetime().nullable() }),
    ),
    lastLoginAt: isoTime.nullable(),
    createdAt: isoTime,
  })
  .meta({ id: 'User' });
