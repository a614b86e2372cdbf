/** Mail: where it goes and what it says. Part of config.ts. */
import { z } from 'zod';
import { isSmtpUrl } from '../mail/smtp-url.ts';
import { url, variable } from './variable.ts';

const DEFAULT_PUBLIC_URL = 'http://localhost:3000';

export const mailVariables = {
  SMTP_URL: variable(
    z
      .string()
      .default('')
      .refine((text) => text === '' || isSmtpUrl(text), {
        message:
          'must be empty or smtp://user:password@host:port, or smtps://…; smtp:// takes ?tls=required, ?tls=optional or ?tls=off and nothing else',
      }),
    'smtps://user:password@smtp.example.com:465',
    'The mail server. `smtp://` becomes TLS by STARTTLS, in production always; `?tls=optional` or `?tls=off` lower that. Empty: mails are written to `MAIL_FOLDER`.',
  ),
  MAIL_FOLDER: variable(
    z.string().default(''),
    '/var/lib/latchkey/mail',
    'Where mails are written when there is no mail server; not in production.',
  ),
  MAIL_FROM: variable(
    z
      .string()
      .max(320)
      .regex(
        /^[^\r\n<>]*<[^\s<>@]+@[^\s<>@]+>$|^[^\s<>@]+@[^\s<>@]+$/,
        'must be an address, or a name and an <address>',
      )
      .default('Latchkey <no-reply@localhost>'),
    '"Example <no-reply@example.com>"',
    'Sender of every mail.',
  ),
  PUBLIC_URL: variable(
    url(['http:', 'https:']).default(DEFAULT_PUBLIC_URL),
    'https://auth.example.com',
    'The links in mails begin with it, never with what a request says its host is. `https` where a production server sends mail.',
  ),
  EMAIL_VERIFICATION: variable(
    z.enum(['required', 'optional']).default('required'),
    'required',
    '`required`: an account cannot log in before its address is proved, which needs a mail server.',
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

/** Settings that cancel each other out: one that nobody could log in under, and ones that would hand accounts to others. */
export const mailConflicts = ({
  APP_ENV = 'production',
  EMAIL_VERIFICATION = 'required',
  SMTP_URL = '',
  MAIL_FOLDER = '',
  PUBLIC_URL = DEFAULT_PUBLIC_URL,
}: NodeJS.ProcessEnv): readonly string[] => {
  const isProduction = APP_ENV === 'production';
  const conflicts: readonly (readonly [boolean, string])[] = [
    [
      EMAIL_VERIFICATION === 'required' && SMTP_URL === '' && (isProduction || MAIL_FOLDER === ''),
      'SMTP_URL: is empty and EMAIL_VERIFICATION is required, so nobody could ever log in; for example SMTP_URL=smtps://user:password@smtp.example.com:465, or EMAIL_VERIFICATION=optional',
    ],
    [
      SMTP_URL !== '' && MAIL_FOLDER !== '',
      'MAIL_FOLDER: is set and so is SMTP_URL, but a mail has one way out; for example MAIL_FOLDER= (empty)',
    ],
    [
      isProduction && MAIL_FOLDER !== '',
      'MAIL_FOLDER: is set and APP_ENV is production, where whoever reads the folder opens every account; for example MAIL_FOLDER= (empty) and SMTP_URL=smtps://user:password@smtp.example.com:465',
    ],
    [
      isProduction && SMTP_URL !== '' && !PUBLIC_URL.startsWith('https://'),
      'PUBLIC_URL: must begin with https:// when APP_ENV is production and SMTP_URL is set, since links in mails begin with it; for example PUBLIC_URL=https://auth.example.com',
    ],
  ];
  return conflicts.flatMap(([isConflict, message]) => (isConflict ? [message] : []));
};
