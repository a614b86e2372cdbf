/** The account's own profile, preferences, avatar and feature flags. Mounted by app.ts through http/mount.ts. */
import { z } from 'zod';
import { isTimeZone, languageTag } from '../core/locale.ts';
import { MAX_AVATAR_BYTES, MEDIA_TYPES } from '../db/avatars.ts';
import { type Endpoint, endpoint } from '../http/endpoint.ts';
import { imageIn } from '../http/image.ts';
import { plainText } from '../http/plain-text.ts';
import type { FeatureFlags } from '../services/feature-flags.ts';
import type { Profiles } from '../services/profile.ts';
import { isoTime, personName } from './fields.ts';

export interface ProfileRouteDeps {
  readonly profiles: Profiles;
  readonly featureFlags: FeatureFlags;
}

const TAG = 'Profile';

const details = z
  .object({
    id: z.uuid(),
    email: z.string(),
    emailVerified: z.boolean(),
    firstName: z.string().nullable(),
    lastName: z.string().nullable(),
    displayName: z.string(),
    phone: z.string().nullable(),
    hasAvatar: z.boolean(),
    createdAt: isoTime,
    updatedAt: isoTime,
  })
  .meta({ id: 'ProfileDetails' });

/** E.164, as every telephone network writes it. */
const phone = z
  .string()
  .regex(/^\+[1-9]\d{6,14}$/, 'must look like +27123456789')
  .meta({ examples: ['+27123456789'] });

const profileEndpoints = ({ profiles }: ProfileRouteDeps): readonly Endpoint[] => [
  endpoint(
    {
      method: 'get',
      path: '/api/v1/users/profile',
      tag: TAG,
      summary: "Show the account's own profile",
      access: 'session',
      answers: { 200: { description: 'The profile', schema: details } },
    },
    async ({ who }) => ({ status: 200, body: await profiles.details(who) }),
  ),
  endpoint(
    {
      method: 'patch',
      path: '/api/v1/users/profile',
      tag: TAG,
      summary: 'Change the profile: what is left out stays, null empties a field',
      access: 'session',
      body: z.strictObject({
        firstName: personName.nullable().optional(),
        lastName: personName.nullable().optional(),
        displayName: personName.optional(),
        phone: phone.nullable().optional(),
      }),
      answers: { 200: { description: 'The profile as it is now', schema: details } },
    },
    async ({ who, body }) => ({ status: 200, body: await profiles.change(who, body) }),
  ),
];

const language = z
  .string()
  .transform((text, context) => {
    const tag = languageTag(text);
    if (tag === undefined) context.addIssue({ code: 'custom', message: 'must be a BCP 47 language tag such as en-ZA' });
    return tag ?? z.NEVER;
  })
  .meta({ examples: ['en-ZA'] });
const timezone = z
  .string()
  .refine(isTimeZone, 'must be a time zone of the IANA database such as Africa/Johannesburg')
  .meta({ examples: ['Africa/Johannesburg'] });

/** PostgreSQL cannot store NUL, and pages may show the text. */
const settingText = z
  .string()
  .max(1000)
  .transform(plainText)
  .refine((text) => !text.includes('\0'), 'must not contain NUL');
const settingValue = z.union([settingText, z.number(), z.boolean(), z.null()]);
/** One name, one value, or a list of values: deeper trees belong to the application, not to an account. */
const settings = z
  .record(z.string().regex(/^[A-Za-z][\w.-]{0,63}$/), z.union([settingValue, z.array(settingValue).max(100)]))
  .refine((names) => Object.keys(names).length <= 64, 'must have at most 64 names');

const preferences = z
  .object({ language: z.string(), timezone: z.string(), settings: z.record(z.string(), z.unknown()) })
  .meta({ id: 'Preferences' });

const preferenceEndpoints = ({ profiles }: ProfileRouteDeps): readonly Endpoint[] => [
  endpoint(
    {
      method: 'get',
      path: '/api/v1/users/preferences',
      tag: TAG,
      summary: "Show the account's preferences",
      access: 'session',
      answers: { 200: { description: 'The preferences', schema: preferences } },
    },
    async ({ who }) => ({ status: 200, body: await profiles.preferences(who) }),
  ),
  endpoint(
    {
      method: 'patch',
      path: '/api/v1/users/preferences',
      tag: TAG,
      summary: 'Change preferences: settings are merged by name, null takes a name away',
      access: 'session',
      body: z.strictObject({
        language: language.optional(),
        timezone: timezone.optional(),
        settings: settings.optional(),
      }),
      answers: { 200: { description: 'The preferences as they are now', schema: preferences } },
    },
    async ({ who, body }) => ({ status: 200, body: await profiles.changePreferences(who, body) }),
  ),
];

/** What a browser may do with somebody's picture: show it. helmet adds `nosniff`. */
const AVATAR_HEADERS = {
  'Content-Security-Policy': "default-src 'none'; sandbox",
  'Cache-Control': 'private, no-store',
};

const showAvatar = ({ profiles }: ProfileRouteDeps): Endpoint =>
  endpoint(
    {
      method: 'get',
      path: '/api/v1/users/avatar',
      tag: TAG,
      summary: "Show the account's picture",
      access: 'session',
      answers: { 200: { description: 'The picture', contentType: 'image/*' } },
      problems: ['not-found'],
    },
    async ({ who }) => {
      const { mediaType, content } = await profiles.avatar(who);
      return { status: 200, body: content, headers: { 'Content-Type': mediaType, ...AVATAR_HEADERS } };
    },
  );

const setAvatar = ({ profiles }: ProfileRouteDeps): Endpoint =>
  endpoint(
    {
      method: 'put',
      path: '/api/v1/users/avatar',
      tag: TAG,
      summary: 'Set the picture: PNG, JPEG or WebP, at most 512 KB',
      access: 'session',
      rawBody: { types: MEDIA_TYPES, maxBytes: MAX_AVATAR_BYTES },
      answers: { 204: { description: 'It is kept' } },
    },
    async ({ who, request }) => {
      await profiles.putAvatar(who, await imageIn(request));
      return { status: 204 };
    },
  );

const removeAvatar = ({ profiles }: ProfileRouteDeps): Endpoint =>
  endpoint(
    {
      method: 'delete',
      path: '/api/v1/users/avatar',
      tag: TAG,
      summary: 'Take the picture away',
      access: 'session',
      answers: { 204: { description: 'It is gone' } },
      problems: ['not-found'],
    },
    async ({ who }) => {
      await profiles.deleteAvatar(who);
      return { status: 204 };
    },
  );

const flagEndpoint = ({ featureFlags }: ProfileRouteDeps): Endpoint =>
  endpoint(
    {
      method: 'get',
      path: '/api/v1/feature-flags',
      tag: TAG,
      summary: 'Say which feature flags are on for the account',
      access: 'session',
      answers: {
        200: {
          description: 'Every flag by name',
          schema: z.object({ flags: z.record(z.string(), z.boolean()) }).meta({ id: 'FeatureFlags' }),
        },
      },
    },
    async ({ who }) => ({ status: 200, body: { flags: await featureFlags.evaluate(who) } }),
  );

export const profileRoutes = (deps: ProfileRouteDeps): readonly Endpoint[] => [
  ...profileEndpoints(deps),
  ...preferenceEndpoints(deps),
  showAvatar(deps),
  setAvatar(deps),
  removeAvatar(deps),
  flagEndpoint(deps),
];
