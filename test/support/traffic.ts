// Steady traffic for the end-to-end tests and what its clients saw in a part of it. Called by test/e2e/; k6 itself is run
// by k8s/demo/traffic.ts.
import { type AnswerCounts, countAnswers, type Exposure, exposureOf, failureKinds } from '../../k8s/demo/answers.ts';
import type { Traffic } from '../../k8s/demo/traffic.ts';

/** What the clients have seen since a mark was set. */
export interface Mark {
  readonly sinceMs: number;
  /** Reads the log up to now, then counts. */
  counts(): Promise<AnswerCounts>;
  /** What failed and how often, as `12 × 503 login at 1.0.0`. */
  failures(): Promise<readonly string[]>;
  /** Users whose session ended though they had not logged out, and how. */
  lostSessions(): Promise<readonly string[]>;
  exposure(version: string): Promise<Exposure | undefined>;
}

export function markTraffic(traffic: Traffic): Mark {
  const sinceMs = Date.now();
  return {
    sinceMs,
    counts: async () => {
      await traffic.catchUp();
      return countAnswers(traffic.answers, sinceMs, Number.POSITIVE_INFINITY);
    },
    failures: async () => {
      await traffic.catchUp();
      return failureKinds(traffic.answers, sinceMs, Number.POSITIVE_INFINITY);
    },
    lostSessions: async () => {
      await traffic.catchUp();
      return traffic.lost.filter(({ atMs }) => atMs >= sinceMs).map(({ how, user }) => `${user}: ${how}`);
    },
    exposure: async (version) => {
      await traffic.catchUp();
      const since = traffic.answers.filter(({ atMs }) => atMs >= sinceMs);
      return exposureOf(since, version);
    },
  };
}

/** The value below which 95 % of the values lie, by the nearest-rank method; NaN of none. */
export function percentile95(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.ceil(sorted.length * 0.95) - 1] ?? Number.NaN;
}
