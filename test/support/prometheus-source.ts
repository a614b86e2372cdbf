/**
 * Speaks Prometheus' query API over the counters of the played pods, for exactly the queries that the operator sends. The e2e
 * tests use a real Prometheus; this one exists to be slow, empty, NaN or ambiguous on demand. Used by scene.ts.
 */
import http from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import type { PastSeries } from './prometheus.ts';
import type { Workloads } from './workloads.ts';

export type PrometheusMode = 'healthy' | 'slow' | 'nan' | 'empty' | 'several' | 'error' | 'malformed';

interface Snapshot {
  readonly at: number;
  readonly series: ReadonlyMap<string, number>;
}

const AGGREGATE = /sum\((increase\()?(\w+)\{(.*?)\}(?:\[(\d+)ms\]\))?\)/g;
const MATCHER = /(\w+)(=~|=)"((?:[^"\\]|\\.)*)"/g;
const SNAPSHOT_MS = 100;
const KEPT = 3_000;

export class PrometheusSource {
  mode: PrometheusMode = 'healthy';
  readonly queries: string[] = [];
  readonly #workloads: Workloads;
  readonly #server: http.Server;
  readonly #snapshots: Snapshot[] = [];
  readonly #timer: NodeJS.Timeout;
  readonly #stop = new AbortController();

  private constructor(workloads: Workloads) {
    this.#workloads = workloads;
    this.#timer = setInterval(() => this.#take(), SNAPSHOT_MS);
    this.#server = http.createServer((request, response) => {
      const query = new URL(request.url ?? '/', 'http://prometheus').searchParams.get('query') ?? '';
      this.queries.push(query);
      void this.#answer(query).then(
        ({ status, body }) => response.writeHead(status, { 'content-type': 'application/json' }).end(body),
        () => response.destroy(),
      );
    });
  }

  static async start(workloads: Workloads): Promise<PrometheusSource> {
    const source = new PrometheusSource(workloads);
    await new Promise<void>((resolve) => source.#server.listen(0, '127.0.0.1', resolve));
    return source;
  }

  get address(): string {
    const address = this.#server.address();
    return `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#stop.abort();
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }

  /** What a Prometheus that scraped every second would remember of the last minutes. */
  past(): readonly PastSeries[] {
    const samples = new Map<string, { atMs: number; value: number }[]>();
    for (const { at, series } of this.#snapshots.filter((_, index) => index % (1_000 / SNAPSHOT_MS) === 0)) {
      for (const [name, value] of series) {
        const known = samples.get(name) ?? [];
        samples.set(name, [...known, { atMs: Math.round(performance.timeOrigin + at), value }]);
      }
    }
    return [...samples].map(([name, found]) => ({ series: `${name.replace(/,$/, '')}}`, samples: found }));
  }

  async #answer(query: string): Promise<{ status: number; body: string }> {
    if (this.mode === 'slow') await delay(60_000, undefined, { signal: this.#stop.signal });
    if (this.mode === 'error') return { status: 503, body: '{"status":"error"}' };
    if (this.mode === 'malformed') return { status: 200, body: '<html>' };
    const value = this.mode === 'empty' ? undefined : this.#evaluate(query);
    const point = { metric: {}, value: [Date.now() / 1000, this.mode === 'nan' ? 'NaN' : String(value)] };
    const result = value === undefined ? [] : this.mode === 'several' ? [point, point] : [point];
    return { status: 200, body: JSON.stringify({ status: 'success', data: { resultType: 'vector', result } }) };
  }

  #take(): void {
    const series = new Map<string, number>();
    for (const pod of this.#workloads.pods.values()) {
      for (const [name, value] of pod.series) {
        const [metric = '', rest = ''] = name.split('{');
        series.set(
          `${metric}{namespace="${this.#workloads.namespace}",pod="${pod.name}",${rest.replace(/\}$/, '')}`,
          value,
        );
      }
    }
    this.#snapshots.push({ at: performance.now(), series });
    if (this.#snapshots.length > KEPT) this.#snapshots.shift();
  }

  #evaluate(query: string): number | undefined {
    const values: (number | undefined)[] = [];
    const shape = query.replaceAll(AGGREGATE, (...found: unknown[]) => {
      const [, increase, metric, matchers, windowMs] = found;
      values.push(this.#sum(String(metric), String(matchers), increase === undefined ? undefined : Number(windowMs)));
      return '#';
    });
    const [first, second, third] = values;
    const zeroWhere = (seen: number | undefined): number | undefined => (seen === undefined ? undefined : 0);
    if (shape === '#') return first;
    if (shape === '# or (0 * #)') return first ?? zeroWhere(second);
    if (shape === '# - # or (0 * #)')
      return first === undefined || second === undefined ? zeroWhere(third) : first - second;
    if (first === undefined || second === undefined) return undefined;
    if (shape === '# + #') return first + second;
    throw new Error(`no such query is known here: ${shape}`);
  }

  #sum(metric: string, matchers: string, windowMs: number | undefined): number | undefined {
    const last = this.#snapshots.at(-1);
    if (last === undefined) return undefined;
    const from = windowMs === undefined ? undefined : last.at - windowMs;
    let sum: number | undefined;
    for (const [name, value] of last.series) {
      if (!name.startsWith(`${metric}{`) || !isMatch(name, matchers)) continue;
      sum = (sum ?? 0) + value - (from === undefined ? 0 : this.#valueAt(name, from));
    }
    return sum;
  }

  #valueAt(name: string, at: number): number {
    for (const snapshot of this.#snapshots) {
      const value = snapshot.at >= at ? snapshot.series.get(name) : undefined;
      if (value !== undefined) return value;
    }
    return 0;
  }
}

function isMatch(name: string, matchers: string): boolean {
  const present = new Map([...name.matchAll(MATCHER)].map(([, key = '', , value = '']) => [key, value]));
  return [...matchers.matchAll(MATCHER)].every(([, key = '', operator, wanted = '']) => {
    const value = present.get(key) ?? '';
    const text = wanted.replaceAll('\\\\', '\\');
    return operator === '=' ? value === text : new RegExp(`^(?:${text})$`).test(value);
  });
}
