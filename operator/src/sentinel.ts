/**
 * The loop that never waits for a step: each second it reads the canary's pods and asks the core for P0 and P1 only. Fed by
 * reconcile.ts (`follow`), it fills Observation.sentinel (`view`) and rings the urgent lane of workqueue.ts.
 *
 * Cost per rollout and second: one scrape a pod, bounded in number, time and bytes. Pod addresses come from watches, so an
 * apiserver that is slow or away delays no verdict.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { countersOf, FAMILIES } from './api-metrics.ts';
import { scrapePods } from './clients/pods.ts';
import type { ContainerImage } from './core/decision-record.ts';
import { judgeSentinel } from './core/judge.ts';
import type { Labels } from './core/observation.ts';
import type { Matrix } from './core/spec.ts';
import { newTrial, observeTrial, type Trial } from './core/trial.ts';
import {
  type CounterWindow,
  emptyWindow,
  newestGain,
  observeCounters,
  type Scrape,
  type SentinelView,
  viewWindow,
} from './core/window.ts';
import type { PodRead } from './objects.ts';

/** What one rollout wants watched. */
export interface Watched {
  readonly namespace: string;
  readonly canarySelector: Labels;
  readonly stableSelector: Labels | undefined;
  readonly podPort: string;
  readonly podPath: string;
  readonly matrix: Matrix;
  /** Other revision, other pods: what the old ones did says nothing about the new. */
  readonly revision: string;
  /** Another text begins another trial: a revision has one, and a person's approval gives it a new one. */
  readonly trial: string;
  /** When the step began, and since when status says that no canary answers. */
  readonly sinceMs: number | undefined;
  readonly silentSinceMs: number | undefined;
  /** Weight 0: nothing is judged any more, each batch only brings the proof of zero forward. */
  readonly isZero: boolean;
}

/** The pods behind a selector, as they are now. */
export interface PodSource {
  /** Undefined while they are not known yet. */
  readonly pods: () => readonly PodRead[] | undefined;
  readonly stop: () => void;
}

export interface SentinelOptions {
  readonly watchPods: (watched: Watched, selector: Labels) => PodSource;
  /** A P0 or P1 was seen while the canary had traffic. */
  readonly onBreach: (key: string) => void;
  /** Worth a pass, not an alarm: a batch while zero is being proven, or a canary that fell silent or speaks again. */
  readonly onNews: (key: string) => void;
  readonly onError: (key: string, error: unknown) => void;
  readonly onRound?: (seconds: number) => void;
  readonly now?: () => number;
  /** For tests; a second otherwise. */
  readonly roundMs?: number;
}

const ROUND_MS = 1_000;
/** Stable is only the yardstick for failed logins; a sample of it says as much as all of it. */
const MAX_STABLE_PODS = 20;
/** Beyond this a scrape a second and a pod is Prometheus's trade, and one thread's parsing would come to tens of ms a round. */
const MAX_CANARY_PODS = 200;

/** A pod has a handful of containers; more than one image of each is a tag that was moved in the middle of a run. */
const MAX_IMAGES = 20;

interface Followed {
  watched: Watched;
  window: CounterWindow;
  trial: Trial;
  readonly canary: PodSource;
  readonly stable: PodSource | undefined;
  /** performance.now() when the present breach was first seen, for the histogram. */
  breachAt: number | undefined;
  /** Changes when other pods are to be watched. */
  podsKey: string;
}

const NOTHING_SEEN = {
  window: emptyWindow,
  trial: newTrial,
  breachAt: undefined,
} as const;

export class Sentinel {
  readonly #options: SentinelOptions;
  readonly #now: () => number;
  readonly #followed = new Map<string, Followed>();
  #roundAt = performance.now();

  constructor(options: SentinelOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
  }

  /** Since the loop last turned; health.ts calls a process dead whose sentinel stands still. */
  ageMs(): number {
    return performance.now() - this.#roundAt;
  }

  /** @param watched undefined: there is nothing to watch any more. */
  follow(key: string, watched: Watched | undefined): void {
    if (watched === undefined) return this.drop(key);
    const podsKey = JSON.stringify([
      watched.canarySelector,
      watched.stableSelector,
      watched.podPort,
      watched.podPath,
      watched.revision,
    ]);
    const known = this.#followed.get(key);
    // Other pods, other counters: what was seen of the old ones must not be held against the new.
    if (known?.podsKey === podsKey) {
      if (known.watched.trial !== watched.trial) known.trial = newTrial;
      known.watched = watched;
      return;
    }
    this.drop(key);
    const { watchPods } = this.#options;
    const canary = watchPods(watched, watched.canarySelector);
    const stable = watched.stableSelector && watchPods(watched, watched.stableSelector);
    this.#followed.set(key, { ...NOTHING_SEEN, watched, podsKey, canary, stable });
  }

  drop(key: string): void {
    const followed = this.#followed.get(key);
    followed?.canary.stop();
    followed?.stable?.stop();
    this.#followed.delete(key);
  }

  clear(): void {
    for (const key of this.#followed.keys()) this.drop(key);
  }

  view(key: string): SentinelView | undefined {
    const followed = this.#followed.get(key);
    return followed === undefined ? undefined : viewWindow(followed.window, followed.trial);
  }

  /** Names of the ReplicaSets that the canary's pods are of; empty while the pods are not known. */
  replicaSets(key: string): readonly string[] {
    const pods = this.#followed.get(key)?.canary.pods() ?? [];
    return [...new Set(pods.map(({ pod }) => pod.slice(0, pod.lastIndexOf('-'))))].toSorted();
  }

  /** What the canary's pods run, each image once; empty while the pods are not known. */
  runningImages(key: string): readonly ContainerImage[] {
    const found = new Map<string, ContainerImage>();
    for (const { images } of this.#followed.get(key)?.canary.pods() ?? []) {
      for (const running of images)
        if (running.image !== '') found.set(`${running.container} ${running.image}`, running);
    }
    return [...found]
      .toSorted(([left], [right]) => (left < right ? -1 : 1))
      .map(([, running]) => running)
      .slice(0, MAX_IMAGES);
  }

  /** When the breach that a lowering write answers was seen; reading it ends it. */
  takeBreach(key: string): number | undefined {
    const followed = this.#followed.get(key);
    const breachAt = followed?.breachAt;
    if (followed !== undefined) followed.breachAt = undefined;
    return breachAt;
  }

  /** Runs until the signal fires. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const startedAt = performance.now();
      this.#roundAt = startedAt;
      await Promise.all([...this.#followed].map(([key, followed]) => this.#round(key, followed, signal)));
      const tookMs = performance.now() - startedAt;
      if (this.#followed.size > 0) this.#options.onRound?.(tookMs / 1000);
      await delay(Math.max(0, (this.#options.roundMs ?? ROUND_MS) - tookMs), undefined, { signal }).catch(
        () => undefined,
      );
    }
    this.clear();
  }

  async #round(key: string, followed: Followed, signal: AbortSignal): Promise<void> {
    try {
      const canary = followed.canary.pods();
      if (canary === undefined) return;
      const { podsKey } = followed;
      const scrapes = await this.#scrape(canary, followed.stable?.pods() ?? [], signal);
      // Dropped or pointed elsewhere while the pods were answering.
      if (this.#followed.get(key) !== followed || followed.podsKey !== podsKey) return;
      const nowMs = this.#now();
      followed.window = observeCounters(followed.window, scrapes, nowMs);
      const gain = newestGain(followed.window);
      if (gain !== undefined) followed.trial = observeTrial(followed.trial, gain, followed.watched.matrix);
      this.#judge(key, followed, nowMs);
    } catch (error) {
      if (!signal.aborted) this.#options.onError(key, error);
    }
  }

  #judge(key: string, followed: Followed, nowMs: number): void {
    const { matrix, sinceMs, silentSinceMs, isZero } = followed.watched;
    const view = viewWindow(followed.window, followed.trial);
    // The silence is counted in status, so that a restart does not begin it anew; and status is written by a pass.
    const isSilent = view?.silentSinceMs !== undefined;
    if (isZero || isSilent !== (silentSinceMs !== undefined)) this.#options.onNews(key);
    if (isZero) return;
    const { verdict } = judgeSentinel(view, matrix, { nowMs, sinceMs, silentSinceMs });
    if (verdict.kind !== 'fail') {
      followed.breachAt = undefined;
      return;
    }
    followed.breachAt ??= performance.now();
    this.#options.onBreach(key);
  }

  async #scrape(
    canaryPods: readonly PodRead[],
    stablePods: readonly PodRead[],
    signal: AbortSignal,
  ): Promise<readonly Scrape[]> {
    const track = async (name: 'canary' | 'stable', pods: readonly PodRead[]): Promise<readonly Scrape[]> => {
      const answers = await scrapePods(pods, FAMILIES, signal);
      return pods.map(({ pod, createdAtMs }, index) => {
        const answer = answers[index];
        const counters = answer?.kind === 'answered' ? countersOf(answer.samples) : undefined;
        return { pod, track: name, createdAtMs, counters };
      });
    };
    const [canary, stable] = await Promise.all([
      track('canary', canaryPods.slice(0, MAX_CANARY_PODS)),
      track('stable', stablePods.slice(0, MAX_STABLE_PODS)),
    ]);
    return [...canary, ...stable];
  }
}
