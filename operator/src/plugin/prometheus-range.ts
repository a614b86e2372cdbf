/**
 * PromQL over a range, as the plugin's user can reach Prometheus: one series, one sample a point of the grid. Called by range.ts. Unlike the
 * checks of a step, whose every failure is a reason, a question that fails here ends the command: nothing could be said without it.
 */
import { z } from 'zod';
import { isApiError } from '../clients/api-error.ts';
import { boundedText } from '../clients/bounded-body.ts';
import type { Sample } from '../core/observation.ts';
import type { Cluster } from './cluster.ts';
import { CommandError } from './command.ts';
import { proxyPath, type Way, wayText } from './prometheus.ts';

/** The points of a range: `count` of them, `stepMs` apart. */
export interface Grid {
  readonly firstMs: number;
  readonly stepMs: number;
  readonly count: number;
}

export interface RangeSource {
  readonly cluster: Cluster;
  readonly way: Way;
}

/** Prometheus refuses more than 11,000 in one answer. */
export const MAX_POINTS = 10_000;
/** 10,000 points are some 250 KB. */
const MAX_BODY_BYTES = 8 * 1024 * 1024;
const DEADLINE_MS = 15_000;

const answer = z.object({
  status: z.literal('success'),
  data: z.object({
    resultType: z.literal('matrix'),
    result: z.array(z.object({ values: z.array(z.tuple([z.number(), z.string()])) })),
  }),
});
const refusal = z.object({ status: z.literal('error'), error: z.string() });

/** Asks in as many pieces as Prometheus wants. @throws {CommandError} that says what to do */
export async function askRange(source: RangeSource, query: string, grid: Grid): Promise<readonly Sample[]> {
  const samples: Sample[] = [];
  for (const piece of piecesOf(grid)) samples.push(...readSeries(await send(source, query, piece), piece, source.way));
  return samples;
}

export function piecesOf({ firstMs, stepMs, count }: Grid): readonly Grid[] {
  return Array.from({ length: Math.ceil(count / MAX_POINTS) }, (_, index) => ({
    firstMs: firstMs + index * MAX_POINTS * stepMs,
    stepMs,
    count: Math.min(MAX_POINTS, count - index * MAX_POINTS),
  }));
}

function readSeries(body: unknown, { firstMs, stepMs, count }: Grid, way: Way): readonly Sample[] {
  const parsed = answer.safeParse(body);
  if (!parsed.success) throw new CommandError(refusalText(body, way));
  const [series, ...others] = parsed.data.data.result;
  const samples = Array.from({ length: count }, (): Sample => ({ kind: 'unknown', why: 'NoData' }));
  for (const [seconds, text] of series?.values ?? []) {
    const index = Math.round((seconds * 1_000 - firstMs) / stepMs);
    if (index >= 0 && index < count) samples[index] = others.length > 0 ? SEVERAL : sampleOf(Number(text));
  }
  return samples;
}

const SEVERAL: Sample = { kind: 'unknown', why: 'SeveralSeries' };

function sampleOf(value: number): Sample {
  return Number.isFinite(value) ? { kind: 'value', value } : { kind: 'unknown', why: 'NotANumber' };
}

function refusalText(body: unknown, way: Way): string {
  const said = refusal.safeParse(body).data?.error;
  return said === undefined
    ? `what answers is no Prometheus (${wayText(way)}): say its address with --prometheus URL`
    : `Prometheus refuses the query: ${said}`;
}

async function send({ cluster, way }: RangeSource, query: string, grid: Grid): Promise<unknown> {
  const parameters = new URLSearchParams({
    query,
    start: String(grid.firstMs / 1_000),
    end: String((grid.firstMs + (grid.count - 1) * grid.stepMs) / 1_000),
    step: String(grid.stepMs / 1_000),
    timeout: `${DEADLINE_MS}ms`,
  }).toString();
  if (way.kind === 'direct') return await sendDirectly(way, parameters);
  try {
    return await cluster.proxy(`${proxyPath(way, 'query_range')}?${parameters}`);
  } catch (error) {
    if (!isApiError(error)) throw error;
    throw new CommandError(
      `Prometheus does not answer ${wayText(way)}: ${error.message}; it needs your right to get services/proxy there, or say --prometheus URL (as after kubectl port-forward)`,
    );
  }
}

async function sendDirectly(way: Extract<Way, { kind: 'direct' }>, parameters: string): Promise<unknown> {
  const url = `${way.address.replace(/\/$/, '')}/api/v1/query_range?${parameters}`;
  let text: string | undefined;
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(DEADLINE_MS), redirect: 'error' });
    text = await boundedText(response, MAX_BODY_BYTES);
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new CommandError(
      `Prometheus does not answer, ${wayText(way)}: ${why}; --prometheus URL names another address`,
    );
  }
  return tryJson(text ?? '');
}

function tryJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
