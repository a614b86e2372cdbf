/** `kubectl authrollout complain`: makes a RolloutComplaint, which counts like the API's own complaints. Called by commands.ts. */
import { isApiError } from '../clients/api-error.ts';
import type { ComplaintSpec } from '../core/complaint-schema.ts';
import { msToDuration } from '../core/duration.ts';
import { type CommandDeps, CommandError, json, lines } from './command.ts';
import { EXIT } from './conclusion.ts';
import type { Rollout } from './rollouts.ts';

/** In these phases the new version has traffic, or may get it again. */
const ANSWERABLE: readonly string[] = ['Progressing', 'Promoting', 'Zeroed'];

/** @throws {CommandError} when no new version runs, or it is not for this user @throws {ApiError} */
export async function complain({ rollouts, options, namespace, terminal }: CommandDeps): Promise<number> {
  const rollout = await rollouts.get(namespace, options.name);
  const { status } = rollout;
  if (status?.revision === undefined || !ANSWERABLE.includes(status.phase ?? '')) {
    throw new CommandError(
      `${rollout.name} runs no new version (${status?.phase ?? 'not seen by the operator yet'}): there is nothing to take back`,
    );
  }
  const spec: ComplaintSpec = {
    rolloutName: rollout.name,
    revision: status.revision,
    by: await rollouts.whoAmI(),
    reason: options.reason ?? '',
    count: options.count,
  };
  try {
    await rollouts.complain(rollout, spec, options);
  } catch (error) {
    if (!isApiError(error, 'ERR_API_FORBIDDEN')) throw error;
    throw new CommandError(
      [
        `not allowed: ${error.message}`,
        `To complain, ${spec.by} needs the verb create on rolloutcomplaints.latchkey.dev. The operator's chart brings a ClusterRole with it:`,
        `  kubectl create rolebinding complain --namespace ${namespace} --clusterrole latchkey-operator-complain --user ${spec.by}`,
      ].join('\n'),
    );
  }
  if (options.output === 'json') json(terminal, spec);
  else lines(terminal, [described(rollout, spec, options.dryRun)]);
  return EXIT.done;
}

function described({ spec: settings }: Rollout, { revision, by, count }: ComplaintSpec, dryRun: boolean): string {
  const what = `${count} ${count === 1 ? 'complaint' : 'complaints'} about revision ${revision} (${by})`;
  const { complaints } = settings?.matrix ?? {};
  const limits =
    complaints === undefined
      ? ''
      : `: ${complaints.p2} within ${msToDuration(complaints.windowMs)} hold the rollout, ${complaints.p1} take its traffic away`;
  return `${dryRun ? 'would report' : 'reported'} ${what}${limits}`;
}
