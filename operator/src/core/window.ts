/**
 * The sentinel's memory: counters scraped from pods once a second become counts over the last seconds.
 * sentinel.ts (the shell) calls observeCounters after each batch of scrapes and viewWindow before it judges; the view goes
 * into Observation.sentinel. Bounded: one sum per batch for five minutes, one entry per living pod.
 */

import { type Evidence, evidenceOf, type Gain, type Trial } from './trial.ts';

/** Counters of one pod at one scrape, as exported: cumulative since its process began. */
export type PodCounters = {
  readonly requests: number;
  readonly serverErrors: number;
  /** Cumulative counts of http_request_duration_seconds by `boundKey` of the bucket, e.g. {"500ms": 123}. */
  readonly fasterThan: Readonly<Record<string, number>>;
  readonly logins: number;
  readonly loginFailures: number;
  readonly databaseErrors: number;
  readonly complaints: number;
  readonly dataLoss: number;
};

/** The answer of one pod, or undefined counters when it gave none in time. */
export type Scrape = {
  readonly pod: string;
  readonly track: 'canary' | 'stable';
  /** metadata.creationTimestamp: a pod created since the window began counts from 0, an older one from its first scrape. */
  readonly createdAtMs: number;
  readonly counters: PodCounters | undefined;
};

/** Counts over a span, summed over the pods of a track, counter resets taken out. */
export type Counts = PodCounters;

export type SpanView = { readonly spanMs: number; readonly canary: Counts; readonly stable: Counts };

/** What the sentinel knows now. */
export type SentinelView = {
  readonly takenAtMs: number;
  /** Shortest span first; the last one may be shorter than its name while the window is young. */
  readonly spans: readonly SpanView[];
  readonly canaryPods: number;
  readonly canaryPodsAnswering: number;
  /** Since when no canary pod has answered; undefined while one answers. */
  readonly silentSinceMs: number | undefined;
  /** Since when every canary pod answers and the sum of their request counters has not moved. */
  readonly quietSinceMs: number | undefined;
  /** Absolute sum of dataLoss over the living canary pods: the first signal ever is the one that counts. */
  readonly dataLoss: number;
  /** What the requests of this revision have proven since its trial began. */
  readonly evidence: Evidence;
};

type PodMemory = { readonly track: Scrape['track']; readonly last: PodCounters | undefined };
type Batch = { readonly atMs: number; readonly canary: Counts; readonly stable: Counts };

/** Opaque to the shell: start with emptyWindow, keep what observeCounters returns. */
export type CounterWindow = {
  readonly startedAtMs: number | undefined;
  readonly pods: ReadonlyMap<string, PodMemory>;
  readonly batches: readonly Batch[];
  readonly canaryPods: number;
  readonly canaryPodsAnswering: number;
  readonly silentSinceMs: number | undefined;
  readonly quietSinceMs: number | undefined;
  /** When every canary pod last answered in one batch: the start of a quiet time. */
  readonly completeAtMs: number | undefined;
};

/**
 * One scrape shows a storm at once, ten seconds and a minute show what is rarer, five minutes are the runbook's longest
 * window. A single 10 s span would dilute one second of failures tenfold and cost a second more (ADR 0007).
 */
export const SPANS_MS = [1_000, 3_000, 10_000, 60_000, 300_000] as const;

/** Batches come a second apart, less some jitter: a span of 1 s accepts a batch 0.75 s back. */
const JITTER_MS = 250;
const KEEP_MS = 300_000 + JITTER_MS;
const MAX_BATCHES = 640;

const NONE: Counts = {
  requests: 0,
  serverErrors: 0,
  fasterThan: {},
  logins: 0,
  loginFailures: 0,
  databaseErrors: 0,
  complaints: 0,
  dataLoss: 0,
};

export const emptyWindow: CounterWindow = {
  startedAtMs: undefined,
  pods: new Map(),
  batches: [],
  canaryPods: 0,
  canaryPodsAnswering: 0,
  silentSinceMs: undefined,
  quietSinceMs: undefined,
  completeAtMs: undefined,
};

/** Adds one batch: a scrape for every pod that exists now, answered or not. A pod that is missing from it has gone. */
export function observeCounters(window: CounterWindow, scrapes: readonly Scrape[], nowMs: number): CounterWindow {
  const startedAtMs = window.startedAtMs ?? nowMs;
  const pods = new Map<string, PodMemory>();
  let sums: Batch = { ...(window.batches.at(-1) ?? { canary: NONE, stable: NONE }), atMs: nowMs };
  let isComplete = true;
  let isQuiet = true;
  for (const scrape of scrapes) {
    const known = window.pods.get(scrape.pod);
    const gained = gainOf(scrape, known, startedAtMs);
    pods.set(scrape.pod, { track: scrape.track, last: scrape.counters ?? known?.last });
    if (gained !== undefined) sums = { ...sums, [scrape.track]: add(sums[scrape.track], gained) };
    if (scrape.track === 'stable') continue;
    isComplete &&= scrape.counters !== undefined;
    isQuiet &&= gained !== undefined && gained.requests === 0;
  }
  const canaries = scrapes.filter((scrape) => scrape.track === 'canary');
  const answering = canaries.filter((scrape) => scrape.counters !== undefined).length;
  return {
    startedAtMs,
    pods,
    batches: [...window.batches, sums].filter((batch) => nowMs - batch.atMs <= KEEP_MS).slice(-MAX_BATCHES),
    canaryPods: canaries.length,
    canaryPodsAnswering: answering,
    silentSinceMs: answering > 0 ? undefined : (window.silentSinceMs ?? nowMs),
    quietSinceMs: isComplete && isQuiet ? (window.quietSinceMs ?? window.completeAtMs) : undefined,
    completeAtMs: isComplete ? nowMs : undefined,
  };
}

/** What the newest batch counted since the one before it: the next block of the trial. Undefined before the second batch. */
export function newestGain({ batches }: CounterWindow): Gain | undefined {
  const [before, newest] = batches.slice(-2);
  if (before === undefined || newest === undefined) return undefined;
  return { canary: subtract(newest.canary, before.canary), stable: subtract(newest.stable, before.stable) };
}

/** What the window shows: counts over each span that ends with the newest batch; undefined before the first batch. */
export function viewWindow(window: CounterWindow, trial: Trial): SentinelView | undefined {
  const newest = window.batches.at(-1);
  if (newest === undefined) return undefined;
  return {
    takenAtMs: newest.atMs,
    spans: spansOf(window.batches, newest),
    canaryPods: window.canaryPods,
    canaryPodsAnswering: window.canaryPodsAnswering,
    silentSinceMs: window.silentSinceMs,
    quietSinceMs: window.quietSinceMs,
    dataLoss: [...window.pods.values()].reduce(
      (sum, pod) => sum + (pod.track === 'canary' ? (pod.last?.dataLoss ?? 0) : 0),
      0,
    ),
    evidence: evidenceOf(trial),
  };
}

function spansOf(batches: readonly Batch[], newest: Batch): readonly SpanView[] {
  const spans: SpanView[] = [];
  for (const spanMs of SPANS_MS) {
    const base = batches.findLast((batch) => newest.atMs - batch.atMs >= spanMs - JITTER_MS);
    const from = base ?? batches[0];
    if (from === undefined || from === newest) break;
    spans.push({
      spanMs: newest.atMs - from.atMs,
      canary: subtract(newest.canary, from.canary),
      stable: subtract(newest.stable, from.stable),
    });
    if (base === undefined) break;
  }
  return spans;
}

/** What a pod counted since its last scrape; undefined when that cannot be known. */
function gainOf(scrape: Scrape, known: PodMemory | undefined, startedAtMs: number): Counts | undefined {
  if (scrape.counters === undefined) return undefined;
  if (known?.last === undefined) return scrape.createdAtMs >= startedAtMs ? scrape.counters : undefined;
  // A restarted process begins at 0 again, so all of what it shows is new.
  if (isReset(scrape.counters, known.last)) return scrape.counters;
  return subtract(scrape.counters, known.last);
}

function isReset(now: PodCounters, before: PodCounters): boolean {
  return (
    now.requests < before.requests ||
    now.serverErrors < before.serverErrors ||
    now.logins < before.logins ||
    now.loginFailures < before.loginFailures ||
    now.databaseErrors < before.databaseErrors
  );
}

function add(left: Counts, right: Counts): Counts {
  return combine(left, right, 1);
}

/** What was counted between two sums. */
export function subtract(left: Counts, right: Counts): Counts {
  return combine(left, right, -1);
}

function combine(left: Counts, right: Counts, sign: 1 | -1): Counts {
  const fasterThan: Record<string, number> = { ...left.fasterThan };
  for (const [bound, count] of Object.entries(right.fasterThan)) {
    fasterThan[bound] = (fasterThan[bound] ?? 0) + sign * count;
  }
  return {
    requests: left.requests + sign * right.requests,
    serverErrors: left.serverErrors + sign * right.serverErrors,
    fasterThan,
    logins: left.logins + sign * right.logins,
    loginFailures: left.loginFailures + sign * right.loginFailures,
    databaseErrors: left.databaseErrors + sign * right.databaseErrors,
    complaints: left.complaints + sign * right.complaints,
    dataLoss: left.dataLoss + sign * right.dataLoss,
  };
}
