/**
 * What the plugin asks of a cluster beside AuthRollouts, with its user's credentials: the objects around a rollout, a rehearsed apply,
 * rights, and services through the apiserver's proxy. Used by plan.ts and the files that it calls.
 */
import { z } from 'zod';
import { isApiError } from '../clients/api-error.ts';
import type { Transport } from '../clients/transport.ts';
import type { Manifest } from './manifest.ts';

/** People wait for it; longer than the operator's, since a laptop may be far away. */
const DEADLINE_MS = 15_000;

export interface Access {
  readonly namespace: string;
  readonly group: string;
  /** Plural, with the subresource after a slash. */
  readonly resource: string;
  readonly verb: string;
}

/** Why not, where it is not known whether. */
export type Answer = 'yes' | 'no' | { readonly unknown: string };

const review = z.looseObject({ status: z.looseObject({ allowed: z.boolean() }) });
const REVIEWS = '/apis/authorization.k8s.io/v1';

export class Cluster {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** @returns undefined when there is none. @throws {ApiError} */
  async get(path: string): Promise<unknown> {
    try {
      return await this.#transport.send({ method: 'GET', path, deadlineMs: DEADLINE_MS });
    } catch (error) {
      if (isApiError(error, 'ERR_API_NOT_FOUND')) return undefined;
      throw error;
    }
  }

  /** As `get`, but a path that is not there is an error that says so. @throws {ApiError} */
  proxy(path: string): Promise<unknown> {
    return this.#transport.send({ method: 'GET', path, deadlineMs: DEADLINE_MS });
  }

  /** What the apiserver would say of `kubectl apply`: schema, CEL, admission; nothing is written. @throws {ApiError} */
  async rehearse({ name, raw }: Manifest, namespace: string): Promise<void> {
    const query = new URLSearchParams({
      dryRun: 'All',
      force: 'true',
      fieldManager: 'kubectl-authrollout-plan',
      fieldValidation: 'Strict',
    });
    const place = `/apis/latchkey.dev/v1alpha1/namespaces/${encodeURIComponent(namespace)}/authrollouts`;
    await this.#transport.send({
      method: 'PATCH',
      path: `${place}/${encodeURIComponent(name)}?${query.toString()}`,
      contentType: 'application/apply-patch+yaml',
      body: raw,
      deadlineMs: DEADLINE_MS,
    });
  }

  /** May we? */
  mayI(access: Access): Promise<Answer> {
    return this.#review('selfsubjectaccessreviews', 'SelfSubjectAccessReview', {
      resourceAttributes: attributes(access),
    });
  }

  /** May this service account, `namespace/name`? Only who may create SubjectAccessReviews gets an answer. */
  may(account: string, access: Access): Promise<Answer> {
    const [namespace = '', name = ''] = account.split('/');
    return this.#review('subjectaccessreviews', 'SubjectAccessReview', {
      user: `system:serviceaccount:${namespace}:${name}`,
      groups: ['system:serviceaccounts', `system:serviceaccounts:${namespace}`, 'system:authenticated'],
      resourceAttributes: attributes(access),
    });
  }

  async #review(resource: string, kind: string, spec: object): Promise<Answer> {
    const body = { apiVersion: 'authorization.k8s.io/v1', kind, spec };
    try {
      const path = `${REVIEWS}/${resource}`;
      const answer = await this.#transport.send({ method: 'POST', path, body, deadlineMs: DEADLINE_MS });
      return review.parse(answer).status.allowed ? 'yes' : 'no';
    } catch (error) {
      if (isApiError(error)) return { unknown: error.message };
      throw error;
    }
  }
}

function attributes({ namespace, group, resource, verb }: Access): object {
  const [plural = '', subresource] = resource.split('/');
  return { namespace, group, resource: plural, verb, ...(subresource === undefined ? {} : { subresource }) };
}
