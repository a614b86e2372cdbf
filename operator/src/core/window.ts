/**
 * The sentinel's memory: counters scraped from pods once a second become counts over the last seconds.
 * sentinel.ts (the shell) calls observeCounters after each batch of scrapes and viewWindow before it judges;
 * the view goes into Observation.sentinel. Bounded: one entry a batch for each track, one entry a pod.
 */

/** Counters of one pod at one scrape, as exported (cumulative since the process began). */
export type PodCounters = {
  readonly requests: number;
  readonly serverErrors: number;
  /** Cumulative counts of http_request_duration_seconds by bucket bound in milliseconds, e.g. {"500": 123}. */
  readonly fasterThan: Readonly<Record<string, number>>;
  readonly logins: number;
  readonly loginFailures: number;
  readonly databaseErrors: number;
  readonly complaints: number;
  readonly dataLoss: number;
};

/** One answer, or none, of one pod. `startedAtMs` is the pod's status.startTime: a pod younger than our last batch counts from 0. */
export type Scrape = {
  readonly pod: string;
  readonly track: 'canary' | 'stable';
  readonly atMs: number;
  readonly counters: PodCounters | undefined;
};

/** Counts over a span, summed over the pods of a track, counter resets taken out. */
export type Counts = PodCounters;

export type SpanView = { readonly spanMs: number; readonly canary: Counts; readonly stable: Counts };

/** What the sentinel knows now. */
export type SentinelView = {
  /** When the newest batch was taken. */
  readonly takenAtMs: number;
  /** Shortest span first; spans that reach back before the first batch are left out, except the shortest. */
  readonly spans: readonly SpanView[];
  readonly canaryPods: number;
  readonly canaryPodsAnswering: number;
  /** Since when no canary pod has answered; undefined while one answers. */
  readonly silentSinceMs: number | undefined;
  /** Since when every canary pod answers and the sum of their request counters has not moved. */
  readonly quietSinceMs: number | undefined;
  /** Absolute sum of dataLoss over the canary pods that live. */
  readonly dataLoss: number;
};

/** Opaque to the shell: start with `emptyWindow`, keep what observeCounters returns. */
export type CounterWindow = { readonly batches: readonly unknown[] };
