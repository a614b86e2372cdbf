/** `kubectl authrollout approve`: makes the RolloutApproval that a rollout waits for. Called by commands.ts. */
import { type ApiError, isApiError } from '../clients/api-error.ts';
import { type ApprovalSpec, approvalVerb } from '../core/approval-schema.ts';
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
  const needed = status?.approvalNeeded;
  if (needed === undefined || status?.revision === undefined) {
    throw new CommandError(`${name} needs no approval: it is ${status?.phase ?? 'not seen by the operator yet'}`);
  }
  if (needed.role !== options.role) {
    throw new CommandError(
      `${name} needs an approval of ${needed.role}, not of ${options.role ?? 'nobody'}: say --as ${needed.role}`,
    );
  }
  // The apiserver stamps whole seconds: a fraction more would be longer than it allows.
  const expiresAt = new Date(Math.floor((nowMs + options.validForMs) / 1_000) * 1_000).toISOString();
  const spec: ApprovalSpec = {
    rolloutName: name,
    revision: status.revision,
    stepIndex: needed.stepIndex,
    role: needed.role,
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
