/** Reads the same figures from a Prometheus that scrapes the service. Called by ../monitor.ts. */
import { z } from 'zod';
import type { Source } from './addresses.ts';
import type { Series } from './exposition.ts';
import { COUNTERS, GAUGES, METRICS } from './metric-names.ts';

interface PrometheusOptions {
  readonly address: string;
  /** What stands between the braces: job="auth-api". */
  readonly selector: string;
  readonly windowMs: number;
  readonly deadlineMs: number;
  /** Sent as a bearer token where there is one. */
  readonly token: string | undefined;
}

const vector = z.object({
  status: z.literal('success'),
  data: z.object({
    resultType: z.literal('vector'),
    result: z.array(z.object({ metric: z.record(z.string(), z.string()), value: z.tuple([z.number(), z.string()]) })),
  }),
});

const refusal = z.object({ error: z.string() });

/** The labels that figures select by; all others are summed away. */
const KEPT = 'route, status, le';

const query = async ({ address, token, deadlineMs }: PrometheusOptions, expression: string) => {
  const url = new URL('api/v1/query', address.endsWith('/') ? address : `${address}/`);
  const answer = await fetch(url, {
    method: 'POST',
    body: new URLSearchParams({ query: expression }),
    headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
    signal: AbortSignal.timeout(deadlineMs),
    redirect: 'error',
  });
  const body: unknown = await answer.json().catch(() => undefined);
  const parsed = vector.safeParse(body);
  if (parsed.success) return parsed.data.data.result;
  const said = refusal.safeParse(body);
  throw new Error(said.success ? said.data.error : `answers ${answer.status}, and not as Prometheus does`);
};

const seriesOf = (name: string, rows: Awaited<ReturnType<typeof query>>): readonly Series[] =>
  rows.map(({ metric, value }) => ({ name, labels: metric, value: Number(value[1]) }));

export const prometheusSource = (options: PrometheusOptions): Source => {
  const seconds = Math.round(options.windowMs / 1000);
  const of = (name: string): string => `${name}{${options.selector}}`;
  const growth = async (name: string): Promise<readonly Series[]> =>
    seriesOf(name, await query(options, `sum by (${KEPT}) (increase(${of(name)}[${seconds}s]))`));
  const gauge = async (name: string): Promise<readonly Series[]> => seriesOf(name, await query(options, of(name)));
  return {
    label: `${new URL(options.address).host} {${options.selector}}`,
    read: async () => {
      const [grown, gauges, targets] = await Promise.all([
        Promise.all(COUNTERS.map(growth)),
        Promise.all(GAUGES.map(gauge)),
        query(options, of('up')),
      ]);
      const all = gauges.flat();
      const answering = all.filter(({ name }) => name === METRICS.processStart).length;
      if (answering === 0) throw new Error(`Prometheus has no metrics of this service with {${options.selector}}`);
      return {
        growth: grown.flat(),
        seconds,
        gauges: all,
        answering,
        asked: Math.max(answering, targets.length),
        away: [],
      };
    },
  };
};
