/**
 * The file of the channels: JSON, because it is mounted from a Secret and written by a machine as often as by a person. Read by
 * notifier.ts when the operator starts and whenever it changes. Addresses hold tokens: no value of this file is ever part of a message.
 */
import { z } from 'zod';
import { EVENTS, NEWS_SEVERITIES, type News } from './news.ts';

const isUrl = (text: string, protocol: RegExp): boolean => {
  const url = URL.parse(text);
  return url !== null && protocol.test(url.protocol) && url.hostname !== '';
};
const httpUrl = z
  .string()
  .max(2_048)
  .refine((text) => isUrl(text, /^https?:$/), 'must be an http or https address')
  .refine((text) => URL.parse(text)?.username === '', 'must not hold a user and a password: nothing would send them');
const smtpUrl = z
  .string()
  .max(2_048)
  .refine((text) => isUrl(text, /^smtps?:$/), 'must be an smtp or smtps address')
  .refine((text) => !/%(?![0-9a-f]{2})/i.test(text), 'must write a percent sign as %25');
const mailbox = z.email().max(254);

/** Empty: all. */
const filter = z.strictObject({
  namespaces: z.array(z.string().min(1).max(63)).max(100).default([]),
  severities: z.array(z.enum(NEWS_SEVERITIES)).max(5).default([]),
  events: z.array(z.enum(EVENTS)).max(8).default([]),
});

const common = {
  name: z
    .string()
    .regex(
      /^[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?$/,
      'must be lower-case letters, digits and dashes, at most 40: it is a metric label',
    ),
  only: filter.prefault({}),
};

const channel = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('slack'), ...common, url: httpUrl }),
  z.strictObject({
    kind: z.literal('webhook'),
    ...common,
    url: httpUrl,
    secret: z.string().min(32, 'must have at least 32 characters: it signs every message').max(512),
  }),
  z.strictObject({
    kind: z.literal('smtp'),
    ...common,
    url: smtpUrl,
    from: mailbox,
    to: z.array(mailbox).min(1).max(20),
    tls: z.enum(['required', 'optional', 'off']).default('required'),
  }),
]);

const settings = z.strictObject({
  /** May hold {namespace} and {name}. */
  link: httpUrl.optional(),
  channels: z
    .array(channel)
    .min(1)
    .max(10)
    .refine((list) => new Set(list.map(({ name }) => name)).size === list.length, 'names must differ'),
});

export type Channel = z.output<typeof channel>;
export type SmtpChannel = Extract<Channel, { kind: 'smtp' }>;
export type Settings = z.output<typeof settings>;

export type SettingsResult =
  | { readonly kind: 'valid'; readonly settings: Settings }
  | { readonly kind: 'invalid'; readonly violations: readonly string[] };

/** Never throws; every violation at once, by its path and without the value that is wrong. */
export function readSettings(text: string): SettingsResult {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The parser quotes what it could not read, and that may be a token.
    return { kind: 'invalid', violations: ['the file is not JSON'] };
  }
  const parsed = settings.safeParse(value);
  if (parsed.success) return { kind: 'valid', settings: parsed.data };
  return {
    kind: 'invalid',
    violations: parsed.error.issues.map(({ path, message }) => `${path.join('.') || 'the file'}: ${message}`),
  };
}

/** Whether a channel wants to hear of it. */
export function wants({ only }: Channel, news: News): boolean {
  const { namespaces, severities, events } = only;
  return (
    (namespaces.length === 0 || namespaces.includes(news.rollout.namespace)) &&
    (severities.length === 0 || severities.includes(news.severity)) &&
    (events.length === 0 || news.events.some((event) => events.includes(event)))
  );
}

/** Where a reader can see more of the rollout. */
export function linkTo(link: string | undefined, { namespace, name }: News['rollout']): string | undefined {
  return link?.replaceAll('{namespace}', encodeURIComponent(namespace)).replaceAll('{name}', encodeURIComponent(name));
}
