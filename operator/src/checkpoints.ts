/**
 * Asks the checkpoints before a step: queries, Jobs, people, all at once and two seconds at most. Called by observe.ts in a pass that would
 * do nothing else; core/checkpoints.ts makes answers of the facts. They only open the way up, so nothing here may fail a pass.
 *
 * @see docs/adr/0024-checkpoints.md
 */
import { z } from 'zod';
import { readApprovals } from './approvals.ts';
import { isApiError } from './clients/api-error.ts';
import type { Kubernetes } from './clients/kubernetes.ts';
import { askPrometheus } from './clients/prometheus.ts';
import { askedOf, type CheckpointFact, type CheckpointQuestion, type JobView } from './core/checkpoints.ts';
import type { Observation } from './core/observation.ts';
import { REVISION_LABEL } from './core/revision.ts';
import type { Checkpoint } from './core/spec.ts';

export interface CheckpointsAsked {
  readonly kubernetes: Kubernetes;
  readonly namespace: string;
  readonly rolloutName: string;
  readonly revision: string;
  readonly question: CheckpointQuestion;
  readonly prometheusAddress: string;
  /** The operator is set to do without a guard of approvals. */
  readonly acceptUnguarded: boolean;
  /** Epoch milliseconds of the cluster. */
  readonly now: () => number;
  readonly signal: AbortSignal;
}

/** Less than what the samples of the pass may be old when the weight rises. */
const DEADLINE_MS = 2_000;

/** @throws only when the signal fires: a severe verdict wants this pass out of the way */
export async function askCheckpoints(
  asked: CheckpointsAsked,
): Promise<Required<Pick<Observation, 'checkpoints' | 'approvals'>>> {
  const [facts, approvals] = await Promise.all([
    Promise.all(asked.question.checkpoints.map((checkpoint) => askOne(asked, checkpoint))),
    askPeople(asked),
  ]);
  return { checkpoints: facts.flat(), approvals };
}

async function askOne(asked: CheckpointsAsked, checkpoint: Checkpoint): Promise<readonly CheckpointFact[]> {
  const { prometheusAddress: address, signal, now } = asked;
  const { name } = checkpoint;
  switch (checkpoint.kind) {
    case 'query': {
      const sample = await askPrometheus({ address, query: checkpoint.promql, deadlineMs: DEADLINE_MS, signal });
      return [{ kind: 'query', name, asked: askedOf(checkpoint), sample, takenAtMs: now() }];
    }
    case 'job': {
      const job = await readJob(asked, checkpoint.job);
      return [{ kind: 'job', name, asked: askedOf(checkpoint), job, takenAtMs: now() }];
    }
    case 'person':
      return [];
  }
}

/** One list answers for all of them. */
async function askPeople(asked: CheckpointsAsked): Promise<Observation['approvals']> {
  const { question, revision, kubernetes, namespace, rolloutName, acceptUnguarded, signal } = asked;
  const { stepIndex, sinceMs, checkpoints } = question;
  const questions = checkpoints.flatMap((checkpoint) =>
    checkpoint.kind === 'person'
      ? [{ role: checkpoint.role, checkpoint: checkpoint.name, stepIndex, sinceMs, revision }]
      : [],
  );
  const [first, ...others] = questions;
  if (first === undefined) return undefined;
  const about = { namespace, rolloutName, questions: [first, ...others] } as const;
  return await readApprovals({ kubernetes, ...about, acceptUnguarded, signal });
}

const jobObject = z.looseObject({
  metadata: z.looseObject({
    uid: z.string(),
    creationTimestamp: z.iso.datetime(),
    deletionTimestamp: z.string().optional(),
    labels: z.record(z.string(), z.string()).optional(),
  }),
  status: z
    .looseObject({
      conditions: z
        .array(z.looseObject({ type: z.string(), status: z.string(), lastTransitionTime: z.iso.datetime() }))
        .nullish(),
    })
    .optional(),
});

async function readJob({ kubernetes, namespace, signal, now }: CheckpointsAsked, name: string): Promise<JobView> {
  try {
    const raw = await kubernetes.call('getJob', { namespace, name, signal, deadlineMs: DEADLINE_MS });
    return jobViewOf(raw, now());
  } catch (error) {
    if (!isApiError(error) || error.code === 'ERR_API_ABORTED') throw error;
    return error.code === 'ERR_API_NOT_FOUND' ? { kind: 'missing' } : { kind: 'unknown', why: error.code };
  }
}

/** One that is being deleted says nothing any more. The end is on the controller's clock: a future one is now. */
function jobViewOf(raw: unknown, nowMs: number): JobView {
  const { data } = jobObject.safeParse(raw);
  if (data === undefined) return { kind: 'unknown', why: 'ERR_API_MALFORMED' };
  const { metadata, status } = data;
  if (metadata.deletionTimestamp !== undefined) return { kind: 'missing' };
  const is = (type: string) => status?.conditions?.find((one) => one.type === type && one.status === 'True');
  const how = is('Failed') === undefined ? 'Complete' : 'Failed';
  const end = is(how);
  return {
    kind: 'found',
    uid: metadata.uid,
    revision: metadata.labels?.[REVISION_LABEL],
    createdAtMs: Date.parse(metadata.creationTimestamp),
    ended: end && { how, atMs: Math.min(nowMs, Date.parse(end.lastTransitionTime)) },
  };
}
