/**
 * AuthRollouts as the plugin's user may read and change them: with the user's own credentials, so RBAC decides. Called by
 * commands.ts; the requests go through clients/transport.ts as the operator's do.
 */
import { z } from 'zod';
import type { Transport } from '../clients/transport.ts';
import type { ApprovalSpec } from '../core/approval-schema.ts';
import type { ComplaintSpec } from '../core/complaint-schema.ts';
import { parseSpec, type Spec } from '../core/spec.ts';
import { parseStatus, type Status } from '../core/status.ts';

/** One AuthRollout, and the object as the apiserver sent it. */
export interface Rollout {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  /** Moves with the spec, not with the status. */
  readonly generation: number;
  /** undefined where the manifest cannot be read; `violations` say why. */
  readonly spec: Spec | undefined;
  readonly violations: readonly string[];
  readonly status: Status | undefined;
  readonly raw: unknown;
}

export type PatchStep =
  | { readonly op: 'add' | 'replace' | 'test'; readonly path: string; readonly value: unknown }
  | { readonly op: 'remove'; readonly path: string };

const GROUP = '/apis/latchkey.dev/v1alpha1';
/** People wait for it; longer than the operator's, since a laptop may be far away. */
const DEADLINE_MS = 15_000;
const FIELD_MANAGER = 'kubectl-authrollout';

const object = z.looseObject({
  metadata: z.looseObject({ name: z.string(), namespace: z.string(), uid: z.string(), generation: z.number() }),
  spec: z.unknown().optional(),
  status: z.unknown().optional(),
});
const list = z.looseObject({ items: z.array(z.unknown()) });
const selfReview = z.looseObject({
  status: z.looseObject({ userInfo: z.looseObject({ username: z.string() }) }),
});

function rolloutOf(raw: unknown): Rollout {
  const { metadata, spec, status } = object.parse(raw);
  const reading = parseSpec(spec);
  return {
    namespace: metadata.namespace,
    name: metadata.name,
    uid: metadata.uid,
    generation: metadata.generation,
    spec: reading.kind === 'valid' ? reading.spec : reading.usable,
    violations: reading.kind === 'valid' ? [] : reading.violations,
    status: parseStatus(status),
    raw,
  };
}

function pathOf(namespace: string, name?: string, plural = 'authrollouts'): string {
  const scope = namespace === '' ? '' : `/namespaces/${encodeURIComponent(namespace)}`;
  return `${GROUP}${scope}/${plural}${name === undefined ? '' : `/${encodeURIComponent(name)}`}`;
}

function writeQuery(dryRun: boolean): string {
  return new URLSearchParams({ fieldManager: FIELD_MANAGER, ...(dryRun ? { dryRun: 'All' } : {}) }).toString();
}

export class Rollouts {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** An empty namespace means all. @throws {ApiError} */
  async list(namespace: string): Promise<readonly Rollout[]> {
    const answer = await this.#transport.send({ method: 'GET', path: pathOf(namespace), deadlineMs: DEADLINE_MS });
    return list.parse(answer).items.map(rolloutOf);
  }

  /** @throws {ApiError} */
  async get(namespace: string, name: string): Promise<Rollout> {
    const path = pathOf(namespace, name);
    return rolloutOf(await this.#transport.send({ method: 'GET', path, deadlineMs: DEADLINE_MS }));
  }

  /** The DecisionLog of a rollout, as the apiserver has it. @throws {ApiError} */
  async decisionLog(namespace: string, name: string): Promise<unknown> {
    const path = `${GROUP}/namespaces/${encodeURIComponent(namespace)}/decisionlogs/${encodeURIComponent(name)}`;
    return await this.#transport.send({ method: 'GET', path, deadlineMs: DEADLINE_MS });
  }

  /** All of it or nothing; a failed `test` is ERR_API_CONFLICT. @throws {ApiError} */
  async patch(
    rollout: Rollout,
    steps: readonly PatchStep[],
    { dryRun }: { readonly dryRun: boolean },
  ): Promise<Rollout> {
    const answer = await this.#transport.send({
      method: 'PATCH',
      path: `${pathOf(rollout.namespace, rollout.name)}?${writeQuery(dryRun)}`,
      contentType: 'application/json-patch+json',
      body: steps,
      deadlineMs: DEADLINE_MS,
    });
    return rolloutOf(answer);
  }

  /** Makes a RolloutApproval. @throws {ApiError} */
  async approve(rollout: Rollout, spec: ApprovalSpec, how: { readonly dryRun: boolean }): Promise<void> {
    await this.#makeFor(rollout, { kind: 'RolloutApproval', plural: 'rolloutapprovals', spec }, how);
  }

  /** Makes a RolloutComplaint. @throws {ApiError} */
  async complain(rollout: Rollout, spec: ComplaintSpec, how: { readonly dryRun: boolean }): Promise<void> {
    await this.#makeFor(rollout, { kind: 'RolloutComplaint', plural: 'rolloutcomplaints', spec }, how);
  }

  /** An object that goes when its rollout goes. */
  async #makeFor(
    { namespace, name, uid }: Rollout,
    made: { readonly kind: string; readonly plural: string; readonly spec: unknown },
    { dryRun }: { readonly dryRun: boolean },
  ): Promise<void> {
    const [apiVersion, kind] = ['latchkey.dev/v1alpha1', 'AuthRollout'];
    const metadata = { generateName: `${name.slice(0, 200)}-`, ownerReferences: [{ apiVersion, kind, name, uid }] };
    await this.#transport.send({
      method: 'POST',
      path: `${pathOf(namespace, undefined, made.plural)}?${writeQuery(dryRun)}`,
      body: { apiVersion, kind: made.kind, metadata, spec: made.spec },
      deadlineMs: DEADLINE_MS,
    });
  }

  /** Who the apiserver says that we are. @throws {ApiError} */
  async whoAmI(): Promise<string> {
    const review = { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' };
    const path = '/apis/authentication.k8s.io/v1/selfsubjectreviews';
    const answer = await this.#transport.send({ method: 'POST', path, body: review, deadlineMs: DEADLINE_MS });
    return selfReview.parse(answer).status.userInfo.username;
  }
}
