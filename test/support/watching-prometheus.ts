/**
 * A real Prometheus that scrapes what a test runs and evaluates the charts' own alerts over it, as helm renders them, in a faster time
 * (alert-scale.ts). Used by the live tests of the alerts.
 */
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import type { Chart } from '../contract/charts/helm.ts';
import { RENDERED_INTO, ruleGroups } from './alert-rules.ts';
import { moveGroups, shrinkGroups } from './alert-scale.ts';
import { eventually } from './eventually.ts';
import { type RunningPrometheus, runPrometheus } from './prometheus.ts';

/** A minute of the rules is two seconds here. */
const FACTOR = 30;
/** Every 15 s, as the operator's ServiceMonitor has it; the API's PodMonitor scrapes more often. */
const SCRAPE_MS = 15_000 / FACTOR;

/** What is scraped: as a pod of an installation of the chart in a namespace of its own. */
export interface ScrapedPod {
  readonly namespace: string;
  readonly pod: string;
  /** host:port */
  readonly address: string;
}

export interface WatchOptions {
  readonly chart: Chart;
  readonly metricsPath: string;
  readonly pods: readonly ScrapedPod[];
}

const answerShape = z.object({
  data: z.object({ result: z.array(z.object({ metric: z.record(z.string(), z.string()) })) }),
});

/** One alert in one state, as `ALERTS` has it. */
export type SeenAlert = Readonly<Record<string, string>>;

export class WatchingPrometheus {
  /** The names of the chart's alerts. */
  readonly alerts: readonly string[];
  readonly #running: RunningPrometheus;

  private constructor(running: RunningPrometheus, alerts: readonly string[]) {
    this.#running = running;
    this.alerts = alerts;
  }

  static async start({ chart, metricsPath, pods }: WatchOptions): Promise<WatchingPrometheus> {
    const rules = await ruleGroups(chart);
    const folder = await mkdtemp(join(tmpdir(), 'latchkey-prometheus-'));
    const namespaces = [...new Set(pods.map(({ namespace }) => namespace))];
    const fast = shrinkGroups(rules, FACTOR);
    const groups = namespaces.flatMap((namespace) => moveGroups(fast, RENDERED_INTO[chart], namespace));
    const every = `${SCRAPE_MS}ms`;
    const config = {
      global: { scrape_interval: every, scrape_timeout: every, evaluation_interval: every },
      rule_files: [join(folder, 'rules.json')],
      scrape_configs: [
        {
          job_name: chart,
          metrics_path: metricsPath,
          static_configs: pods.map(({ namespace, pod, address }) => ({
            targets: [address],
            labels: { namespace, pod },
          })),
        },
      ],
    };
    // JSON is YAML.
    const write = (file: string, value: object): Promise<void> => writeFile(join(folder, file), JSON.stringify(value));
    await write('rules.json', { groups: [] });
    await write('prometheus.yml', config);
    const names = rules.flatMap((group) => group.rules.map(({ alert }) => alert));
    const running = await runPrometheus(folder);
    const watching = new WatchingPrometheus(running, names);
    // It begins to scrape five seconds after its start, in which everybody would be down: in this time for minutes.
    await watching.answers(`count(up == 1) == ${pods.length}`);
    await write('rules.json', { groups });
    await running.reload();
    return watching;
  }

  stop(): Promise<void> {
    return this.#running.stop();
  }

  /** Every alert that was pending or firing at any time so far. */
  async seen(matchers = ''): Promise<readonly SeenAlert[]> {
    return await this.#ask(`count_over_time(ALERTS{${matchers}}[1h])`);
  }

  /** The names of those that fired in this installation, each once. */
  async fired(namespace: string): Promise<readonly string[]> {
    const seen = await this.seen(`namespace="${namespace}",alertstate="firing"`);
    return [...new Set(seen.map(({ alertname = '' }) => alertname))].toSorted();
  }

  /** Waits until it has fired there; its labels. */
  async fires(alert: string, namespace: string, withinMs = 90_000): Promise<SeenAlert> {
    const matchers = `alertname="${alert}",namespace="${namespace}",alertstate="firing"`;
    return await eventually(`${alert} fires in ${namespace}`, withinMs, async () => (await this.seen(matchers))[0]);
  }

  /** Waits until a query has an answer: every series that it wants has been scraped. */
  async answers(query: string, withinMs = 90_000): Promise<void> {
    await eventually(query, withinMs, async () => (await this.#ask(query)).length > 0);
  }

  async #ask(query: string): Promise<readonly SeenAlert[]> {
    const url = `${this.#running.address}/api/v1/query?query=${encodeURIComponent(query)}`;
    const response = await fetch(url, { signal: AbortSignal.timeout(10_000) });
    if (!response.ok) throw new Error(`${query}: ${response.status} ${await response.text()}`);
    return answerShape.parse(await response.json()).data.result.map(({ metric }) => metric);
  }
}
