/**
 * Tells people what a pass did: report.ts hands over every pass, news.ts says whether it is worth a message, and each channel has its
 * own outbox.ts. Started by main.ts.
 *
 * The channels come from a mounted file and not from the API (no Secret access, design I11). A file with faults never stops the
 * operator: the rollback is worth more than the news of it, so the channels known so far stay, and log and metric say what is wrong.
 */
import { readFile } from 'node:fs/promises';
import { isDeepStrictEqual } from 'node:util';
import type { Logger } from 'pino';
import type { Metrics } from '../metrics.ts';
import { type Message, type Sender, senderOf } from './channels.ts';
import { type Change, type News, newsOf } from './news.ts';
import { type Clock, FATES, type Fate, Outbox } from './outbox.ts';
import { type Channel, linkTo, readSettings, type Settings, wants } from './settings.ts';

export interface NotifierOptions {
  /** Undefined: nobody is told anything. */
  readonly file: string | undefined;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly random?: () => number;
}

/** The kubelet itself brings a changed Secret within a minute or two. */
export const REREAD_MS = 10_000;

interface Line {
  readonly channel: Channel;
  readonly sender: Sender;
  readonly outbox: Outbox<Message>;
}

export class Notifier {
  readonly #options: NotifierOptions;
  readonly #lines = new Map<string, Line>();
  #link: string | undefined;
  /** The file as it was read last; undefined before that. */
  #known: { readonly text: string | undefined } | undefined;
  #cancelReread: (() => void) | undefined;
  #isClosed = false;

  constructor(options: NotifierOptions) {
    this.#options = options;
  }

  /** Reads the file, and again every few seconds. */
  async start(): Promise<void> {
    if (this.#options.file === undefined || this.#isClosed) return;
    await this.#read(this.#options.file);
    this.#cancelReread = this.#options.clock.after(REREAD_MS, () => void this.start());
  }

  /** After the status write of a pass; never throws, never waits. */
  tell(change: Change): void {
    if (this.#lines.size === 0) return;
    try {
      const news = newsOf(change);
      if (news !== undefined) this.#send(news);
    } catch (error) {
      this.#options.log.error({ err: error }, 'a message could not be made');
    }
  }

  /** Before each scrape. */
  refresh(): void {
    const { notificationAge } = this.#options.metrics;
    for (const [channel, { outbox }] of this.#lines) notificationAge.set({ channel }, outbox.oldestMs() / 1000);
  }

  async close(graceMs: number): Promise<void> {
    this.#isClosed = true;
    this.#cancelReread?.();
    await Promise.all([...this.#lines.values()].map((line) => closeLine(line, graceMs)));
  }

  #send(news: News): void {
    const told = [...this.#lines.values()].filter(({ channel }) => wants(channel, news));
    for (const { outbox } of told) outbox.add({ news, link: linkTo(this.#link, news.rollout) });
    const { rollout, events, id } = news;
    const key = `${rollout.namespace}/${rollout.name}`;
    this.#options.log.info({ rollout: key, events, id, channels: told.map(({ channel }) => channel.name) }, 'telling');
  }

  async #read(file: string): Promise<void> {
    const { log, metrics } = this.#options;
    const text = await readFile(file, 'utf8').catch(() => undefined);
    if (this.#known !== undefined && this.#known.text === text) return;
    this.#known = { text };
    const result =
      text === undefined ? { kind: 'invalid' as const, violations: ['the file cannot be read'] } : readSettings(text);
    metrics.notificationsConfigured.set(result.kind === 'valid' ? 1 : 0);
    if (result.kind === 'valid') return this.#apply(result.settings);
    log.error({ violations: result.violations }, 'notifications: the file is wrong, the channels stay as they were');
  }

  #apply({ channels, link }: Settings): void {
    this.#link = link;
    const wanted = new Map(channels.map((channel) => [channel.name, channel]));
    for (const [name, line] of this.#lines) {
      if (wanted.has(name)) continue;
      this.#lines.delete(name);
      this.#options.metrics.notificationAge.remove({ channel: name });
      void closeLine(line, 0);
    }
    for (const channel of channels) this.#place(channel);
    this.#options.log.info({ channels: channels.map(({ name, kind }) => `${name} (${kind})`) }, 'notifications');
  }

  #place(channel: Channel): void {
    const known = this.#lines.get(channel.name);
    if (isDeepStrictEqual(known?.channel, channel)) return;
    const sender = senderOf(channel);
    known?.sender.close();
    known?.outbox.redirect(sender.send);
    const outbox = known?.outbox ?? this.#outboxOf(channel.name, sender);
    this.#lines.set(channel.name, { channel, sender, outbox });
  }

  #outboxOf(channel: string, { send }: Sender): Outbox<Message> {
    const { clock, random, log, metrics } = this.#options;
    const onFate = (outcome: Fate, code: string | undefined): void => {
      metrics.notifications.inc({ channel, outcome });
      // The name only: the address is a secret.
      if (outcome !== 'delivered') log.warn({ channel, outcome, code }, 'notification');
    };
    // A series that begins with its first lost message has never grown, for who asks by how much it did.
    for (const outcome of FATES) metrics.notifications.inc({ channel, outcome }, 0);
    const isMinor = ({ news }: Message): boolean => news.light !== 'RED';
    return new Outbox({ send, clock, onFate, isMinor, ...(random === undefined ? {} : { random }) });
  }
}

async function closeLine({ outbox, sender }: Line, graceMs: number): Promise<void> {
  await outbox.close(graceMs);
  sender.close();
}
