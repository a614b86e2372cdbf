/** One attempt to bring a message to a mail server. Called by channels.ts. What the server says goes no further than its code. */
import type { Transporter } from 'nodemailer';
import type { Message, Sender } from './channels.ts';
import { ATTEMPT_MS, type Attempt } from './outbox.ts';
import type { SmtpChannel } from './settings.ts';
import { textOf } from './text.ts';

export function mailSender(channel: SmtpChannel): Sender {
  let made: Promise<Transporter> | undefined;
  return {
    send: async (message, signal) => {
      made ??= transporterFor(channel);
      const transporter = await made;
      const sent = transporter.sendMail(mailOf(message, channel)).then(
        (): Attempt => ({ kind: 'delivered' }),
        (error: unknown) => attemptOf(error),
      );
      return await Promise.race([sent, aborted(signal)]);
    },
    close: () => void made?.then((transporter) => transporter.close()),
  };
}

/** Nodemailer comes with the first mail: memory that an operator without this channel need not have. */
async function transporterFor({ url, tls }: SmtpChannel): Promise<Transporter> {
  const { protocol, hostname, port, username, password } = new URL(url);
  const secure = protocol === 'smtps:';
  const auth = { user: decodeURIComponent(username), pass: decodeURIComponent(password) };
  return (await import('nodemailer')).createTransport({
    host: hostname.replace(/^\[|\]$/g, ''),
    port: port === '' ? (secure ? 465 : 587) : Number(port),
    secure,
    requireTLS: !secure && tls === 'required',
    ignoreTLS: !secure && tls === 'off',
    ...(username === '' ? {} : { auth }),
    connectionTimeout: ATTEMPT_MS,
    greetingTimeout: ATTEMPT_MS,
    dnsTimeout: ATTEMPT_MS,
    socketTimeout: ATTEMPT_MS,
    tls: { minVersion: 'TLSv1.2' },
  });
}

function mailOf({ news, link }: Message, { from, to }: SmtpChannel) {
  const { title, lines } = textOf(news, link);
  return {
    from: { name: 'Latchkey', address: from },
    to: to.map((address) => ({ name: '', address })),
    subject: title,
    text: `${lines.join('\n')}\n`,
    // The same for the same event, so that a mailbox shows a message that came twice once.
    messageId: `<${news.id}@${from.split('@').at(-1) ?? 'latchkey'}>`,
    headers: { 'Auto-Submitted': 'auto-generated', 'X-Auto-Response-Suppress': 'All' },
    disableFileAccess: true,
    disableUrlAccess: true,
  };
}

function aborted(signal: AbortSignal): Promise<Attempt> {
  return new Promise((resolve) => {
    signal.addEventListener('abort', () => resolve({ kind: 'failed', code: 'TIMEOUT' }), { once: true });
  });
}

/** A refused recipient or content is refused tomorrow too; everything else is worth another attempt. */
const FINAL_CODES: ReadonlySet<string> = new Set(['EENVELOPE', 'EMESSAGE']);

function attemptOf(error: unknown): Attempt {
  const field = (name: string): unknown => (error instanceof Error ? Reflect.get(error, name) : undefined);
  const [code, responseCode] = [field('code'), field('responseCode')];
  const known = typeof code === 'string' && /^[A-Z_]{1,40}$/.test(code) ? code : 'EMAIL';
  if (typeof responseCode !== 'number') return { kind: 'failed', code: known };
  const isFinal = FINAL_CODES.has(known) && responseCode >= 500;
  return { kind: isFinal ? 'refused' : 'failed', code: `${known}_${responseCode}` };
}
