/**
 * One attempt to bring a message to a webhook, ours or Slack's. Chosen by channel in senderOf; called by outbox.ts. No error names an
 * address: a webhook's URL is its password.
 */
import { createHmac } from 'node:crypto';
import { mailSender } from './mail.ts';
import type { Light, News } from './news.ts';
import type { Attempt, Send } from './outbox.ts';
import type { Channel } from './settings.ts';
import { textOf } from './text.ts';

export interface Message {
  readonly news: News;
  readonly link: string | undefined;
}

export interface Sender {
  readonly send: Send<Message>;
  readonly close: () => void;
}

export function senderOf(channel: Channel): Sender {
  switch (channel.kind) {
    case 'slack':
      return { close: () => undefined, send: (message, signal) => post(channel.url, slackBody(message), { signal }) };
    case 'webhook':
      return {
        close: () => undefined,
        send: (message, signal) => {
          const body = webhookBody(message);
          const headers = signed(body, channel.secret, Math.floor(Date.now() / 1000));
          return post(channel.url, body, { signal, headers: { ...headers, 'latchkey-event-id': message.news.id } });
        },
      };
    case 'smtp':
      return mailSender(channel);
  }
}

const COLOURS: Readonly<Record<Light, string>> = { GREEN: '#2eb67d', YELLOW: '#ecb22e', RED: '#e01e5a' };

/** Incoming-webhook format of Slack, which Mattermost, Rocket.Chat and Discord's /slack take too. */
export function slackBody({ news, link }: Message): string {
  const { title, lines } = textOf(news, link);
  const text = lines.map(escapeSlack).join('\n');
  return JSON.stringify({
    text: `*${escapeSlack(title)}*`,
    attachments: [{ color: COLOURS[news.light], fallback: escapeSlack(title), text, mrkdwn_in: [] }],
  });
}

/** What others wrote (a field manager's name, an approver's) must not become a mention or a link. */
function escapeSlack(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

/** The event as data and as text; fields are only ever added while `version` is 1. */
export function webhookBody({ news, link }: Message): string {
  const { atMs, nextAt = null, act = null, ...rest } = news;
  const { title, lines } = textOf(news, link);
  const at = new Date(atMs).toISOString();
  return JSON.stringify({ version: 1, ...rest, at, nextAt, act, link: link ?? null, title, text: lines.join('\n') });
}

/** The timestamp is signed too, so that an old message cannot be sent again; the receiver refuses what is older than five minutes. */
export function signed(body: string, secret: string, timestampSeconds: number): Readonly<Record<string, string>> {
  const mac = createHmac('sha256', secret).update(`${timestampSeconds}.${body}`).digest('hex');
  return { 'latchkey-timestamp': String(timestampSeconds), 'latchkey-signature': `v1=${mac}` };
}

interface PostOptions {
  readonly signal: AbortSignal;
  readonly headers?: Readonly<Record<string, string>>;
}

async function post(url: string, body: string, { signal, headers = {} }: PostOptions): Promise<Attempt> {
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'user-agent': 'latchkey-operator', ...headers },
      body,
      // A receiver that moved is a changed configuration, not something to follow with a signed message.
      redirect: 'manual',
      signal,
    });
    // Nobody reads it; cancelling frees the connection however long it is.
    await response.body?.cancel();
    return attemptOf(response);
  } catch (error) {
    return { kind: 'failed', code: signal.aborted ? 'TIMEOUT' : codeOf(error) };
  }
}

function attemptOf({ ok, status, headers }: Response): Attempt {
  if (ok) return { kind: 'delivered' };
  const code = `HTTP_${status}`;
  const isPassing = status === 408 || status === 425 || status === 429 || status >= 500;
  return isPassing
    ? { kind: 'failed', code, retryAfterMs: retryAfterMs(headers.get('retry-after')) }
    : { kind: 'refused', code };
}

/** Seconds or a date. @see RFC 9110, 10.2.3 */
function retryAfterMs(header: string | null): number | undefined {
  if (header === null) return undefined;
  const ms = /^\d+$/.test(header.trim()) ? Number(header) * 1000 : Date.parse(header) - Date.now();
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined;
}

/** ECONNREFUSED and its like: the word, never the sentence, which names the host. */
function codeOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  const code: unknown = cause instanceof Error ? Reflect.get(cause, 'code') : undefined;
  return typeof code === 'string' && /^[A-Z0-9_]{1,40}$/.test(code) ? code : 'NETWORK';
}
