/** What a sentinel counted, as the tests of its verdicts want it. */

import type { Evidence } from '../../../operator/src/core/trial.ts';
import type { Counts, SentinelView, SpanView } from '../../../operator/src/core/window.ts';

export const NOW_MS = 10_000_000;
export const NOTHING = 1;
export const CERTAIN = 1e9;

export const counts = (change: Partial<Counts> = {}): Counts => ({
  requests: 0,
  serverErrors: 0,
  fasterThan: {},
  logins: 0,
  loginFailures: 0,
  databaseErrors: 0,
  complaints: 0,
  dataLoss: 0,
  ...change,
});
export const span = (spanMs: number, canary: Partial<Counts> = {}, stable: Partial<Counts> = {}): SpanView => ({
  spanMs,
  canary: counts(canary),
  stable: counts(stable),
});
export const proven = (change: Partial<Evidence> = {}): Evidence => ({
  errorRate: { over: NOTHING, worse: NOTHING },
  authFailureRate: { over: NOTHING, worse: NOTHING },
  latencyP95: { p1: NOTHING, p2: NOTHING },
  ...change,
});
export const viewOf = (spans: readonly SpanView[], change: Partial<SentinelView> = {}): SentinelView => ({
  takenAtMs: NOW_MS,
  spans,
  canaryPods: 2,
  canaryPodsAnswering: 2,
  silentSinceMs: undefined,
  quietSinceMs: undefined,
  dataLoss: 0,
  evidence: proven(),
  ...change,
});
