/**
 * A policy is what a rollout is judged and moved by: matrix, schedule and the limits beside them. The plugin reads two of
 * them to say where they differ, and puts one under a recorded observation to see what it would have decided.
 */

import { msToDuration } from './duration.ts';
import type { Observation, Sample, StepSamples } from './observation.ts';
import { type Matrix, parseSpec, type Spec, type Step } from './spec.ts';
import type { Status } from './status.ts';
import { type Evidence, evidenceOf, newTrial, observeTrial } from './trial.ts';
import { type SentinelView, subtract } from './window.ts';

/** Whole, with the defaults of what the file leaves out. */
export type Policy = Pick<Spec, 'matrix' | 'schedule' | 'blindLimitMs' | 'proveWithinMs'>;

export type PolicyReading =
  | {
      readonly kind: 'policy';
      readonly policy: Policy;
      /** The parts that the file names; all of them where it is a whole AuthRollout. */
      readonly named: Partial<Policy>;
    }
  | { readonly kind: 'invalid'; readonly violations: readonly string[] };

type Fields = Readonly<Record<string, unknown>>;

/** Reads an AuthRollout, its `spec`, or only `matrix`, `schedule`, `metrics.blindLimit` and `zero` of it. */
export function readPolicy(manifest: unknown): PolicyReading {
  const outer = fieldsOf(manifest);
  const given = 'spec' in outer ? fieldsOf(outer['spec']) : outer;
  const metrics = fieldsOf(given['metrics']);
  const reading = parseSpec({
    targetRef: { name: 'policy' },
    route: { httpRoute: 'policy', rule: 'policy' },
    ...given,
    metrics: { prometheus: { address: 'http://policy' }, ...metrics },
  });
  if (reading.kind === 'invalid') return { kind: 'invalid', violations: reading.violations };
  const { matrix, schedule, blindLimitMs, proveWithinMs } = reading.spec;
  const policy = { matrix, schedule, blindLimitMs, proveWithinMs };
  if ('targetRef' in given) return { kind: 'policy', policy, named: policy };
  const named: Partial<Policy> = {
    ...('matrix' in given ? { matrix } : {}),
    ...('schedule' in given ? { schedule } : {}),
    ...('blindLimit' in metrics ? { blindLimitMs } : {}),
    ...('zero' in given ? { proveWithinMs } : {}),
  };
  if (Object.keys(named).length > 0) return { kind: 'policy', policy, named };
  return {
    kind: 'invalid',
    violations: ['it names no spec.matrix, spec.schedule, spec.metrics.blindLimit or spec.zero'],
  };
}

function fieldsOf(value: unknown): Fields {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- every field is read as unknown
  return typeof value === 'object' && value !== null ? (value as Fields) : {};
}

/** The observation as it would have been under the policy; samples that were not taken for it are not known. */
export function underPolicy(observation: Observation, policy: Partial<Policy>): Observation {
  const { spec, samples, status, sentinel } = observation;
  const before = spec.kind === 'valid' ? spec.spec : spec.usable;
  if (before === undefined) return observation;
  const after = { ...before, ...policy };
  return {
    ...observation,
    spec: spec.kind === 'valid' ? { ...spec, spec: after } : { ...spec, usable: after },
    status: status && policy.schedule ? inStep(status, policy.schedule) : status,
    samples: samples && resampled(samples, before.matrix, after.matrix),
    sentinel: sentinel && { ...sentinel, evidence: reweighed(sentinel, before.matrix, after.matrix) },
  };
}

/** A running step keeps the hold that it began with; under the policy it would have begun with another. */
function inStep(status: Status, schedule: readonly Step[]): Status {
  const step = schedule[status.stepIndex ?? 0];
  if (step === undefined || status.stepStartedAt === undefined) return status;
  return { ...status, stepHold: msToDuration(step.holdMs), stepCheckEvery: msToDuration(step.checkEveryMs) };
}

const NOT_COUNTED: Sample = { kind: 'unknown', why: 'NoData' };

/** Slow requests were counted at the bounds of the old matrix, complaints over its window. */
function resampled(samples: StepSamples, before: Matrix, after: Matrix): StepSamples {
  const { p1Ms, p2Ms, p3Ms } = before.latencyP95;
  const counted = new Map([
    [p1Ms, samples.slow.p1],
    [p2Ms, samples.slow.p2],
    [p3Ms, samples.slow.p3],
  ]);
  const at = (boundMs: number): Sample => counted.get(boundMs) ?? NOT_COUNTED;
  const { latencyP95, complaints } = after;
  return {
    ...samples,
    slow: { p1: at(latencyP95.p1Ms), p2: at(latencyP95.p2Ms), p3: at(latencyP95.p3Ms) },
    complaints: complaints.windowMs === before.complaints.windowMs ? samples.complaints : NOT_COUNTED,
  };
}

/**
 * The trial was held against the old limits. What it proved of a limit it also proved of every lower one; of a higher one only
 * what the counts of the last five minutes prove, weighed anew.
 */
function reweighed(view: SentinelView, before: Matrix, after: Matrix): Evidence {
  const { evidence } = view;
  const anew = evidenceAnew(view, after);
  const kept = (limit: (matrix: Matrix) => number, proven: number, found: number): number =>
    limit(after) === limit(before) ? proven : limit(after) < limit(before) ? Math.max(proven, found) : found;
  return {
    errorRate: {
      ...evidence.errorRate,
      over: kept(({ errorRate }) => errorRate.p1, evidence.errorRate.over, anew.errorRate.over),
    },
    authFailureRate: {
      ...evidence.authFailureRate,
      over: kept(({ authFailureRate }) => authFailureRate.p1, evidence.authFailureRate.over, anew.authFailureRate.over),
    },
    latencyP95: {
      p1: kept(({ latencyP95 }) => latencyP95.p1Ms, evidence.latencyP95.p1, anew.latencyP95.p1),
      p2: kept(({ latencyP95 }) => latencyP95.p2Ms, evidence.latencyP95.p2, anew.latencyP95.p2),
    },
  };
}

/** Spans end together, so what lies between two of them is a block of its own; the oldest is weighed first. */
function evidenceAnew({ spans }: SentinelView, matrix: Matrix): Evidence {
  const blocks = spans.map(({ canary, stable }, index) => {
    const inner = spans[index - 1];
    if (inner === undefined) return { canary, stable };
    return { canary: subtract(canary, inner.canary), stable: subtract(stable, inner.stable) };
  });
  return evidenceOf(blocks.toReversed().reduce((trial, gain) => observeTrial(trial, gain, matrix), newTrial));
}

export type PolicyDifference = { readonly path: string; readonly old: string; readonly new: string };

/** Every figure in which two policies differ; `–` where one has none. */
export function policyDifferences(left: Policy, right: Policy): readonly PolicyDifference[] {
  const before = figuresOf('', left);
  const after = figuresOf('', right);
  return [...new Set([...before.keys(), ...after.keys()])]
    .filter((path) => before.get(path) !== after.get(path))
    .map((path) => ({ path, old: before.get(path) ?? '–', new: after.get(path) ?? '–' }));
}

/** Each figure by its name in a manifest, durations as one writes them. */
function figuresOf(path: string, value: unknown): ReadonlyMap<string, string> {
  if (typeof value !== 'object' || value === null) {
    const isDuration = path.endsWith('Ms') && typeof value === 'number';
    return new Map([[path.replace(/Ms$/, ''), isDuration ? msToDuration(value) : String(value)]]);
  }
  return new Map(
    Object.entries(value).flatMap(([key, field]) => [
      ...figuresOf(Array.isArray(value) ? `${path}[${key}]` : path === '' ? key : `${path}.${key}`, field),
    ]),
  );
}
