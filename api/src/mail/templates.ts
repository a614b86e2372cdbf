/**
 * What each mail says, as text and as HTML. Called by mail/delivery.ts. Nothing that a stranger typed gets into a mail: no names, no user
 * agent, so nobody can send his own words or links through us.
 */
import { isIP } from 'node:net';
import { escapeHtml } from '../core/escape-html.ts';
import type { MailTemplate } from '../services/mail-outbox.ts';

export interface MailContent {
  readonly subject: string;
  readonly text: string;
  readonly html: string;
}

export interface MailFacts {
  readonly data: Readonly<Record<string, string>>;
  /** Where links begin: configured, never what a request says its host is. */
  readonly publicUrl: string;
  /** The one-time token, for the templates that carry one. */
  readonly token: string | undefined;
}

interface Letter {
  readonly subject: string;
  readonly lines: readonly string[];
  /** Its token stands behind `#`, so that it reaches no server's log and no `Referer`. */
  readonly link?: { readonly label: string; readonly path: string };
  /** Why it came, and what to do when it was not the reader. */
  readonly footer: string;
}

const NOT_YOU = 'If that was not you, reset your password now.';

/** `2026-11-21 10:40 UTC`, or nothing for what is no time. */
const whenOf = ({ at = '' }: MailFacts['data']): string => {
  const time = new Date(at);
  return Number.isNaN(time.getTime()) ? '' : ` on ${time.toISOString().slice(0, 16).replace('T', ' ')} UTC`;
};

const whereOf = ({ ip = '' }: MailFacts['data']): string => (isIP(ip) === 0 ? '' : ` from the address ${ip}`);

const LETTERS: Readonly<Record<MailTemplate, (data: MailFacts['data']) => Letter>> = {
  'verify-email': () => ({
    subject: 'Confirm your e-mail address',
    lines: ['Confirm this address to open your account. The link works once, within 24 hours.'],
    link: { label: 'Confirm the address', path: '/verify-email' },
    footer: 'If you did not open an account, do nothing: without the link nobody can use it.',
  }),
  'account-exists': () => ({
    subject: 'You have an account already',
    lines: [
      'Somebody wanted to open an account with this address. It has one already, so nothing was changed.',
      'Log in as always, or reset your password if you have forgotten it.',
    ],
    footer: 'If that was not you, there is nothing to do.',
  }),
  'reset-password': () => ({
    subject: 'Reset your password',
    lines: ['Set a new password. The link works once, within an hour; then you are logged out everywhere.'],
    link: { label: 'Set a new password', path: '/reset-password' },
    footer: 'If you did not ask for it, do nothing: your password stays as it is.',
  }),
  invitation: () => ({
    subject: 'You are invited',
    lines: ['An account was opened for you. Set a password to use it. The link works once, within seven days.'],
    link: { label: 'Set a password', path: '/accept-invitation' },
    footer: 'If you did not expect it, do nothing: without the link nobody can use the account.',
  }),
  'password-changed': (data) => ({
    subject: 'Your password was changed',
    lines: [`Your password was changed${whenOf(data)}. All other sessions have ended.`],
    footer: NOT_YOU,
  }),
  'new-login': (data) => ({
    subject: 'A login from a new device',
    lines: [`Somebody logged in to your account from a device that we do not know${whereOf(data)}${whenOf(data)}.`],
    footer: NOT_YOU,
  }),
  'mfa-changed': (data) => ({
    subject: 'Your second factor was changed',
    lines: [`The second factor of your account was ${mfaChangeOf(data)}${whenOf(data)}.`],
    footer: NOT_YOU,
  }),
  'account-locked': (data) => ({
    subject: 'Too many wrong passwords',
    lines: [
      `Somebody tried too many wrong passwords for your account${whereOf(data)}${whenOf(data)}.`,
      'Devices that you used before can still log in. From others, wait half an hour or reset your password.',
    ],
    footer: 'If that was not you, your password has kept them out.',
  }),
};

const mfaChangeOf = ({ change = '' }: MailFacts['data']): string =>
  ['enabled', 'disabled', 'renewed'].includes(change) ? change : 'changed';

const htmlOf = (letter: Letter, url: string | undefined, token: string | undefined): string => {
  const paragraph = (text: string): string => `<p style="margin:0 0 16px">${text}</p>`;
  const button =
    url === undefined || letter.link === undefined
      ? []
      : [
          paragraph(
            `<a href="${escapeHtml(url)}" style="display:inline-block;padding:10px 18px;border-radius:6px;background:#1f4fd8;color:#ffffff;text-decoration:none">${escapeHtml(letter.link.label)}</a>`,
          ),
          paragraph(
            `<span style="color:#666666;font-size:13px">Or give this code to the application:<br><code style="word-break:break-all">${escapeHtml(token ?? '')}</code></span>`,
          ),
        ];
  const body = [
    `<h1 style="margin:0 0 16px;font-size:20px">${escapeHtml(letter.subject)}</h1>`,
    ...letter.lines.map((line) => paragraph(escapeHtml(line))),
    ...button,
    `<p style="margin:24px 0 0;color:#666666;font-size:13px">${escapeHtml(letter.footer)}</p>`,
  ];
  return [
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">',
    `<title>${escapeHtml(letter.subject)}</title></head>`,
    '<body style="margin:0;padding:32px 16px;background:#f4f5f7;color:#1a1a1a;font:16px/1.5 system-ui,sans-serif">',
    '<div style="max-width:480px;margin:0 auto;padding:32px;background:#ffffff;border-radius:8px">',
    ...body,
    '</div></body></html>',
  ].join('\n');
};

export const renderMail = (template: MailTemplate, { data, publicUrl, token }: MailFacts): MailContent => {
  const letter = LETTERS[template](data);
  const url =
    letter.link === undefined || token === undefined ? undefined : `${publicUrl}${letter.link.path}#token=${token}`;
  const linkLines =
    url === undefined || letter.link === undefined
      ? []
      : [`${letter.link.label}:\n${url}`, `Or give this code to the application:\n${token}`];
  return {
    subject: letter.subject,
    text: `${[...letter.lines, ...linkLines, letter.footer].join('\n\n')}\n`,
    html: htmlOf(letter, url, token),
  };
};
