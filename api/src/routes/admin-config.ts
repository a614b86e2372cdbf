/** The admin API on organizations, feature flags and the system's configuration. Mounted by app.ts through http/mount.ts. */
import { z } from 'zod';
import { type Endpoint, endpoint } from '../http/endpoint.ts';
import { plainText } from '../http/plain-text.ts';
import type { AdminConfig } from '../services/admin-config.ts';
import type { AdminOrganizations } from '../services/admin-organizations.ts';
import { adminCall, HIDDEN, organizationId, RANKED, scoped, TAG } from './admin-fields.ts';
import { isoTime, personName, storableText } from './fields.ts';

export interface AdminConfigRouteDeps {
  readonly adminConfig: AdminConfig;
  readonly adminOrganizations: AdminOrganizations;
}

const ORGANIZATIONS = '/api/v1/admin/organizations';
const FLAGS = '/api/v1/admin/feature-flags';
const CONFIG = '/api/v1/admin/system-config';

const organization = z
  .object({ id: z.uuid(), slug: z.string().nullable(), name: z.string(), createdAt: isoTime })
  .meta({ id: 'Organization' });

const organizations = ({ adminOrganizations }: AdminConfigRouteDeps): readonly Endpoint[] => [
  endpoint(
    {
      method: 'get',
      path: ORGANIZATIONS,
      tag: TAG,
      summary: "List organizations: all for a super administrator, one's own for others",
      access: { permission: 'organizations:read' },
      answers: { 200: { description: 'By name', schema: z.object({ organizations: z.array(organization) }) } },
    },
    async (call) => ({
      status: 200,
      body: { organizations: await adminOrganizations.list({ who: call.who, origin: call.origin }) },
    }),
  ),
  endpoint(
    {
      method: 'post',
      path: ORGANIZATIONS,
      tag: TAG,
      summary: 'Open an organization with the five system roles',
      access: { permission: 'organizations:create' },
      body: z.strictObject({
        slug: z.string().regex(/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/, 'must be lower-case letters, digits and -'),
        name: personName,
      }),
      answers: { 201: { description: 'The organization', schema: organization } },
      problems: ['level-too-low', 'conflict'],
    },
    async (call) => ({
      status: 201,
      body: await adminOrganizations.create({ who: call.who, origin: call.origin }, call.body),
    }),
  ),
];

const owner = z.enum(['organization', 'installation']);
const flag = z
  .object({
    name: z.string(),
    owner,
    isEnabled: z.boolean(),
    rolloutPercentage: z.int(),
    description: z.string().nullable(),
    updatedAt: isoTime,
  })
  .meta({ id: 'FeatureFlag' });

const flagParams = z.strictObject({
  name: z.string().regex(/^[a-z][a-z0-9_.-]{0,62}$/, 'must be lower-case letters, digits, _, - and .'),
});
const flagQuery = z.strictObject({
  organizationId,
  owner: owner
    .default('organization')
    .meta({ description: "`installation`: everybody's, where an organization has none of its own." }),
});

const listFlags = ({ adminConfig }: AdminConfigRouteDeps): Endpoint =>
  endpoint(
    {
      method: 'get',
      path: FLAGS,
      tag: TAG,
      summary: "List the installation's feature flags and the organization's own",
      access: { permission: 'feature_flags:read' },
      query: scoped,
      answers: { 200: { description: 'By name', schema: z.object({ flags: z.array(flag) }) } },
      problems: HIDDEN,
    },
    async (call) => ({ status: 200, body: { flags: await adminConfig.flags(adminCall(call)) } }),
  );

const putFlag = ({ adminConfig }: AdminConfigRouteDeps): Endpoint =>
  endpoint(
    {
      method: 'put',
      path: `${FLAGS}/{name}`,
      tag: TAG,
      summary: 'Set a feature flag',
      access: { permission: 'feature_flags:update' },
      params: flagParams,
      query: flagQuery,
      body: z.strictObject({
        isEnabled: z.boolean(),
        rolloutPercentage: z.int().min(0).max(100),
        description: storableText.max(1000).transform(plainText).pipe(z.string().max(500)).optional(),
      }),
      answers: { 200: { description: 'The flag as it is now', schema: flag } },
      problems: RANKED,
    },
    async (call) => {
      const draft = { ...call.body, name: call.params.name, description: call.body.description };
      return { status: 200, body: await adminConfig.putFlag(adminCall(call), call.query.owner, draft) };
    },
  );

const deleteFlag = ({ adminConfig }: AdminConfigRouteDeps): Endpoint =>
  endpoint(
    {
      method: 'delete',
      path: `${FLAGS}/{name}`,
      tag: TAG,
      summary: 'Delete a feature flag',
      access: { permission: 'feature_flags:update' },
      params: flagParams,
      query: flagQuery,
      answers: { 204: { description: 'It is gone' } },
      problems: RANKED,
    },
    async (call) => {
      await adminConfig.deleteFlag(adminCall(call), call.query.owner, call.params.name);
      return { status: 204 };
    },
  );

/** Every key that something reads, and what it holds. */
const KNOWN = {
  maintenance_mode: z.boolean(),
  auth_disabled: z.boolean(),
  maintenance_retry_after_seconds: z.int().min(1).max(86_400),
} as const satisfies Readonly<Record<string, z.ZodType>>;

const key = z.enum(['maintenance_mode', 'auth_disabled', 'maintenance_retry_after_seconds']);
const entry = z
  .object({ key: z.string(), owner, value: z.unknown(), updatedAt: isoTime })
  .meta({ id: 'SystemConfigEntry' });

/** Open in both modes: they are switched off here. */
const openDuring = ['maintenance', 'auth-disabled'] as const;

const listConfig = ({ adminConfig }: AdminConfigRouteDeps): Endpoint =>
  endpoint(
    {
      method: 'get',
      path: CONFIG,
      tag: TAG,
      summary: "List the system's configuration",
      access: { permission: 'system_config:read' },
      openDuring,
      answers: { 200: { description: 'By key', schema: z.object({ entries: z.array(entry) }) } },
    },
    async (call) => ({
      status: 200,
      body: { entries: await adminConfig.config({ who: call.who, origin: call.origin }) },
    }),
  );

const putConfig = ({ adminConfig }: AdminConfigRouteDeps): Endpoint =>
  endpoint(
    {
      method: 'put',
      path: `${CONFIG}/{key}`,
      tag: TAG,
      summary: 'Set a key for the whole installation',
      access: { permission: 'system_config:update' },
      openDuring,
      params: z.strictObject({ key }),
      body: z.strictObject({ value: z.union([z.boolean(), z.number(), z.string().max(1000)]) }),
      answers: { 204: { description: 'It is set; every pod follows within a second' } },
      problems: ['level-too-low'],
    },
    async (call) => {
      const { value } = z.object({ value: KNOWN[call.params.key] }).parse(call.body);
      await adminConfig.putConfig({ who: call.who, origin: call.origin }, call.params.key, value);
      return { status: 204 };
    },
  );

const deleteConfig = ({ adminConfig }: AdminConfigRouteDeps): Endpoint =>
  endpoint(
    {
      method: 'delete',
      path: `${CONFIG}/{key}`,
      tag: TAG,
      summary: 'Delete a key: what the environment says holds again',
      access: { permission: 'system_config:update' },
      openDuring,
      params: z.strictObject({ key }),
      answers: { 204: { description: 'It is gone' } },
      problems: RANKED,
    },
    async (call) => {
      await adminConfig.deleteConfig({ who: call.who, origin: call.origin }, call.params.key);
      return { status: 204 };
    },
  );

export const adminConfigRoutes = (deps: AdminConfigRouteDeps): readonly Endpoint[] => [
  ...organizations(deps),
  listFlags(deps),
  putFlag(deps),
  deleteFlag(deps),
  listConfig(deps),
  putConfig(deps),
  deleteConfig(deps),
];
