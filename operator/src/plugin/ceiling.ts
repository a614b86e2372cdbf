/**
 * abort, set-weight and retry: a person's ceiling for the weight, spec.maxWeight. The first two only lower, so the operator obeys them at
 * once; retry takes the ceiling away and says what else is in the way. Called by commands.ts.
 */
import type { Status } from '../core/status.ts';
import { type CommandDeps, CommandError, json, lines } from './command.ts';
import { EXIT, exitCodeOf, waitsFor } from './conclusion.ts';
import type { PatchStep, Rollout } from './rollouts.ts';

/** Weight 0 for as long as nobody takes it back. Nothing that changed meanwhile makes a weight of 0 wrong, so only the object is tested. */
export async function abort(deps: CommandDeps): Promise<number> {
  const { rollouts, options, namespace, terminal } = deps;
  const rollout = await rollouts.get(namespace, options.name);
  const { name, spec, status } = rollout;
  refuseWithoutCanary(rollout);
  const isAborted = spec?.maxWeight === 0;
  const steps: readonly PatchStep[] = [
    { op: 'test', path: '/metadata/uid', value: rollout.uid },
    { op: 'add', path: '/spec/maxWeight', value: 0 },
  ];
  const changed = await rollouts.patch(rollout, steps, options);
  const undo = `pods are kept; kubectl authrollout retry ${name} starts the first step again`;
  if (options.output === 'json') json(terminal, changed.raw);
  else if (isAborted) lines(terminal, [`${name} is already aborted: ${undo}`]);
  else lines(terminal, [`${name} ${being(deps, 'aborted')}: from ${status?.weight ?? 0} % to 0 %, ${undo}`]);
  return EXIT.done;
}

/** Down to exactly this weight and never above it. The patch holds only for the manifest and the revision that were read. */
export async function setWeight(deps: CommandDeps): Promise<number> {
  const { rollouts, options, namespace, terminal } = deps;
  const rollout = await rollouts.get(namespace, options.name);
  const { name, status } = rollout;
  const wanted = options.weight ?? 0;
  refuseWithoutCanary(rollout);
  refuseRise(rollout, wanted);
  const changed = await rollouts.patch(
    rollout,
    [...asRead(rollout), { op: 'add', path: '/spec/maxWeight', value: wanted }],
    options,
  );
  const what = `${being(deps, 'lowered')} from ${status?.weight ?? 0} % to ${wanted} %`;
  if (options.output === 'json') json(terminal, changed.raw);
  else lines(terminal, [`${name} ${what} and stays there: kubectl authrollout retry ${name} lets it go on`]);
  return EXIT.done;
}

/** Takes the ceiling away. The exit code is that of status, since something else may still be in the way. */
export async function retry(deps: CommandDeps): Promise<number> {
  const { rollouts, options, namespace, terminal } = deps;
  const rollout = await rollouts.get(namespace, options.name);
  const { name, spec } = rollout;
  if (spec === undefined)
    throw new CommandError(`correct the manifest of ${name} first: ${rollout.violations.join('; ')}`);
  const hasCeiling = spec.maxWeight < 100;
  const changed = hasCeiling
    ? await rollouts.patch(rollout, [...asRead(rollout), { op: 'remove', path: '/spec/maxWeight' }], options)
    : rollout;
  const done = hasCeiling ? `the ceiling of ${spec.maxWeight} % ${being(deps, 'removed')}` : 'it has no ceiling';
  if (options.output === 'json') json(terminal, changed.raw);
  else lines(terminal, [`${name}: ${done}; ${whatFollows(changed, hasCeiling)}`]);
  return exitCodeOf(changed);
}

function being({ options }: CommandDeps, done: string): string {
  return `${options.dryRun ? 'would be' : 'is'} ${done}`;
}

/** generation moves with the spec only: the operator writes the status all the time, and that is no reason to refuse. */
function asRead({ uid, generation, status }: Rollout): readonly PatchStep[] {
  return [
    { op: 'test', path: '/metadata/uid', value: uid },
    { op: 'test', path: '/metadata/generation', value: generation },
    ...(status?.revision === undefined
      ? []
      : [{ op: 'test', path: '/status/revision', value: status.revision } as const]),
  ];
}

const WITHOUT_CANARY: Readonly<Record<Exclude<Status['phase'], undefined>, string | undefined>> = {
  Initializing: 'it is being adopted and its own pods serve until the stable copy is ready: wait for phase Succeeded',
  Progressing: undefined,
  Promoting: undefined,
  Succeeded: 'stable serves its revision: go back with helm upgrade to the old values, or kubectl rollout undo',
  Zeroed: 'a P1 has taken the weight to 0 already',
  RolledBack: 'a P0 has taken the weight to 0 already',
};

/** @throws {CommandError} when there is no canary that could be lowered */
function refuseWithoutCanary({ name, status }: Rollout): void {
  const phase = status?.phase;
  if (phase === undefined) throw new CommandError(`the operator has not seen ${name} yet: is it running?`);
  const isMoved = phase === 'Promoting' && status?.weight === 0;
  const why = isMoved ? WITHOUT_CANARY.Succeeded : WITHOUT_CANARY[phase];
  if (why !== undefined) throw new CommandError(`${name} has no canary to lower (${phase}): ${why}`);
}

/** @throws {CommandError} when the number would raise the weight or the ceiling, or change nothing */
function refuseRise({ name, spec, status }: Rollout, wanted: number): void {
  const weight = status?.weight ?? 0;
  const ceiling = spec?.maxWeight ?? 100;
  if (wanted > ceiling) {
    throw new CommandError(
      `${name} has a ceiling of ${ceiling} % and ${wanted} % is above it: kubectl authrollout retry ${name} takes it away`,
    );
  }
  if (wanted > weight) {
    throw new CommandError(
      `${name} has ${weight} % and set-weight only lowers: the schedule raises it, step by step, while its checks pass`,
    );
  }
  if (wanted === 100) throw new CommandError(`${name} has 100 %: name a weight below it`);
}

function whatFollows(rollout: Rollout, hadCeiling: boolean): string {
  const { status } = rollout;
  const phase = status?.phase ?? 'not seen by the operator yet';
  if (phase === 'RolledBack') {
    return `a P0 has ended revision ${status?.revision ?? ''}, which never gets traffic again: apply another revision`;
  }
  const waiting = waitsFor(rollout);
  if (waiting !== undefined) return `it waits for ${waiting}`;
  if (phase !== 'Progressing') return `nothing to retry, it is ${phase}`;
  const weight = status?.weight ?? 0;
  if (!hadCeiling) return `nothing to retry, it is Progressing at ${weight} %`;
  if (weight === 0) return 'it starts at the first step';
  const isLowered = status?.loweredTo !== undefined;
  return `it goes on from ${weight} %, ${isLowered ? 'with the whole hold of the step' : 'after its next passing check'}`;
}
