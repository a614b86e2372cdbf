/** Why a planned rollout would not get through, each as a sentence that says what to do. Pure; called by plan.ts. */
import { routeProblem } from '../core/blockers.ts';
import { msToDuration } from '../core/duration.ts';
import type { DeploymentView, RouteView } from '../core/observation.ts';
import { stableNameOf } from '../core/revision.ts';
import type { Spec } from '../core/spec.ts';
import type { StepForecast } from './forecast.ts';
import { type Figures, RATE_WINDOW_MS } from './prometheus.ts';
import type { Rights } from './rights.ts';

export interface Found {
  readonly spec: Spec;
  readonly namespace: string;
  readonly route: RouteView;
  readonly target: DeploymentView | undefined;
  readonly stable: DeploymentView | undefined;
  readonly steps: readonly StepForecast[];
  readonly figures: Figures;
  readonly rights: Rights;
}

export function stallsOf(found: Found): readonly string[] {
  return [
    ...objectStalls(found),
    ...wishes(found.spec),
    ...trafficStalls(found),
    ...blindness(found),
    ...unanswered(found),
    ...lacking(found),
  ];
}

function objectStalls({ spec, route, target, stable }: Found): readonly string[] {
  const problem = routeProblem(route, spec);
  const isForeign = stable?.revision === '';
  return [
    ...(target === undefined
      ? [`Deployment ${spec.targetName} does not exist: create it or correct spec.targetRef.name`]
      : []),
    ...(problem === undefined ? [] : [problem.message]),
    ...(isForeign
      ? [
          `Deployment ${stableNameOf(spec.targetName)} is not the operator's (no label latchkey.dev/revision): delete or rename it`,
        ]
      : []),
  ];
}

function wishes({ paused, maxWeight, schedule }: Spec): readonly string[] {
  const held = schedule.findIndex(({ weight }) => weight > maxWeight);
  return [
    ...(paused ? ['spec.paused is true: no step is entered before it is false'] : []),
    ...(held === -1
      ? []
      : [`spec.maxWeight is ${maxWeight}: step ${held + 1} (${schedule[held]?.weight} %) is never entered`]),
  ];
}

/** The window of a check never grows beyond five minutes: who has too few requests in them, waits for ever. */
function trafficStalls({ spec, steps }: Found): readonly string[] {
  const { minRequests } = spec.matrix;
  return steps.flatMap(({ index, weight, windowRequests }) => {
    if (windowRequests === undefined || windowRequests >= minRequests) return [];
    return [
      `step ${index + 1} (${weight} %) gets about ${Math.floor(windowRequests)} requests in ${msToDuration(RATE_WINDOW_MS)}, and matrix.minRequests is ${minRequests}: it would hold with TooLittleTraffic; give it more weight or accept less evidence`,
    ];
  });
}

/** Of a Deployment without a stable copy nobody can have the copy's logins, and of one without pods nobody has figures. */
function blindness({ figures, target, stable }: Found): readonly string[] {
  const hasPods = (target?.currentReplicas ?? 0) > 0 || (stable?.currentReplicas ?? 0) > 0;
  const missing = figures.queries.filter(
    ({ isAnswer, value, name }) => isAnswer && value === undefined && !name.startsWith('stable'),
  );
  if (!hasPods || missing.length === 0) return [];
  const reasons = [...new Set(missing.map(({ why }) => why ?? 'Unknown'))].join('; ');
  const names = missing.map(({ name }) => name).join(', ');
  return [
    `no figure for ${names} of the pods of ${figures.deployment} (${reasons}): the checks would be blind; correct spec.metrics.prometheus.address, or have Prometheus scrape the pods`,
  ];
}

/** A checkpoint's query is the manifest's own, so no pod has to be there for it to be answered. */
function unanswered({ figures }: Found): readonly string[] {
  return figures.checkpoints.flatMap(({ name, isAnswer, value, why = 'Unknown' }) =>
    isAnswer && value === undefined
      ? [
          `the query of checkpoint ${name} gives no number (${why}): its step would hold with CheckpointUnknown; correct its promql`,
        ]
      : [],
  );
}

function lacking({ rights, namespace }: Found): readonly string[] {
  const { user, operator } = rights;
  return [
    ...(user.length === 0
      ? []
      : [`you may not ${user.join(', ')} authrollouts.latchkey.dev in ${namespace}: ask for the role edit`]),
    ...(operator.kind === 'unknown' || operator.missing.length === 0
      ? []
      : [
          `the operator (${operator.account}) may not ${operator.missing.join(', ')} in ${namespace}: install charts/latchkey-operator for this namespace, or name its service account with --operator`,
        ]),
  ];
}
