/** `kubectl authrollout approve` and `refuse`: make the RolloutApproval that a rollout waits for. Called by commands.ts. */
import { type ApiError, isApiError } from '../clients/api-error.ts';
import { type ApprovalAnswer, type ApprovalSpec, approvalVerb } from '../core/approval-schema.ts';
import { CommandError } from './command.ts';
import type { Options } from './options.ts';
import type { Rollout, Rollouts } from './rollouts.ts';

export interface Approving {
  readonly rollouts: Rollouts;
  readonly rollout: Rollout;
  readonly options: Options;
  readonly nowMs: number;
}

/**
 * Bound to the revision and the step that were read: should either have changed meanwhile, it opens nothing. Who approves is what the
 * apiserver says of our credentials, and the policy lets no other name through.
 * @throws {CommandError} when there is nothing to approve, or it is not for this user @throws {ApiError}
 */
export async function makeApproval({ rollouts, rollout, options, nowMs }: Approving): Promise<ApprovalSpec> {
  const { name, status } = rollout;
  const needed = neededOf(rollout, options);
  const what = options.checkpoint === undefined ? name : `${options.checkpoint} of ${name}`;
  if (status?.revision === undefined) throw new CommandError(`${name} is not seen by the operator yet`);
  if (needed.role !== options.role) {
    throw new CommandError(
      `${what} needs an approval of ${needed.role}, not of ${options.role ?? 'nobody'}: say --as ${needed.role}`,
    );
  }
  // The apiserver stamps whole seconds: a fraction more would be longer than it allows.
  const expiresAt = new Date(Math.floor((nowMs + options.validForMs) / 1_000) * 1_000).toISOString();
  const spec: ApprovalSpec = {
    rolloutName: name,
    revision: status.revision,
    stepIndex: needed.stepIndex,
    role: needed.role,
    ...(options.checkpoint === undefined ? {} : { checkpoint: options.checkpoint, answer: answerOf(options) }),
    by: await rollouts.whoAmI(),
    reason: options.reason ?? '',
    expiresAt,
  };
  try {
    await rollouts.approve(rollout, spec, options);
  } catch (error) {
    if (isApiError(error, 'ERR_API_FORBIDDEN')) throw new CommandError(notAllowed(error, rollout, spec));
    throw error;
  }
  return spec;
}

type Needed = Pick<ApprovalSpec, 'role' | 'stepIndex'>;

/** What status asks for: the way up after a P1 or P2, or a checkpoint by its name. @throws {CommandError} when it asks for nothing such */
function neededOf({ name, spec, status }: Rollout, { checkpoint }: Options): Needed {
  const asked = status?.checkpoints;
  const people = spec?.schedule[asked?.stepIndex ?? -1]?.checkpoints?.filter((one) => one.kind === 'person') ?? [];
  const names = people.map((one) => one.name).join(', ');
  const phase = status?.phase ?? 'not seen by the operator yet';
  if (checkpoint === undefined) {
    if (status?.approvalNeeded !== undefined) return status.approvalNeeded;
    const hint = names === '' ? '' : `; a checkpoint waits for a word: say --checkpoint ${names}`;
    throw new CommandError(`${name} needs no approval: it is ${phase}${hint}`);
  }
  const person = people.find((one) => one.name === checkpoint);
  if (person !== undefined && asked !== undefined) return { role: person.role, stepIndex: asked.stepIndex };
  const others = names === '' ? `no person is asked now (${phase})` : `asked is ${names}`;
  throw new CommandError(`${name} asks nobody for the checkpoint ${checkpoint}: ${others}`);
}

function answerOf({ command }: Options): ApprovalAnswer {
  return command === 'refuse' ? 'no' : 'yes';
}

/** Which right is missing, and the line with which an administrator gives it. */
function notAllowed({ message }: ApiError, { namespace, name }: Rollout, { role, by }: ApprovalSpec): string {
  return [
    `not allowed: ${message}`,
    `To approve as ${role}, ${by} needs the verbs create on rolloutapprovals.latchkey.dev and ${approvalVerb(role)} on`,
    `authrollouts.latchkey.dev ${name}. The operator's chart brings a ClusterRole with both for an administrator to bind:`,
    `  kubectl create rolebinding ${approvalVerb(role)} --namespace ${namespace} --clusterrole latchkey-operator-${approvalVerb(role)} --user ${by}`,
    `and kubectl auth can-i ${approvalVerb(role)} authrollouts.latchkey.dev/${name} --namespace ${namespace} says whether it is there`,
  ].join('\n');
}
