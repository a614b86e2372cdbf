/** What of an answer decides (core/upstream-faults.ts). Called by client.ts and preflight.ts. */
import type { AnswerFacts, Outcome } from '../core/upstream-faults.ts';
import type { Answer, Exchanged } from './exchange.ts';

const JSON_TYPE = /^application\/([\w.-]+\+)?json\s*(;|$)/i;
/** No codes of ours, or of anybody, are longer. */
const MAX_CODE = 64;

const parse = (text: string): unknown => {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
};

const problemCodeOf = (body: unknown): string | undefined => {
  if (typeof body !== 'object' || body === null || !('code' in body)) return undefined;
  return typeof body.code === 'string' ? body.code.slice(0, MAX_CODE) : undefined;
};

/** Seconds alone: a date would make us believe a clock of somebody else. */
const secondsOf = (text: string | undefined): number | undefined =>
  text !== undefined && /^\d{1,6}$/.test(text) ? Number(text) : undefined;

const showsSecret = ({ headers, body }: Answer, secret: string): boolean =>
  body.includes(secret) || JSON.stringify(headers).includes(secret);

const factsOf = (answer: Answer, secret: string): AnswerFacts => {
  const { status, headers, body } = answer;
  const json = JSON_TYPE.test(headers['content-type'] ?? '') ? parse(body.toString('utf8')) : undefined;
  return {
    status,
    body: body.length === 0 ? 'none' : json === undefined ? 'other' : 'json',
    problemCode: problemCodeOf(json),
    challenge: headers['www-authenticate'],
    retryAfterSeconds: secondsOf(headers['retry-after']),
    showsSecret: showsSecret(answer, secret),
  };
};

export const outcomeOf = (exchanged: Exchanged, secret: string): Outcome =>
  exchanged.kind === 'answer' ? { kind: 'answer', answer: factsOf(exchanged.answer, secret) } : exchanged;
