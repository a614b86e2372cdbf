/** The second factor of one's own account. Listed by routes/all.ts; everything that changes it asks for a recent login. */
import { z } from 'zod';
import { type Browsers, browserSession } from '../http/browsers.ts';
import { type Endpoint, endpoint } from '../http/endpoint.ts';
import type { Mfa } from '../services/mfa.ts';
import { tokenPair } from './auth.ts';
import { backupCode, exactlyOneCode, isoTime, totpCode } from './fields.ts';

export interface MfaRouteDeps {
  readonly mfa: Mfa;
  readonly browsers: Browsers;
}

const backupCodes = z.array(z.string()).meta({ description: 'Ten codes that work once each; shown this once' });

const enrolment = z
  .object({
    secret: z.string(),
    otpauthUri: z.string(),
    qrCode: z.string().meta({ description: 'A PNG as a data URL' }),
  })
  .meta({ id: 'TotpEnrolment' });

const status = z
  .object({
    totp: z.object({ isEnabled: z.boolean(), enabledAt: isoTime.nullable() }),
    backupCodesLeft: z.int(),
  })
  .meta({ id: 'MfaStatus' });

/** The session that enabled it goes on under a new id. */
const enabled = z.union([tokenPair.extend({ backupCodes }), browserSession.extend({ backupCodes })]);

const show = ({ mfa }: MfaRouteDeps): Endpoint =>
  endpoint(
    {
      method: 'get',
      path: '/api/v1/auth/mfa',
      tag: 'Second factor',
      summary: 'Show whether the account has a second factor',
      access: 'session',
      answers: { 200: { description: 'The second factor and the backup codes that are left', schema: status } },
    },
    async ({ who }) => ({ status: 200, body: await mfa.status(who) }),
  );

const begin = ({ mfa }: MfaRouteDeps): Endpoint =>
  endpoint(
    {
      method: 'post',
      path: '/api/v1/auth/mfa/totp',
      tag: 'Second factor',
      summary: 'Begin to enrol an authenticator app',
      access: 'recent-session',
      answers: {
        200: { description: 'The secret, for the app; nothing asks for it before it is confirmed', schema: enrolment },
      },
      problems: ['conflict'],
    },
    async ({ who }) => ({ status: 200, body: await mfa.begin(who) }),
  );

const confirm = ({ mfa, browsers }: MfaRouteDeps): Endpoint =>
  endpoint(
    {
      method: 'post',
      path: '/api/v1/auth/mfa/totp/confirm',
      tag: 'Second factor',
      summary: 'Enable the authenticator app by its first code',
      access: 'recent-session',
      takesCredential: true,
      limit: 'login',
      body: z.strictObject({ code: totpCode }),
      answers: { 200: { description: 'Enabled: backup codes, and the same session under a new id', schema: enabled } },
      problems: ['mfa-code-wrong', 'conflict', 'session-ended'],
    },
    async ({ who, body, request }) => {
      const { codes, pair } = await mfa.confirm(who, body.code);
      if (request.get('authorization') !== undefined) return { status: 200, body: { ...pair, backupCodes: codes } };
      const reply = browsers.welcome(request, pair);
      return { ...reply, body: { ...browserSession.parse(reply.body), backupCodes: codes } };
    },
  );

const disable = ({ mfa }: MfaRouteDeps): Endpoint =>
  endpoint(
    {
      method: 'delete',
      path: '/api/v1/auth/mfa/totp',
      tag: 'Second factor',
      summary: 'Disable the authenticator app and forget the backup codes',
      access: 'recent-session',
      takesCredential: true,
      limit: 'login',
      body: exactlyOneCode({ code: totpCode.optional(), backupCode: backupCode.optional() }),
      answers: { 204: { description: 'The account has no second factor' } },
      problems: ['mfa-code-wrong', 'conflict'],
    },
    async ({ who, body }) => {
      await mfa.disable(who, body);
      return { status: 204 };
    },
  );

const renewBackupCodes = ({ mfa }: MfaRouteDeps): Endpoint =>
  endpoint(
    {
      method: 'post',
      path: '/api/v1/auth/mfa/backup-codes',
      tag: 'Second factor',
      summary: 'Replace the backup codes by ten new ones',
      access: 'recent-session',
      answers: {
        200: { description: 'The new codes; the old ones are worth nothing', schema: z.object({ backupCodes }) },
      },
      problems: ['conflict'],
    },
    async ({ who }) => ({ status: 200, body: { backupCodes: await mfa.renewBackupCodes(who) } }),
  );

export const mfaRoutes = (deps: MfaRouteDeps): readonly Endpoint[] => [
  show(deps),
  begin(deps),
  confirm(deps),
  disable(deps),
  renewBackupCodes(deps),
];
