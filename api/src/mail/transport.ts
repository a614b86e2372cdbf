/**
 * Where mails leave: a mail server by SMTP, or a folder where there is none. Made by mail/delivery.ts's starter; every wait has a limit.
 * What a mail server says goes no further than its code: its text may quote addresses.
 */
import { randomUUID } from 'node:crypto';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Transporter } from 'nodemailer';
import type { SmtpOptions } from './smtp-url.ts';

export interface Mail {
  /** The same at every attempt, so that a mail server can see a mail that comes twice. */
  readonly id: string;
  readonly recipient: string;
  readonly subject: string;
  readonly text: string;
  readonly html: string;
}

/** `code` is safe to keep and to log; `isFinal` where the mail server will never take this mail. */
export class MailError extends Error {
  override readonly name = 'MailError';
  readonly code: string;
  readonly isFinal: boolean;

  constructor(code: string, isFinal: boolean) {
    super(`the mail was not sent: ${code}`);
    this.code = code;
    this.isFinal = isFinal;
  }
}

export interface MailTransport {
  /** @throws MailError */
  send(mail: Mail): Promise<void>;
  close(): void;
}

const CONNECT_MS = 10_000;
const SILENCE_MS = 20_000;
/** For the whole of one mail, however slowly a server drips; shorter than the lease of mail/delivery.ts. */
const SEND_MS = 45_000;

const messageOf = (mail: Mail, from: string) => ({
  from,
  to: { name: '', address: mail.recipient },
  subject: mail.subject,
  text: mail.text,
  html: mail.html,
  messageId: `<${mail.id}@${/@([^\s>]+)>?\s*$/.exec(from)?.[1] ?? 'latchkey'}>`,
  // Nobody's holiday notice answers it (RFC 3834).
  headers: { 'Auto-Submitted': 'auto-generated', 'X-Auto-Response-Suppress': 'All' },
  disableFileAccess: true,
  disableUrlAccess: true,
});

/** A refused recipient or content is refused tomorrow too; a refused login or a full disk is ours or the server's to mend. */
const FINAL_CODES = new Set(['EENVELOPE', 'EMESSAGE']);

const toMailError = (error: unknown): MailError => {
  if (error instanceof MailError) return error;
  const field = (name: string): unknown => (error instanceof Error ? Reflect.get(error, name) : undefined);
  const code = field('code');
  const responseCode = field('responseCode');
  const known = typeof code === 'string' && /^[A-Z_]{1,40}$/.test(code) ? code : 'EMAIL';
  if (typeof responseCode !== 'number') return new MailError(known, false);
  return new MailError(`${known} ${responseCode}`, FINAL_CODES.has(known) && responseCode >= 500);
};

const withDeadline = async <T>(work: Promise<T>): Promise<T> => {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new MailError('ETIMEDOUT', false)), SEND_MS);
  });
  try {
    return await Promise.race([work, deadline]);
  } finally {
    clearTimeout(timer);
  }
};

/** Nodemailer comes with the first mail: 10 MB that a process which never sends one need not have. */
const lazily = <T extends Pick<Transporter, 'close'>>(make: () => Promise<T>) => {
  let made: Promise<T> | undefined;
  return {
    get: (): Promise<T> => {
      made ??= make();
      return made;
    },
    close: (): void => void made?.then((transporter) => transporter.close()),
  };
};

export const createSmtpTransport = (options: SmtpOptions, from: string): MailTransport => {
  const transporter = lazily(async () =>
    (await import('nodemailer')).createTransport({
      ...options,
      connectionTimeout: CONNECT_MS,
      greetingTimeout: CONNECT_MS,
      dnsTimeout: CONNECT_MS,
      socketTimeout: SILENCE_MS,
      tls: { minVersion: 'TLSv1.2' },
    }),
  );
  return {
    send: async (mail) => {
      try {
        const ready = await transporter.get();
        await withDeadline(ready.sendMail(messageOf(mail, from)));
      } catch (error) {
        throw toMailError(error);
      }
    },
    close: () => transporter.close(),
  };
};

/** One `.eml` file a mail, for eyes and mail programs alone: it holds links that open accounts. */
export const createFolderTransport = (folder: string, from: string): MailTransport => {
  const composer = lazily(async () =>
    (await import('nodemailer')).createTransport({ streamTransport: true, buffer: true, newline: 'windows' }),
  );
  return {
    send: async (mail) => {
      try {
        const { message } = await (await composer.get()).sendMail(messageOf(mail, from));
        await mkdir(folder, { recursive: true, mode: 0o700 });
        const draft = join(folder, `.${randomUUID()}.tmp`);
        await writeFile(draft, message, { mode: 0o600 });
        // Whoever watches the folder sees whole mails only; names sort by time.
        await rename(draft, join(folder, `${new Date().toISOString().replaceAll(':', '-')}-${mail.id}.eml`));
      } catch (error) {
        throw toMailError(error);
      }
    },
    close: () => composer.close(),
  };
};
