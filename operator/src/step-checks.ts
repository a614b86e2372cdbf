/**
 * Runs the checks of a step: all PromQL queries at once, each one number or a reason. Called by observe.ts when a check is due.
 */
import { stepQueries } from './api-metrics.ts';
import { askPrometheus } from './clients/prometheus.ts';
import type { Sample, StepSamples } from './core/observation.ts';
import type { Spec } from './core/spec.ts';

/** Longer than a healthy Prometheus takes by far, shorter than anybody wants to wait for a verdict. */
const DEADLINE_MS = 4_000;
/** Errors are counted per minute, so their window is never shorter. */
const DATABASE_WINDOW_MS = 60_000;

export interface StepChecks {
  readonly spec: Spec;
  readonly namespace: string;
  readonly stableName: string;
  /**
   * The ReplicaSets of the canary's living pods. Prometheus remembers the pods of the revision before for minutes, and what they
   * counted must not be held against this one. Empty when the pods are not known: then all of the Deployment's count.
   */
  readonly replicaSets: readonly string[];
  readonly windowMs: number;
  readonly signal: AbortSignal;
}

type QueryName =
  | Exclude<keyof StepSamples, 'takenAtMs' | 'windowMs' | 'replicaSets' | 'databaseWindowMs' | 'slow'>
  | 'p1'
  | 'p2'
  | 'p3';

/** The PromQL of each sample; decision-log.ts writes it into the record of the decision. */
export function stepQuestions(checks: Omit<StepChecks, 'signal'>): Readonly<Record<QueryName, string>> {
  const { spec, namespace, stableName, replicaSets, windowMs } = checks;
  const { latencyP95, complaints } = spec.matrix;
  const windows = { windowMs, databaseWindowMs: databaseWindow(windowMs), complaintsWindowMs: complaints.windowMs };
  const canary = stepQueries({ namespace, deployment: spec.targetName, replicaSets }, windows);
  const stable = stepQueries({ namespace, deployment: stableName, replicaSets: [] }, windows);
  return {
    requests: canary.requests,
    serverErrors: canary.serverErrors,
    p1: canary.slowerThan(latencyP95.p1Ms),
    p2: canary.slowerThan(latencyP95.p2Ms),
    p3: canary.slowerThan(latencyP95.p3Ms),
    logins: canary.logins,
    loginFailures: canary.loginFailures,
    stableLogins: stable.logins,
    stableLoginFailures: stable.loginFailures,
    databaseErrors: canary.databaseErrors,
    complaints: canary.complaints,
    dataLoss: canary.dataLoss,
  };
}

function databaseWindow(windowMs: number): number {
  return Math.max(windowMs, DATABASE_WINDOW_MS);
}

/** Everything but when: the caller's clock says that. @throws only when the signal fires: a severe verdict wants this pass out of the way. */
export async function runStepChecks(checks: StepChecks): Promise<Omit<StepSamples, 'takenAtMs'>> {
  const { spec, windowMs, signal } = checks;
  const answers = await askAll(spec.prometheusAddress, signal, stepQuestions(checks));
  const { p1, p2, p3, ...others } = answers;
  return {
    ...others,
    windowMs,
    replicaSets: checks.replicaSets,
    databaseWindowMs: databaseWindow(windowMs),
    slow: { p1, p2, p3 },
  };
}

async function askAll<K extends string>(
  address: string,
  signal: AbortSignal,
  queries: Readonly<Record<K, string>>,
): Promise<Readonly<Record<K, Sample>>> {
  const answers: Partial<Record<K, Sample>> = {};
  const asked = Object.entries<string>(queries).map(async ([name, query]) => [
    name,
    await askPrometheus({ address, query, deadlineMs: DEADLINE_MS, signal }),
  ]);
  return Object.assign(answers, Object.fromEntries(await Promise.all(asked)));
}
