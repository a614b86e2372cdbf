/**
 * POST /hooks/alertmanager: Alertmanager's webhook, version 4. Served by health.ts; what fires goes to signals.ts, and its rollout into
 * the queue, P0 and P1 into the urgent lane.
 *
 * Only the leader takes messages: signals are in memory, and a follower's would be stale by the time it leads. It answers 503 and closes
 * the connection, so that Alertmanager's next attempt goes through the Service anew and not down the same connection.
 *
 * @see https://prometheus.io/docs/alerting/latest/configuration/#webhook_config
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { z } from 'zod';
import { type Answer, NOT_LEADING, problem } from './answer.ts';
import type { Severity } from './core/matrix.ts';
import type { Signals } from './signals.ts';
import type { Lane } from './workqueue.ts';

export const ALERT_HOOK_PATH = '/hooks/alertmanager';

export interface AlertHookOptions {
  /** Holds the bearer token; without it, or with one that can be guessed, the endpoint is off. */
  readonly tokenFile: string | undefined;
  readonly signals: Signals;
  readonly isLeading: () => boolean;
  readonly isKnown: (key: string) => boolean;
  readonly ring: (key: string, lane: Lane) => void;
  readonly onAnswer: (status: number, heard: number) => void;
}

/** A group of a thousand alerts with long annotations. */
const MAX_BODY_BYTES = 1024 * 1024;
const MIN_TOKEN = 16;

const alert = z.object({
  status: z.enum(['firing', 'resolved']),
  labels: z.record(z.string(), z.string()),
  startsAt: z.iso.datetime({ offset: true }),
  fingerprint: z.string().min(1).max(64),
});
type Alert = z.output<typeof alert>;
/** Alertmanager adds fields; what is not read here is not checked. */
const message = z.object({ version: z.literal('4'), alerts: z.array(alert).max(1_000) });
const severity = z.enum(['P0', 'P1', 'P2', 'P3']);

/** Answers every request; never throws. */
export async function answerAlerts(options: AlertHookOptions, request: IncomingMessage): Promise<Answer> {
  const { answer, heard } = await take(options, request).catch(() => ({ answer: PROBLEMS.unreadable, heard: 0 }));
  options.onAnswer(answer.status, heard);
  return answer;
}

interface Taken {
  readonly answer: Answer;
  /** Alerts that were for one of our rollouts. */
  readonly heard: number;
}

async function take(options: AlertHookOptions, request: IncomingMessage): Promise<Taken> {
  const refused = await refusal(options, request);
  if (refused !== undefined) return { answer: refused, heard: 0 };
  const text = await boundedBody(request);
  if (text === undefined) return { answer: PROBLEMS.tooLarge, heard: 0 };
  const parsed = message.safeParse(tryJson(text));
  if (!parsed.success) {
    const detail = parsed.error.issues.map(({ path, message: why }) => `${path.join('.') || 'body'}: ${why}`);
    return { answer: problem(400, 'invalid-request', detail.slice(0, 10).join('; ')), heard: 0 };
  }
  return hear(options, parsed.data.alerts);
}

/** Before a byte of the body is read. */
async function refusal(
  { tokenFile, isLeading }: AlertHookOptions,
  { method, headers }: IncomingMessage,
): Promise<Answer | undefined> {
  const token = tokenFile === undefined ? '' : (await readFile(tokenFile, 'utf8').catch(() => '')).trim();
  if (token.length < MIN_TOKEN) return PROBLEMS.off;
  if (method !== 'POST') return PROBLEMS.notPost;
  if (!isSame(headers.authorization ?? '', `Bearer ${token}`)) return PROBLEMS.unauthenticated;
  return isLeading() ? undefined : NOT_LEADING;
}

/** Digests have one length, so the comparison tells nothing, the token's length included. */
function isSame(given: string, wanted: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(wanted));
}

type Ignored = { readonly alert: string; readonly why: string };

function hear(options: AlertHookOptions, alerts: readonly Alert[]): Taken {
  const ignored: Ignored[] = [];
  let unknown = 0;
  for (const one of alerts) {
    const read = addressOf(one);
    const why = typeof read === 'string' ? read : options.isKnown(read.key) ? undefined : `no AuthRollout ${read.key}`;
    if (typeof read === 'string' || why !== undefined) {
      ignored.push({ alert: nameOf(one), why: why ?? '' });
      if (typeof read !== 'string') unknown++;
      continue;
    }
    note(options, read, one);
  }
  const heard = alerts.length - ignored.length;
  if (heard === 0 && unknown > 0) {
    const detail = ignored.map(({ alert: name, why }) => `${name}: ${why}`);
    return { answer: problem(404, 'unknown-rollout', detail.slice(0, 10).join('; ')), heard };
  }
  const body = JSON.stringify({ heard, ignored: ignored.slice(0, 20) });
  return { answer: { status: 200, headers: { 'content-type': 'application/json' }, body }, heard };
}

interface Address {
  readonly key: string;
  readonly severity: Severity;
}

/** @returns why it is nobody's, where it is */
function addressOf({ labels }: Alert): Address | string {
  const { latchkey_rollout: name, namespace } = labels;
  if (name === undefined || namespace === undefined) return 'it needs the labels latchkey_rollout and namespace';
  const known = severity.safeParse(labels['severity']);
  return known.success ? { key: `${namespace}/${name}`, severity: known.data } : 'its severity is not P0, P1, P2 or P3';
}

function note({ signals, ring }: AlertHookOptions, { key, severity: level }: Address, one: Alert): void {
  if (one.status === 'resolved') {
    if (signals.resolve(key, one.fingerprint)) ring(key, 'normal');
    return;
  }
  const signal = {
    fingerprint: one.fingerprint,
    name: nameOf(one),
    severity: level,
    sinceMs: Date.parse(one.startsAt),
  };
  if (signals.fire(key, signal)) ring(key, level === 'P0' || level === 'P1' ? 'urgent' : 'normal');
}

function nameOf({ labels, fingerprint }: Alert): string {
  return (labels['alertname'] ?? fingerprint).slice(0, 64);
}

/** Read on, without keeping it, so that a sender who is merely too long hears why; beyond this the connection just ends. */
const MAX_IGNORED_BYTES = 8 * MAX_BODY_BYTES;

/** @returns undefined when it is longer than the bound */
async function boundedBody(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  return await new Promise((resolve, reject) => {
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.byteLength;
      if (bytes <= MAX_BODY_BYTES) chunks.push(chunk);
      else if (bytes > MAX_IGNORED_BYTES) resolve(undefined);
    });
    request.once('end', () => resolve(bytes > MAX_BODY_BYTES ? undefined : Buffer.concat(chunks).toString('utf8')));
    request.once('error', reject);
    request.once('close', () => reject(new Error('the request was not sent whole')));
  });
}

function tryJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const PROBLEMS = {
  off: problem(404, 'not-found', 'the receiver of alerts is off: it has no token'),
  notPost: problem(405, 'method-not-allowed', 'POST an Alertmanager message', { allow: 'POST' }),
  unauthenticated: problem(401, 'unauthenticated', 'wrong or no bearer token', { 'www-authenticate': 'Bearer' }),
  tooLarge: problem(413, 'body-too-large', `at most ${MAX_BODY_BYTES} bytes: lower max_alerts of the receiver`),
  unreadable: problem(400, 'malformed-request', 'the body was not sent whole'),
} as const;
