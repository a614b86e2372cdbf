/**
 * spec.maxWeight: how much a person allows the canary at most. Coming down to it is a safe move and waits for nothing; going on
 * once it is lifted starts with the whole hold of a step. Rules of decide.ts and of progress.ts.
 *
 * @see docs/adr/0015-a-ceiling-for-the-weight.md
 */

import { type Draft, type Scene, stableToRestore } from './scene.ts';
import { nextStep, stepIndexOf } from './schedule.ts';
import { DETACH } from './zero.ts';

/**
 * The canary has more than the ceiling allows. Where our own weight is within it, whatever else is on the route is drift, which
 * goes down to our weight. A promotion that is under way is taken back: stable may be half one revision and half the other.
 */
export function aboveCeiling(scene: Scene): Draft | undefined {
  const { run, live, spec } = scene;
  if (run.phase !== 'Progressing' && run.phase !== 'Promoting') return undefined;
  const ours = run.weight ?? 0;
  const ceiling = spec.maxWeight;
  if (Math.min(ours, live ?? ours) <= ceiling) return undefined;
  // Without a route only one thing can still be done: nobody finds the canary behind its Service.
  if (live === undefined && ceiling > 0) return undefined;
  return {
    kind: ceiling === 0 ? 'zero' : 'reduce',
    reason: 'MaxWeight',
    message: `spec.maxWeight is ${ceiling}: from ${ours}% down to ${ceiling}%`,
    write: ceiling,
    stepIndex: Math.min(run.stepIndex, stepIndexOf(spec.schedule, ceiling)),
    want: { stable: stableToRestore(scene), ...(live === undefined ? DETACH : {}) },
  };
}

/** The next step is higher than the ceiling. A step is taken whole or not at all: 15 between the steps 10 and 25 keeps 10. */
export function atCeiling({ run, spec }: Scene): Draft | undefined {
  const weight = run.weight ?? 0;
  const next = nextStep(spec.schedule, weight);
  if (next === undefined || next.step.weight <= spec.maxWeight) return undefined;
  const message = `spec.maxWeight is ${spec.maxWeight}: staying at ${weight}%, the next step is ${next.step.weight}%`;
  return { kind: 'hold', reason: 'MaxWeight', message };
}

/** The ceiling had lowered the weight and lets it rise again: the step that the weight belongs to begins anew. */
export function ceilingLifted({ run, spec, nowMs }: Scene): Draft | undefined {
  if (run.loweredTo === undefined) return undefined;
  const weight = run.weight ?? 0;
  const stepIndex = Math.min(run.stepIndex, stepIndexOf(spec.schedule, weight));
  const step = spec.schedule[stepIndex];
  return {
    kind: 'hold',
    reason: 'MaxWeightLifted',
    message: `spec.maxWeight allows more than ${weight}% again: ${weight === 0 ? 'starting at the first step' : 'the hold of the step begins anew'}`,
    run: {
      loweredTo: undefined,
      stepIndex,
      // At weight 0 there is nothing to hold: the first step is entered when its pods are ready.
      stepStartedAtMs: weight === 0 ? undefined : nowMs,
      stepHoldMs: step?.holdMs ?? run.stepHoldMs,
      stepCheckEveryMs: step?.checkEveryMs ?? run.stepCheckEveryMs,
      nextCheckAtMs: nowMs,
    },
  };
}
