/** What mails say, where SMTP_URL leads, and which settings cancel each other out. */
import { expect } from 'chai';
import * as fc from 'fast-check';
import { mailConflicts } from '../../../../api/src/config/mail.ts';
import { isSmtpUrl, readSmtpUrl } from '../../../../api/src/mail/smtp-url.ts';
import { renderMail } from '../../../../api/src/mail/templates.ts';
import type { MailTemplate } from '../../../../api/src/services/mail-outbox.ts';

const TEMPLATES: readonly MailTemplate[] = [
  'verify-email',
  'account-exists',
  'reset-password',
  'password-changed',
  'new-login',
  'mfa-changed',
  'account-locked',
];
const publicUrl = 'https://auth.example.com';

describe('mail templates', () => {
  it('let nothing through that a stranger typed: no markup, no words, no links', () => {
    const data = fc.record({
      ip: fc.string(),
      at: fc.string(),
      change: fc.string(),
      userAgent: fc.constant('visit evil.example'),
      firstName: fc.constant('<img src=x onerror=alert(1)>'),
    });
    const quiet = Object.fromEntries(
      TEMPLATES.map((template) => [template, renderMail(template, { data: {}, publicUrl, token: 'lko1.a.b' })]),
    );
    fc.assert(
      fc.property(data, fc.constantFrom(...TEMPLATES), (said, template) => {
        const { text, html } = renderMail(template, { data: said, publicUrl, token: 'lko1.a.b' });
        expect(text + html).not.to.match(/evil|onerror|<img|<script/);
        // What is left of such data is an address, a time, or one of three words.
        const known = /( from the address [0-9a-f.:]+)?( on \d{4,6}-\d\d-\d\d \d\d:\d\d UTC)?/g;
        const words = (mail: string) => mail.replaceAll(known, '').replaceAll(/enabled|disabled|renewed/g, 'changed');
        expect(words(text)).to.equal(words(quiet[template]?.text ?? ''));
      }),
    );
  });

  it('say where and when, as text and as HTML', () => {
    const data = { ip: '2001:db8::1', at: '2026-11-21T10:40:00.000Z' };
    const { subject, text, html } = renderMail('new-login', { data, publicUrl, token: undefined });
    expect(subject).to.equal('A login from a new device');
    for (const part of [text, html]) expect(part).to.include('2001:db8::1 on 2026-11-21 10:40 UTC');
  });

  it('carry their token behind #, where no server sees it, and nowhere else in an address', () => {
    for (const template of TEMPLATES) {
      const { text, html } = renderMail(template, { data: {}, publicUrl, token: 'lko1.tenant.secret' });
      const links = [...(text + html).matchAll(/https:\/\/[^\s"<]+/g)].map(([link]) => link);
      for (const link of links)
        expect(link).to.match(/^https:\/\/auth\.example\.com\/[a-z-]+#token=lko1\.tenant\.secret$/);
      expect(links.length > 0, template).to.equal(['verify-email', 'reset-password'].includes(template));
    }
  });
});

describe('SMTP_URL', () => {
  it('means TLS: from the first byte, by STARTTLS in production, where possible elsewhere', () => {
    expect(readSmtpUrl('smtps://u%40x:p%25@mail.example.com', 'production')).to.deep.equal({
      host: 'mail.example.com',
      port: 465,
      secure: true,
      requireTLS: false,
      ignoreTLS: false,
      auth: { user: 'u@x', pass: 'p%' },
    });
    const plain = { host: 'mail.example.com', port: 587, secure: false, ignoreTLS: false };
    expect(readSmtpUrl('smtp://mail.example.com', 'production')).to.deep.equal({ ...plain, requireTLS: true });
    expect(readSmtpUrl('smtp://mail.example.com', 'development')).to.deep.equal({ ...plain, requireTLS: false });
    expect(readSmtpUrl('smtp://mail.example.com?tls=required', 'development').requireTLS).to.equal(true);
    expect(readSmtpUrl('smtp://mail.example.com?tls=off', 'production')).to.include({
      requireTLS: false,
      ignoreTLS: true,
    });
    expect(readSmtpUrl('smtp://[::1]:2525', 'development')).to.include({ host: '::1', port: 2525 });
  });

  it('says nothing that is not understood: a slip must not become plain text', () => {
    const wrong = [
      'smtp://h?tls=none',
      'smtp://h?TLS=off',
      'smtp://h?secure=true',
      'smtps://h?tls=off',
      'smtp://h/path',
      'http://h',
      'smtp:',
      'smtp://u:p%@h',
      'x',
    ];
    expect(wrong.filter(isSmtpUrl)).to.deep.equal([]);
    expect(['smtp://h', 'smtps://u:p@h:465/', 'smtp://h:25?tls=off'].filter(isSmtpUrl)).to.have.length(3);
  });
});

describe('mail settings that cancel each other out', () => {
  const namesOf = (env: NodeJS.ProcessEnv): readonly string[] =>
    mailConflicts(env).map((line) => line.slice(0, line.indexOf(':')));
  const smtp = { SMTP_URL: 'smtps://mail.example.com', PUBLIC_URL: publicUrl };

  it('are refused, each by its variable and with an example', () => {
    expect(namesOf({})).to.deep.equal(['SMTP_URL']);
    expect(namesOf({ APP_ENV: 'development' })).to.deep.equal(['SMTP_URL']);
    expect(namesOf({ EMAIL_VERIFICATION: 'optional', MAIL_FOLDER: '/tmp/m' })).to.deep.equal(['MAIL_FOLDER']);
    expect(namesOf({ ...smtp, MAIL_FOLDER: '/tmp/m', APP_ENV: 'staging' })).to.deep.equal(['MAIL_FOLDER']);
    expect(namesOf({ ...smtp, PUBLIC_URL: 'http://localhost:3000' })).to.deep.equal(['PUBLIC_URL']);
    for (const env of [{}, { EMAIL_VERIFICATION: 'optional', MAIL_FOLDER: '/tmp/m' }])
      for (const line of mailConflicts(env)) expect(line).to.match(/; for example [A-Z_]+=/);
  });

  it('are none where mail works, or nobody needs it', () => {
    expect(namesOf(smtp)).to.deep.equal([]);
    expect(namesOf({ EMAIL_VERIFICATION: 'optional' })).to.deep.equal([]);
    expect(namesOf({ APP_ENV: 'development', MAIL_FOLDER: '/tmp/m' })).to.deep.equal([]);
  });

  it('leave no configuration under which an account could be opened and never used', () => {
    const value = (...texts: string[]) => fc.constantFrom(undefined, ...texts);
    const env = fc.record({
      APP_ENV: value('development', 'staging', 'production'),
      EMAIL_VERIFICATION: value('required', 'optional'),
      SMTP_URL: value('', 'smtps://mail.example.com'),
      MAIL_FOLDER: value('', '/tmp/m'),
      PUBLIC_URL: value(publicUrl, 'http://localhost:3000'),
    });
    fc.assert(
      fc.property(env, (settings) => {
        if (mailConflicts(settings).length > 0) return;
        const sends = Boolean(settings.SMTP_URL) || Boolean(settings.MAIL_FOLDER);
        expect(sends || settings.EMAIL_VERIFICATION === 'optional').to.equal(true);
      }),
      { numRuns: 500 },
    );
  });
});
