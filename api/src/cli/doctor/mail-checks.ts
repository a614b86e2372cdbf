/** Whether mails leave. Part of the list in ../doctor.ts; no mail is sent. */
import { createTransport } from 'nodemailer';
import { z } from 'zod';
import { readSmtpUrl } from '../../mail/smtp-url.ts';
import { type Check, fail, faultsOr, type Outcome, ok, warn } from './check.ts';
import type { Installation } from './installation.ts';

const UNREACHABLE = new Set(['ECONNECTION', 'ESOCKET', 'ETIMEDOUT', 'EDNS', 'ECONNREFUSED']);
const CERTIFICATE = /certificate|self.signed|altnames|CERT/i;

/** Greets, becomes TLS as SMTP_URL says, logs in where it names a user, and goes. Resolves with the error, if there was one. */
const greet = async (
  installation: Installation,
): Promise<{ readonly code: string; readonly message: string } | undefined> => {
  const { waitMs, appEnv, read } = installation;
  const waits = {
    connectionTimeout: waitMs,
    greetingTimeout: waitMs,
    dnsTimeout: waitMs,
    socketTimeout: waitMs,
  };
  const transporter = createTransport({
    ...readSmtpUrl(read('SMTP_URL'), appEnv),
    ...waits,
    tls: { minVersion: 'TLSv1.2' },
  });
  try {
    await transporter.verify();
    return undefined;
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    return { code, message: error instanceof Error ? error.message : '' };
  } finally {
    transporter.close();
  }
};

const outcomeOf = ({ code, message }: { readonly code: string; readonly message: string }, place: string): Outcome => {
  if (CERTIFICATE.test(message))
    return fail(
      `the certificate of the mail server at ${place} is not believed`,
      'NODE_EXTRA_CA_CERTS=/path/to/ca.pem for an authority of your own, or the host name that the certificate has in SMTP_URL',
    );
  if (code === 'ETLS')
    return fail(
      `the mail server at ${place} offers no STARTTLS, and mails are sent encrypted only`,
      'switch STARTTLS on there, or SMTP_URL=smtps://… for TLS from the first byte; ?tls=off only where the way to it is trusted',
    );
  if (code === 'EAUTH')
    return fail(
      `the mail server at ${place} refuses the login`,
      'correct user and password in SMTP_URL=smtps://user:password@host:465; write a % as %25',
    );
  if (UNREACHABLE.has(code))
    return fail(
      `nobody answers as a mail server at ${place} (${code})`,
      'start it, correct host and port in SMTP_URL, or let the NetworkPolicy pass it',
    );
  return fail(`the mail server at ${place} cannot be used (${code})`, 'read its log for this connection');
};

const smtp: Check = {
  id: 'smtp',
  looksAt: 'the mail server takes our connection, encrypted',
  look: async (installation) => {
    const text = installation.read('SMTP_URL');
    if (text === '')
      return installation.appEnv === 'development'
        ? ok('none is configured: mails are written to MAIL_FOLDER')
        : warn('SMTP_URL is not set: nobody gets a mail', 'SMTP_URL=smtps://user:password@smtp.example.com:465');
    const { host, port, secure, ignoreTLS } = readSmtpUrl(text, installation.appEnv);
    const place = `${host}:${port}`;
    const error = await greet(installation);
    if (error !== undefined) return outcomeOf(error, place);
    if (installation.appEnv === 'production' && !secure && ignoreTLS)
      return warn(
        'mails leave unencrypted (tls=off): whoever reads one on its way opens an account',
        'leave ?tls=off out of SMTP_URL, or use smtps://',
      );
    return ok(`the mail server at ${place} takes our mails`);
  },
};

const folder: Check = {
  id: 'mail-folder',
  looksAt: 'mails are not written to a disk in production',
  look: async ({ env, appEnv }) => {
    if ((env['MAIL_FOLDER'] ?? '') === '') return ok('MAIL_FOLDER is empty');
    if (appEnv === 'production')
      return fail(
        'MAIL_FOLDER is set in production: whoever reads the folder opens every account',
        'MAIL_FOLDER= (empty), and SMTP_URL=smtps://user:password@smtp.example.com:465',
      );
    return ok(`${appEnv}: mails may be written to a folder`);
  },
};

const outboxRow = z.object({ late: z.int(), oldest: z.coerce.number(), given_up: z.int() });
/** A mail that waits longer was tried several times, or by nobody. */
const LATE_MINUTES = 15;

const outbox: Check = {
  id: 'outbox',
  looksAt: 'mails that are due have left, and none was given up today',
  look: async (installation) => {
    const ask = installation.askAs({ setting: 'app.worker', value: 'mail' });
    const [row] = await ask(
      `SELECT count(*) FILTER (WHERE is_late)::int AS late,
         coalesce(extract(epoch FROM now() - min(created_at) FILTER (WHERE is_late)), 0) AS oldest,
         count(*) FILTER (WHERE given_up_at > now() - interval '1 day')::int AS given_up
       FROM (SELECT created_at, given_up_at,
               sent_at IS NULL AND given_up_at IS NULL AND created_at < now() - make_interval(mins => $1) AS is_late
             FROM latchkey.mail_outbox) AS mails`,
      [LATE_MINUTES],
    );
    const { late, oldest, given_up: givenUp } = outboxRow.parse(row);
    const faults: Outcome[] = [];
    if (late > 0)
      faults.push(
        fail(
          `${late} mails wait for more than ${LATE_MINUTES} minutes, the oldest for ${Math.round(oldest / 60)}`,
          'see smtp, and that a pod runs: kubectl -n auth get pods; each mail is tried again for 24 h, so nothing is lost yet',
        ),
      );
    if (givenUp > 0)
      faults.push(
        warn(
          `${givenUp} mails of the last 24 h were given up`,
          'docs/runbook/auth-mail-given-up.md; who wants the mail asks for it again',
        ),
      );
    return faultsOr(faults, 'no mail is late');
  },
};

export const MAIL_CHECKS: readonly Check[] = [smtp, folder, outbox];
