// What must never happen to a route's weight, checked on a recording (k8s/demo/record.ts). Called by every end-to-end test
// when it ends. Pure, so that the checker itself is tested (test/unit/support/rollout.test.ts).
import { z } from 'zod';
import type { WeightSeen } from '../../k8s/demo/record.ts';

const writeRecord = z.object({
  weight: z.number(),
  revision: z.string(),
  stepIndex: z.number(),
  decision: z.string(),
  reason: z.string(),
});

type WriteRecord = z.infer<typeof writeRecord>;

export interface Watched {
  /** Scheduled weights, in order. */
  readonly schedule: readonly number[];
  /** Weights that the test itself put on the route by hand. */
  readonly edited?: readonly number[];
}

/**
 * Sentences about rises that are not allowed: a rise is a write of the operator, to the weight of its step, at most one
 * step beyond the furthest of that revision, and never for a revision that a P0 has ended. Empty when all is well.
 */
export function forbiddenRises(weights: readonly WeightSeen[], watched: Watched): string[] {
  const problems: string[] = [];
  const furthestStep = new Map<string, number>();
  const condemned = new Set<string>();
  for (const [index, seen] of weights.entries()) {
    const before = weights[index - 1];
    const isWrite = before?.write !== seen.write;
    const write = isWrite ? parseWrite(seen.write) : undefined;
    if (before !== undefined && seen.weight > before.weight) {
      const what = `at ${new Date(seen.atMs).toISOString()} the weight rose from ${before.weight} to ${seen.weight}`;
      problems.push(...problemsOfRise({ what, seen, write, watched, furthestStep, condemned }));
    }
    if (write === undefined) continue;
    if (write.decision === 'rollback') condemned.add(write.revision);
    furthestStep.set(write.revision, Math.max(furthestStep.get(write.revision) ?? -1, write.stepIndex));
  }
  return problems;
}

interface Rise {
  readonly what: string;
  readonly seen: WeightSeen;
  readonly write: WriteRecord | undefined;
  readonly watched: Watched;
  readonly furthestStep: ReadonlyMap<string, number>;
  readonly condemned: ReadonlySet<string>;
}

function problemsOfRise({ what, seen, write, watched, furthestStep, condemned }: Rise): string[] {
  if (write === undefined) {
    return watched.edited?.includes(seen.weight) === true ? [] : [`${what} without a write of the operator`];
  }
  const scheduled = watched.schedule[write.stepIndex];
  const furthest = furthestStep.get(write.revision) ?? -1;
  const problems: string[] = [];
  if (seen.weight !== scheduled) problems.push(`${what}, but step ${write.stepIndex} has ${scheduled ?? 'no weight'}`);
  if (write.stepIndex > furthest + 1) problems.push(`${what}, leaving out a step after step ${furthest}`);
  if (condemned.has(write.revision)) problems.push(`${what} for revision ${write.revision}, which a P0 has ended`);
  return problems;
}

function parseWrite(text: string): WriteRecord | undefined {
  try {
    return writeRecord.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}
