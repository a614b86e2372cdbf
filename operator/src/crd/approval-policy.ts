/**
 * The ValidatingAdmissionPolicy that guards RolloutApprovals, and its binding. generate.ts writes them into files; approvals.ts notices
 * when they do not act.
 *
 * @see https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/
 * @see docs/adr/0014-approvals-guarded-by-rbac.md
 */

import { APPROVAL_LIMITS } from '../core/approval-schema.ts';
import type { Schema } from './structural.ts';

const NAME = 'rolloutapprovals.latchkey.dev';
const HOURS = APPROVAL_LIMITS.validForMs / 3_600_000;

/** The identity first: approvals.ts offers an approval in nobody's name and looks for `spec.by` in the refusal. */
const VALIDATIONS = [
  {
    expression: 'object.spec.by == request.userInfo.username',
    messageExpression: "'spec.by must be the name that the API server knows you by: ' + request.userInfo.username",
    reason: 'Forbidden',
  },
  {
    expression:
      "authorizer.group('latchkey.dev').resource('authrollouts').namespace(request.namespace).name(object.spec.rolloutName)" +
      ".check('approve-' + object.spec.role).allowed()",
    messageExpression:
      "request.userInfo.username + ' may not approve as ' + object.spec.role + ': it takes the verb approve-' + object.spec.role" +
      " + ' on authrollouts.latchkey.dev ' + object.spec.rolloutName",
    reason: 'Forbidden',
  },
  {
    expression: `timestamp(object.spec.expiresAt) - timestamp(object.metadata.creationTimestamp) <= duration('${HOURS}h')`,
    message: `spec.expiresAt must be at most ${HOURS} hours away`,
    reason: 'Invalid',
  },
];

/** Both manifests. */
export function approvalPolicy(annotations: Readonly<Record<string, string>>): readonly Schema[] {
  const hasAnnotations = Object.keys(annotations).length > 0;
  const metadata = { name: NAME, ...(hasAnnotations ? { annotations } : {}) };
  const apiVersion = 'admissionregistration.k8s.io/v1';
  const rule = {
    apiGroups: ['latchkey.dev'],
    apiVersions: ['*'],
    // The CRD itself refuses a changed spec.
    operations: ['CREATE'],
    resources: ['rolloutapprovals'],
  };
  return [
    {
      apiVersion,
      kind: 'ValidatingAdmissionPolicy',
      metadata,
      spec: { failurePolicy: 'Fail', matchConstraints: { resourceRules: [rule] }, validations: VALIDATIONS },
    },
    {
      apiVersion,
      kind: 'ValidatingAdmissionPolicyBinding',
      metadata,
      spec: { policyName: NAME, validationActions: ['Deny'] },
    },
  ];
}
