/** Where a weight is on the schedule. Asked by the rules that move it (progress.ts, drift.ts, ceiling.ts) and by run.ts, which follows them. */

import type { Step } from './spec.ts';

/**
 * The step to go to from a weight: the first one above it. After a drift or a reduction that is the step which was lost,
 * so the weight never skips a step, and an edited schedule needs no translation of indexes.
 */
export function nextStep(
  schedule: readonly Step[],
  weight: number,
): { readonly step: Step; readonly index: number } | undefined {
  const index = schedule.findIndex((step) => step.weight > weight);
  const step = schedule[index];
  return step === undefined ? undefined : { step, index };
}

/** The step that a weight belongs to: the first one that reaches it. */
export function stepIndexOf(schedule: readonly Step[], weight: number): number {
  return Math.max(
    0,
    schedule.findIndex((step) => step.weight >= weight),
  );
}
