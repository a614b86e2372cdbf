/**
 * Rules that hold because something is missing or the route has news for us. None of them can stand before weight 0:
 * decide.ts asks them after the severe verdicts.
 */

import type { RouteView } from './observation.ts';
import { REASONS } from './reason.ts';
import { canaryServiceOf, stableNameOf, stableServiceOf } from './revision.ts';
import { readRecord } from './route-record.ts';
import type { Draft, Scene } from './scene.ts';
import type { Spec } from './spec.ts';

/**
 * The process died between the route's write and the status: the status catches up before anything else is written. Should
 * somebody have raised the weight meanwhile, or lowered the ceiling, the same write is made again, word for word but for a weight
 * above the ceiling, so that nothing it says is lost.
 */
export function catchUp({ run, route, live, spec }: Scene): Draft | undefined {
  if (!run.isAheadOfStatus) return undefined;
  const record = readRecord(route?.write);
  const message = `the route has our write of ${run.writtenAt ?? 'unknown time'} (${run.weight ?? 0}%), the status had not: going on from there`;
  // While stable was never ready the target serves everything, and no ceiling is meant for that.
  const ceiling = run.phase === 'Initializing' ? 100 : spec.maxWeight;
  const weight = Math.min(record?.weight ?? 0, ceiling);
  if (record === undefined || (live ?? 0) <= weight) return { kind: 'hold', reason: 'Recovered', message };
  const { decision, reason, revision, stepIndex } = record;
  return {
    kind: decision,
    reason: REASONS.find((known) => known === reason) ?? 'Recovered',
    message,
    write: weight,
    revision,
    stepIndex,
  };
}

export function routeLost({ observation, spec }: Scene): Draft | undefined {
  return routeProblem(observation.route, spec);
}

/** Also asked before there is a rollout: kubectl authrollout plan. */
export function routeProblem(route: RouteView, spec: Spec): Draft | undefined {
  switch (route.kind) {
    case 'programmable':
      return undefined;
    case 'missing':
      return hold(
        'RouteNotFound',
        `HTTPRoute ${spec.httpRoute} does not exist: create it or correct spec.route.httpRoute`,
      );
    case 'rule-missing': {
      const names = route.ruleNames.length === 0 ? 'no named rule' : `rules ${route.ruleNames.join(', ')}`;
      return hold(
        'RouteInvalid',
        `HTTPRoute ${spec.httpRoute} has ${names}: name one ${spec.rule} or correct spec.route.rule`,
      );
    }
    case 'backends-missing': {
      const wanted = `${stableServiceOf(spec.targetName)} and ${canaryServiceOf(spec.targetName)}`;
      const names = route.backendNames.join(', ') || 'none';
      return hold(
        'RouteInvalid',
        `rule ${spec.rule} of HTTPRoute ${spec.httpRoute} has the backends ${names}: make them exactly ${wanted}`,
      );
    }
  }
}

/** Without a target there is nothing to send anybody to. */
export function targetLost({ observation, spec, live, run }: Scene): Draft | undefined {
  if (observation.target !== undefined) return undefined;
  const message = `Deployment ${spec.targetName} does not exist: create it or correct spec.targetRef.name`;
  const mayLower = run.phase === 'Progressing' || run.phase === 'Promoting';
  if (mayLower && (live ?? 0) > 0) return { kind: 'zero', reason: 'TargetNotFound', message, write: 0 };
  return hold('TargetNotFound', message);
}

export function stableLost({ observation, spec, run }: Scene): Draft | undefined {
  if (observation.stable !== undefined || run.phase === 'Promoting') return undefined;
  const message = `Deployment ${stableNameOf(spec.targetName)} is gone: set the target back to revision ${run.stableRevision ?? 'before'} and it is made again`;
  return hold('StableNotFound', message);
}

export function invalidSpec({ observation }: Scene): Draft | undefined {
  if (observation.spec.kind === 'valid') return undefined;
  return hold('InvalidSpec', observation.spec.violations.join('; ').slice(0, 1_000));
}

function hold(reason: Draft['reason'], message: string): Draft {
  return { kind: 'hold', reason, message };
}
