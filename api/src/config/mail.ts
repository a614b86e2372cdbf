/** Mail: where it goes and what it says. Part of config.ts. */
import { z } from 'zod';
import { url, variable } from './variable.ts';

export const mailVariables = {
  /** Empty: mails are written to MAIL_FOLDER. */
  SMTP_URL: variable(
    z
      .union([z.literal(''), url(['smtp:', 'smtps:'])], {
        error: 'must be empty or a URL that starts with smtp:// or smtps://',
      })
      .default(''),
    'smtps://user:password@smtp.example.com:465',
    'The mail server. Empty: mails are written to `MAIL_FOLDER`.',
  ),
  MAIL_FOLDER: variable(
    z.string().default(''),
    '/var/lib/latchkey/mail',
    'Where mails are written when there is no mail server.',
  ),
  MAIL_FROM: variable(
    z.string().min(3).max(320).default('Latchkey <no-reply@localhost>'),
    '"Example <no-reply@example.com>"',
    'Sender of every mail.',
  ),
  /** The links in mails begin with it; never with what a request says its host is. */
  PUBLIC_URL: variable(
    url(['http:', 'https:']).default('http://localhost:3000'),
    'https://auth.example.com',
    'The links in mails begin with it, never with what a request says its host is.',
  ),
  EMAIL_VERIFICATION: variable(
    z.enum(['required', 'optional']).default('required'),
    'required',
    '`required`: an account cannot log in before its address is proved.',
  ),
};

const parsed = z.object(mailVariables);
type MailEnvironment = z.infer<typeof parsed>;

export interface MailConfig {
  readonly mailFolder: string | undefined;
  readonly mailFrom: string;
  readonly publicUrl: string;
  readonly isVerificationRequired: boolean;
}

export const readMail = (env: MailEnvironment): MailConfig => ({
  mailFolder: env.MAIL_FOLDER === '' ? undefined : env.MAIL_FOLDER,
  mailFrom: env.MAIL_FROM,
  publicUrl: env.PUBLIC_URL.replace(/\/+$/, ''),
  isVerificationRequired: env.EMAIL_VERIFICATION === 'required',
});
