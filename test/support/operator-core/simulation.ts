/**
 * Plays a canary and stable beside it, second by second, into the real window, trial and judge of the sentinel. Counts are drawn from a
 * seeded generator; nothing else is played. Used by detection.test.ts.
 */
import { judgeSentinel } from '../../../operator/src/core/judge.ts';
import type { Severity } from '../../../operator/src/core/matrix.ts';
import type { Matrix } from '../../../operator/src/core/spec.ts';
import { boundKey } from '../../../operator/src/core/tally.ts';
import { isProven, newTrial, observeTrial } from '../../../operator/src/core/trial.ts';
import {
  type CounterWindow,
  emptyWindow,
  newestGain,
  observeCounters,
  type PodCounters,
  viewWindow,
} from '../../../operator/src/core/window.ts';
import { T0 } from './world.ts';

/** Shares 0–1 of a track's requests and logins; `slow` of requests above every bound of the matrix. */
export interface Rates {
  readonly errors: number;
  readonly loginFailures: number;
  readonly slow: number;
}

export interface Scenario {
  /** Requests a second of each track; every tenth is a login. */
  readonly canaryPerSecond: number;
  readonly stablePerSecond: number;
  readonly stable: Rates;
  /** The canary's, and from `faultAtSecond` on (any fraction of a second) `fault`'s. */
  readonly canary: Rates;
  readonly fault?: Rates;
  readonly faultAtSecond?: number;
  /** Both tracks are slow together in this second: somebody else wanted the cores. */
  readonly isBusyAt?: (second: number) => boolean;
}

const POD_AGE_MS = 3_600_000;

export interface Game {
  readonly matrix: Matrix;
  readonly seconds: number;
  readonly random: () => number;
}

/** The end of the first seconds in which the errors were proven, and in which the sentinel failed; undefined: never. */
export interface Course {
  readonly provenAt: number | undefined;
  readonly failedAt: number | undefined;
  readonly severity: Severity | undefined;
}

/** Plays until the sentinel fails or the time is over. */
export function play(scenario: Scenario, { matrix, seconds, random }: Game): Course {
  let provenAt: number | undefined;
  let window: CounterWindow = emptyWindow;
  let trial = newTrial;
  let canary = NOTHING;
  let stable = NOTHING;
  const { faultAtSecond = Number.POSITIVE_INFINITY, fault = scenario.canary } = scenario;
  for (let second = 0; second <= seconds; second += 1) {
    if (second > 0) {
      const isBusy = scenario.isBusyAt?.(second) ?? false;
      const sick = Math.min(1, Math.max(0, second - faultAtSecond));
      canary = after(canary, {
        perSecond: scenario.canaryPerSecond * (1 - sick),
        rates: scenario.canary,
        isBusy,
        random,
      });
      canary = after(canary, { perSecond: scenario.canaryPerSecond * sick, rates: fault, isBusy, random });
      stable = after(stable, { perSecond: scenario.stablePerSecond, rates: scenario.stable, isBusy, random });
    }
    const nowMs = T0 + second * 1_000;
    const scrapes = [
      { pod: 'canary', track: 'canary', createdAtMs: T0 - POD_AGE_MS, counters: canary },
      { pod: 'stable', track: 'stable', createdAtMs: T0 - POD_AGE_MS, counters: stable },
    ] as const;
    window = observeCounters(window, scrapes, nowMs);
    const gain = newestGain(window);
    if (gain !== undefined) trial = observeTrial(trial, gain, matrix);
    const view = viewWindow(window, trial);
    if (view !== undefined && isProven(Math.max(view.evidence.errorRate.over, view.evidence.errorRate.worse), matrix))
      provenAt ??= second;
    const { verdict } = judgeSentinel(view, matrix, {
      nowMs,
      sinceMs: undefined,
      silentSinceMs: undefined,
    });
    if (verdict.kind === 'fail') return { provenAt, failedAt: second, severity: verdict.severity };
  }
  return { provenAt, failedAt: undefined, severity: undefined };
}

const BOUNDS_MS = [200, 300, 500] as const;
const NOTHING: PodCounters = {
  requests: 0,
  serverErrors: 0,
  fasterThan: { '200ms': 0, '300ms': 0, '500ms': 0 },
  logins: 0,
  loginFailures: 0,
  databaseErrors: 0,
  complaints: 0,
  dataLoss: 0,
};

interface Draw {
  readonly perSecond: number;
  readonly rates: Rates;
  readonly isBusy: boolean;
  readonly random: () => number;
}

function after(counters: PodCounters, { perSecond, rates, isBusy, random }: Draw): PodCounters {
  const requests = poisson(perSecond, random);
  const logins = binomial(requests, 0.1, random);
  const slow = isBusy ? binomial(requests, 0.4, random) : binomial(requests, rates.slow, random);
  const fasterThan = Object.fromEntries(
    BOUNDS_MS.map(boundKey).map((bound) => [bound, (counters.fasterThan[bound] ?? 0) + requests - slow]),
  );
  return {
    ...counters,
    requests: counters.requests + requests,
    serverErrors: counters.serverErrors + binomial(requests, rates.errors, random),
    logins: counters.logins + logins,
    loginFailures: counters.loginFailures + binomial(logins, rates.loginFailures, random),
    fasterThan,
  };
}

/** By the gaps between the events, which is exact for both, and quick where events are rare. */
export function poisson(mean: number, random: () => number): number {
  let events = -1;
  for (let passed = 0; passed <= mean; events += 1) passed -= Math.log(1 - random());
  return events;
}

export function binomial(total: number, rate: number, random: () => number): number {
  if (rate <= 0) return 0;
  if (rate >= 1) return total;
  let hits = -1;
  const logMiss = Math.log1p(-rate);
  for (let at = 0; at <= total; hits += 1) at += 1 + Math.floor(Math.log(1 - random()) / logMiss);
  return hits;
}
