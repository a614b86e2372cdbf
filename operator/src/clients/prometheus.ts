/**
 * One PromQL instant query, one number or the reason why there is none. Called by observe.ts; the judge gets the reason as
 * `unknown`, because blind is neither good nor bad.
 */
import { z } from 'zod';
import type { Sample, UnknownWhy } from '../core/observation.ts';
import { boundedText } from './bounded-body.ts';

/** Answers are a few hundred bytes; anything longer is not an answer to our question. */
const MAX_BODY_BYTES = 64 * 1024;

const point = z.tuple([z.number(), z.string()]);
const answer = z.object({
  status: z.literal('success'),
  data: z.discriminatedUnion('resultType', [
    z.object({ resultType: z.literal('vector'), result: z.array(z.object({ value: point })) }),
    z.object({ resultType: z.literal('scalar'), result: point }),
  ]),
});

export interface Question {
  readonly address: string;
  readonly query: string;
  readonly deadlineMs: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Every failure is a reason.
 * @throws only the caller's own abort reason
 */
export async function askPrometheus({ address, query, deadlineMs, signal }: Question): Promise<Sample> {
  const deadline = AbortSignal.timeout(deadlineMs);
  const both = signal === undefined ? deadline : AbortSignal.any([deadline, signal]);
  try {
    const url = new URL(`${address.replace(/\/$/, '')}/api/v1/query`);
    url.search = new URLSearchParams({ query, timeout: `${deadlineMs}ms` }).toString();
    const response = await fetch(url, { signal: both, headers: { accept: 'application/json' }, redirect: 'error' });
    const text = await boundedText(response, MAX_BODY_BYTES);
    if (!response.ok) return unknown('PrometheusError');
    return text === undefined ? unknown('PrometheusError') : readAnswer(tryJson(text));
  } catch {
    signal?.throwIfAborted();
    return unknown(deadline.aborted ? 'Timeout' : 'PrometheusUnreachable');
  }
}

/** The one number of an answer's JSON; the plugin gets it through the apiserver. */
export function readAnswer(body: unknown): Sample {
  const parsed = answer.safeParse(body);
  if (!parsed.success) return unknown('PrometheusError');
  const { data } = parsed.data;
  if (data.resultType === 'scalar') return numberOf(data.result[1]);
  const [first, ...others] = data.result;
  if (first === undefined) return unknown('NoData');
  return others.length > 0 ? unknown('SeveralSeries') : numberOf(first.value[1]);
}

function numberOf(text: string): Sample {
  const value = Number(text);
  return Number.isFinite(value) ? { kind: 'value', value } : unknown('NotANumber');
}

function tryJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function unknown(why: UnknownWhy): Sample {
  return { kind: 'unknown', why };
}
