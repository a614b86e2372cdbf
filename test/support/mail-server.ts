/** A real mail server that keeps what it gets, or fails as it is told. Called by the tests of accounts and mail. */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import PostalMime from 'postal-mime';
import { SMTPServer, type SMTPServerOptions } from 'smtp-server';
import { eventually } from './eventually.ts';

export interface ReceivedMail {
  readonly to: string;
  readonly from: string;
  readonly subject: string;
  readonly text: string;
  readonly html: string;
  readonly messageId: string;
  readonly isEncrypted: boolean;
}

/** Thrown into a stage of the conversation; undefined goes on. */
export type Failure = { readonly responseCode: number } | undefined;

const failing = ({ responseCode }: { readonly responseCode: number }): Error =>
  Object.assign(new Error('told to fail'), { responseCode });

export class MailServer {
  readonly received: ReceivedMail[] = [];
  /** Asked for each recipient and for each mail that ends. */
  failRecipient: (address: string) => Failure = () => undefined;
  failMail: () => Failure = () => undefined;
  readonly #server: SMTPServer;

  private constructor(options: SMTPServerOptions) {
    this.#server = new SMTPServer({
      authOptional: true,
      disableReverseLookup: true,
      logger: false,
      onRcptTo: ({ address }, _session, done) => {
        const failure = this.failRecipient(address);
        done(failure === undefined ? null : failing(failure));
      },
      onData: (stream, session, done) => {
        const chunks: Buffer[] = [];
        stream.on('data', (chunk: Buffer) => chunks.push(chunk));
        stream.on('end', () => {
          void this.#take(Buffer.concat(chunks), session.secure).then(() => {
            const failure = this.failMail();
            if (failure !== undefined) this.received.pop();
            done(failure === undefined ? null : failing(failure));
          });
        });
      },
      ...options,
    });
    this.#server.on('error', () => undefined); // a client that hangs up
  }

  static async start(options: SMTPServerOptions = {}): Promise<MailServer> {
    const server = new MailServer({ disabledCommands: ['STARTTLS', 'AUTH'], ...options });
    const listening = server.#server.listen(0, '127.0.0.1');
    await once(listening, 'listening');
    return server;
  }

  get port(): number {
    return (this.#server.server.address() as AddressInfo).port;
  }

  get url(): string {
    return `smtp://127.0.0.1:${this.port}`;
  }

  stop(): Promise<void> {
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }

  mailsTo(address: string, subject = /./): readonly ReceivedMail[] {
    return this.received.filter((mail) => mail.to === address && subject.test(mail.subject));
  }

  /** Waits for the mail; the newest one where there are several. */
  mailTo(address: string, subject = /./, count = 1): Promise<ReceivedMail> {
    return eventually(`${count} mail(s) to ${address} about ${subject.source}`, 15_000, () => {
      const found = this.mailsTo(address, subject);
      return found.length < count ? undefined : found.at(-1);
    });
  }

  async #take(raw: Buffer, isEncrypted: boolean): Promise<void> {
    const mail = await PostalMime.parse(raw);
    this.received.push({
      to: mail.to?.[0]?.address ?? '',
      from: mail.from?.address ?? '',
      subject: mail.subject ?? '',
      text: mail.text ?? '',
      html: mail.html ?? '',
      messageId: mail.messageId ?? '',
      isEncrypted,
    });
  }
}

/** The token of a mail's link. */
export const tokenOf = ({ text }: Pick<ReceivedMail, 'text'>): string => {
  const token = /#token=(lko1\.[\w-]+\.[\w-]+)/.exec(text)?.[1];
  if (token === undefined) throw new Error(`no link in ${text}`);
  return token;
};
