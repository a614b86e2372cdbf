/**
 * Reads the RolloutApprovals of a namespace while a rollout waits for one, and asks the apiserver whether a forged one would be refused.
 * Called by observe.ts; core/approval.ts decides what counts. Approvals only open the way up, so nothing here may fail a pass.
 *
 * @see docs/adr/0014-approvals-guarded-by-rbac.md
 */
import { z } from 'zod';
import { isApiError } from './clients/api-error.ts';
import type { Kubernetes } from './clients/kubernetes.ts';
import { type Approval, type ApprovalsView, isAbout, type Question } from './core/approval.ts';
import { approvalSpecSchema } from './core/approval-schema.ts';

export interface ApprovalsAsked {
  readonly kubernetes: Kubernetes;
  readonly namespace: string;
  readonly rolloutName: string;
  /** What is asked; never empty. */
  readonly questions: readonly [Question, ...Question[]];
  /** The operator is set to do without a guard. */
  readonly acceptUnguarded: boolean;
  readonly signal: AbortSignal;
}

/** All pages of the list together; an apiserver that is well needs milliseconds. */
const LIST_MS = 2_000;
const PROBE_MS = 2_000;
const PAGE_SIZE = '250';
/** The newest ones: what is older was made for a question that has been answered. */
const MOST_APPROVALS = 20;

const page = z.looseObject({
  metadata: z.looseObject({ continue: z.string().default('') }),
  items: z.array(z.unknown()).nullish(),
});
const approvalObject = z.looseObject({
  metadata: z.looseObject({
    name: z.string(),
    uid: z.string(),
    creationTimestamp: z.iso.datetime(),
    deletionTimestamp: z.undefined().optional(),
  }),
  spec: approvalSpecSchema,
});

/** @throws {ApiError} ERR_API_ABORTED only, when the pass was pre-empted */
export async function readApprovals(asked: ApprovalsAsked): Promise<ApprovalsView> {
  try {
    const approvals = await listApprovals(asked);
    if (asked.acceptUnguarded) return { kind: 'read', approvals, guard: 'waived' };
    const isAsked = approvals.some((approval) => asked.questions.some((question) => isAbout(approval, question)));
    return { kind: 'read', approvals, guard: isAsked ? await probeGuard(asked) : 'not-asked' };
  } catch (error) {
    if (error instanceof z.ZodError) return { kind: 'unknown', why: 'ERR_API_MALFORMED' };
    if (!isApiError(error) || error.code === 'ERR_API_ABORTED') throw error;
    return { kind: 'unknown', why: error.code };
  }
}

/** Oldest first. One that cannot be read, or is being deleted, is no approval. */
async function listApprovals({ kubernetes, namespace, rolloutName, signal }: ApprovalsAsked): Promise<Approval[]> {
  const giveUpAt = performance.now() + LIST_MS;
  const found: Approval[] = [];
  let token = '';
  do {
    const query = { limit: PAGE_SIZE, ...(token === '' ? {} : { continue: token }) };
    const deadlineMs = Math.max(1, Math.ceil(giveUpAt - performance.now()));
    const answer = page.parse(await kubernetes.call('listApprovals', { namespace, query, signal, deadlineMs }));
    found.push(...(answer.items ?? []).flatMap((item) => readApproval(item) ?? []));
    token = answer.metadata.continue;
  } while (token !== '');
  return found
    .filter((approval) => approval.rolloutName === rolloutName)
    .toSorted((left, right) => left.createdAtMs - right.createdAtMs || (left.uid < right.uid ? -1 : 1))
    .slice(-MOST_APPROVALS);
}

function readApproval(item: unknown): Approval | undefined {
  const { data } = approvalObject.safeParse(item);
  if (data === undefined) return undefined;
  const { metadata, spec } = data;
  const { expiresAt, ...rest } = spec;
  const times = { createdAtMs: Date.parse(metadata.creationTimestamp), expiresAtMs: Date.parse(expiresAt) };
  return { ...rest, ...times, name: metadata.name, uid: metadata.uid };
}

/** Nobody's name: no credentials make it, so a guard must refuse it from everybody. */
const NOBODY = 'latchkey.dev:nobody';
/** How admission refuses, policy and webhook alike; RBAC, quota and schema refuse in other words and prove nothing. */
const REFUSED_AS_FORGED = /denied (the )?request.*spec\.by/s;

/**
 * Offers an approval in nobody's name, as a dry run, which stores nothing. What is asked is behaviour: a policy without its binding, one
 * that only warns or leaves this namespace out is missing, and another product that refuses forgery is as good as ours.
 */
async function probeGuard({ kubernetes, namespace, rolloutName, questions, signal }: ApprovalsAsked) {
  const [{ role, revision, stepIndex }] = questions;
  const expiresAt = new Date(0).toISOString();
  const body = {
    apiVersion: 'latchkey.dev/v1alpha1',
    kind: 'RolloutApproval',
    metadata: { generateName: 'guard-probe-' },
    spec: { rolloutName, revision, stepIndex, role, by: NOBODY, reason: 'would this be refused?', expiresAt },
  };
  const query = { dryRun: 'All' };
  try {
    await kubernetes.call('dryRunApproval', { namespace, query, body, signal, deadlineMs: PROBE_MS });
    return 'missing';
  } catch (error) {
    if (isApiError(error) && error.status >= 400 && error.status < 500 && REFUSED_AS_FORGED.test(error.message))
      return 'stands';
    throw error;
  }
}
