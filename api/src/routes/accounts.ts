/** Opening an account and proving its address. Listed by routes/all.ts. */
import { z } from 'zod';
import { type Endpoint, endpoint } from '../http/endpoint.ts';
import type { Registrations } from '../services/registration.ts';
import type { Verifications } from '../services/verification.ts';
import { email, opaqueToken, password, personName } from './fields.ts';

export interface AccountRouteDeps {
  readonly registrations: Registrations;
  readonly verifications: Verifications;
}

/** Says the same whoever asks for whatever address. */
export const mailIsComing = z
  .object({ mail: z.literal('on-its-way') })
  .meta({ id: 'MailIsComing', description: 'If the address is one that we have something to say to' });

export const MAIL_IS_COMING: z.output<typeof mailIsComing> = { mail: 'on-its-way' };

const register = ({ registrations }: AccountRouteDeps): Endpoint =>
  endpoint(
    {
      method: 'post',
      path: '/api/v1/auth/register',
      aliases: ['/api/auth/register'],
      tag: 'Accounts',
      summary: 'Open an account',
      access: 'public',
      limit: 'registration',
      body: z.strictObject({ email, password, firstName: personName.optional(), lastName: personName.optional() }),
      answers: {
        201: {
          description: 'The account is open; where EMAIL_VERIFICATION is `optional`',
          schema: z.object({ user: z.object({ id: z.uuid(), email: z.string() }) }),
        },
        202: {
          description: 'A mail has the link that opens the account; the same answer where the address has one already',
          schema: mailIsComing,
        },
      },
      problems: ['email-taken', 'overloaded'],
    },
    async ({ body, signal }) => {
      const registered = await registrations.register(body, signal);
      return registered.kind === 'open'
        ? { status: 201, body: { user: registered.user } }
        : { status: 202, body: MAIL_IS_COMING };
    },
  );

/** No GET: a link that a mail scanner or a preview opens must not be spent by it. */
const verify = ({ verifications }: AccountRouteDeps): Endpoint =>
  endpoint(
    {
      method: 'post',
      path: '/api/v1/auth/verify-email',
      aliases: ['/api/auth/verify-email'],
      tag: 'Accounts',
      summary: 'Prove the address with the token of the mail',
      access: 'public',
      takesCredential: true,
      limit: 'reset',
      body: z.strictObject({ token: opaqueToken }),
      answers: { 204: { description: 'The address is proved, and the account can log in' } },
      problems: ['link-invalid'],
    },
    async ({ body }) => {
      await verifications.verify(body.token);
      return { status: 204 };
    },
  );

const resend = ({ verifications }: AccountRouteDeps): Endpoint =>
  endpoint(
    {
      method: 'post',
      path: '/api/v1/auth/resend-verification',
      aliases: ['/api/auth/resend-verification'],
      tag: 'Accounts',
      summary: 'Send the mail with the link again',
      access: 'public',
      limit: 'reset',
      body: z.strictObject({ email }),
      answers: { 202: { description: 'The same answer for every address', schema: mailIsComing } },
    },
    async ({ body }) => {
      await verifications.resend(body.email);
      return { status: 202, body: MAIL_IS_COMING };
    },
  );

export const accountRoutes = (deps: AccountRouteDeps): readonly Endpoint[] => [
  register(deps),
  verify(deps),
  resend(deps),
];
