/**
 * A weight on the route that we did not write. The lower of the two stands, nobody is sent to the canary by accident, and
 * the status says who did it. Rule of decide.ts.
 */

import { isAsWritten, ownRuleNames } from './cohort-rules.ts';
import type { ProgrammableRoute } from './observation.ts';
import { isOurNotation, leastWeight, readRecord } from './route-record.ts';
import type { Draft, Scene } from './scene.ts';
import { stepIndexOf } from './schedule.ts';
import type { Phase } from './status.ts';

/** Phases without a canary: whatever a record claims, nobody belongs there. */
const RESTING: ReadonlySet<Phase> = new Set<Phase>(['Succeeded', 'Zeroed', 'RolledBack']);

export function drifted(scene: Scene): Draft | undefined {
  const { run, route, live, spec, nowMs } = scene;
  if (route === undefined || live === undefined) return undefined;
  // A status that lost its weight has no claim to any traffic.
  const ours = run.weight ?? 0;
  const isRulesOurs = isAsWritten(route, readRecord(route.write)?.cohort, ours);
  if (live === ours && isOurNotation(route) && isRulesOurs) return undefined;
  const kept = RESTING.has(run.phase) ? 0 : Math.floor(Math.min(leastWeight(route), ours));
  const manager = route.rulesManager?.name ?? 'unknown';
  const what = isRulesOurs ? 'set the canary' : `changed our cohort rules (${describeRules(route)}), the canary`;
  const stepIndex = Math.min(run.stepIndex, stepIndexOf(spec.schedule, kept));
  return {
    kind: kindFor(scene, kept),
    reason: 'Drifted',
    message: `${manager} ${what} to ${Math.round(live)}% where we had ${ours}%: keeping the lower, ${kept}%`,
    write: kept,
    stepIndex,
    run: {
      drift: {
        weight: Math.min(100, Math.round(live)),
        kept,
        manager: manager.slice(0, 256),
        at: route.rulesManager?.at ?? new Date(nowMs).toISOString(),
      },
    },
  };
}

function describeRules({ cohort }: ProgrammableRoute): string {
  const names = ownRuleNames(cohort);
  return names.length === 0 ? 'none is left' : `left: ${names.join(', ')}`;
}

/** Which of our words the correction is: it restarts a step, or it takes the tail of a promotion or a zero up again. */
function kindFor({ run }: Scene, kept: number): Draft['kind'] {
  switch (run.phase) {
    case 'Initializing':
      return 'promote';
    case 'Promoting':
      return kept === 0 ? 'promote' : 'reduce';
    case 'Progressing':
      return 'reduce';
    case 'Succeeded':
    case 'Zeroed':
    case 'RolledBack':
      return 'zero';
  }
}
