/**
 * The rules of a spec that reach over several fields; parseSpec calls them, crd/rules.ts says the same in CEL.
 */

import { durationToMs } from './duration.ts';
import { JOB_FRESH_LIMIT, LATENCY_BUCKETS_MS, type SpecManifest } from './spec-schema.ts';

/** Every broken rule as a sentence that says what to change; empty when the spec may be used. */
export function specViolations(spec: SpecManifest): readonly string[] {
  return [...scheduleViolations(spec), ...matrixViolations(spec)];
}

function scheduleViolations({ schedule }: SpecManifest): readonly string[] {
  const violations: string[] = [];
  schedule.forEach((step, index) => {
    const before = schedule[index - 1];
    if (before !== undefined && step.weight <= before.weight) {
      violations.push(
        `spec.schedule[${index}].weight is ${step.weight} after ${before.weight}: make each weight greater than the one before it`,
      );
    }
    if (durationToMs(step.checkEvery) > durationToMs(step.hold)) {
      violations.push(
        `spec.schedule[${index}].checkEvery ${step.checkEvery} is longer than hold ${step.hold}: shorten checkEvery or lengthen hold`,
      );
    }
    if (durationToMs(step.checkEvery) < 1_000) {
      violations.push(`spec.schedule[${index}].checkEvery ${step.checkEvery} is below a second: set it to 1s or more`);
    }
    violations.push(...checkpointViolations(step.checkpoints ?? [], `spec.schedule[${index}].checkpoints`));
  });
  if (schedule.at(-1)?.weight !== 100)
    violations.push('spec.schedule must end with weight 100: add or change the last step');
  return violations;
}

type CheckpointManifest = NonNullable<SpecManifest['schedule'][number]['checkpoints']>[number];

function checkpointViolations(checkpoints: readonly CheckpointManifest[], path: string): readonly string[] {
  const names = new Set(checkpoints.map(({ name }) => name));
  const repeated = names.size < checkpoints.length ? [`${path}: give each checkpoint of a step a name of its own`] : [];
  const each = checkpoints.flatMap(({ query, job, person }, index) => {
    const found: string[] = [];
    const at = `${path}[${index}]`;
    if ([query, job, person].filter((kind) => kind !== undefined).length !== 1)
      found.push(`${at}: name exactly one of query, job and person`);
    if (query !== undefined && query.atLeast === undefined && query.atMost === undefined)
      found.push(`${at}.query: set atLeast, atMost or both`);
    if (query?.atLeast !== undefined && query.atMost !== undefined && query.atLeast > query.atMost)
      found.push(`${at}.query: set atLeast no greater than atMost`);
    const freshMs = job === undefined ? 1 : durationToMs(job.freshFor);
    if (freshMs < 1 || freshMs > durationToMs(JOB_FRESH_LIMIT))
      found.push(`${at}.job.freshFor: set it above 0 and to ${JOB_FRESH_LIMIT} at most`);
    return found;
  });
  return [...repeated, ...each];
}

function matrixViolations({ matrix }: SpecManifest): readonly string[] {
  const violations: string[] = [];
  const { errorRate, latencyP95, complaints } = matrix;
  if (!(errorRate.p0 > errorRate.p1 && errorRate.p1 > errorRate.p2 && errorRate.p2 > errorRate.p3)) {
    violations.push('spec.matrix.errorRate: order the thresholds p0 > p1 > p2 > p3');
  }
  for (const [severity, text] of Object.entries(latencyP95)) {
    if (!LATENCY_BUCKETS_MS.some((bound) => bound === durationToMs(text))) {
      violations.push(
        `spec.matrix.latencyP95.${severity} ${text} is no bound of the latency histogram: use one of ${LATENCY_BUCKETS_MS.join(', ')} ms`,
      );
    }
  }
  if (
    !(
      durationToMs(latencyP95.p1) > durationToMs(latencyP95.p2) &&
      durationToMs(latencyP95.p2) > durationToMs(latencyP95.p3)
    )
  ) {
    violations.push('spec.matrix.latencyP95: order the thresholds p1 > p2 > p3');
  }
  if (complaints.p1 <= complaints.p2) violations.push('spec.matrix.complaints: set p1 greater than p2');
  return violations;
}
