/**
 * Reads the pods' own metrics, all of them in parallel, past Prometheus: the sentinel's eyes. Called by sentinel.ts every second
 * and by observe.ts; feeds core/window.ts.
 *
 * A pod is not trusted: the answer is bounded in bytes and time, and a line that makes no sense is skipped, not fatal.
 */
import { boundedText } from './bounded-body.ts';

export interface ScrapeTarget {
  readonly pod: string;
  readonly url: string;
}

export interface MetricSample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export type Scrape =
  | { readonly pod: string; readonly kind: 'answered'; readonly samples: readonly MetricSample[] }
  | { readonly pod: string; readonly kind: 'silent' };

/** Under one second, so that a hanging pod cannot stretch the sentinel's rhythm. */
const DEADLINE_MS = 800;
/** The API's exposition is about 20 kB; a hundred times that is a cardinality accident, and parsing it would block the loop. */
const MAX_BODY_BYTES = 2 * 1024 * 1024;

/** Never rejects; one result per target, in order. */
export async function scrapePods(
  targets: readonly ScrapeTarget[],
  families: ReadonlySet<string>,
  signal?: AbortSignal,
): Promise<readonly Scrape[]> {
  const deadline = AbortSignal.timeout(DEADLINE_MS);
  const both = signal === undefined ? deadline : AbortSignal.any([deadline, signal]);
  return await Promise.all(targets.map((target) => scrapeOne(target, families, both)));
}

async function scrapeOne(
  { pod, url }: ScrapeTarget,
  families: ReadonlySet<string>,
  signal: AbortSignal,
): Promise<Scrape> {
  try {
    const response = await fetch(url, { signal, redirect: 'error', headers: { accept: 'text/plain' } });
    const text = await boundedText(response, MAX_BODY_BYTES);
    if (!response.ok || text === undefined) return { pod, kind: 'silent' };
    return { pod, kind: 'answered', samples: parseExposition(text, families) };
  } catch {
    return { pod, kind: 'silent' };
  }
}

/** name, optional {labels}, value, optional timestamp. */
const LINE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})?[ \t]+(\S+)/;
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"/g;
const ESCAPES: Readonly<Record<string, string>> = { '\\n': '\n', '\\"': '"', '\\\\': '\\' };

/**
 * Parses the Prometheus text format for the families named; the rest is skipped before any of it is allocated.
 * @param families sample names, so a histogram is `x_bucket`, `x_count`, `x_sum`.
 */
export function parseExposition(text: string, families: ReadonlySet<string>): readonly MetricSample[] {
  const samples: MetricSample[] = [];
  for (const line of text.split('\n')) {
    const end = line.search(/[{ \t]/);
    if (end <= 0 || line.startsWith('#') || !families.has(line.slice(0, end))) continue;
    const match = LINE.exec(line);
    if (match === null) continue;
    const value = numberOf(match[3] ?? '');
    if (value !== undefined) samples.push({ name: match[1] ?? '', labels: labelsOf(match[2] ?? ''), value });
  }
  return samples;
}

function labelsOf(text: string): Readonly<Record<string, string>> {
  const labels: Record<string, string> = {};
  for (const [, name = '', value = ''] of text.matchAll(LABEL)) {
    labels[name] = value.replace(/\\[n"\\]/g, (escape) => ESCAPES[escape] ?? escape);
  }
  return labels;
}

function numberOf(text: string): number | undefined {
  if (text === '+Inf') return Number.POSITIVE_INFINITY;
  const value = Number(text);
  return text !== '' && Number.isFinite(value) ? value : undefined;
}
