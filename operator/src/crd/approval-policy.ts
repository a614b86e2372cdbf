/**
 * The ValidatingAdmissionPolicies that guard RolloutApprovals and RolloutComplaints, and their bindings. generate.ts writes them into files;
 * approvals.ts notices when the first does not act. A complaint only takes traffic away, so nothing waits for the second.
 *
 * @see https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/
 * @see docs/adr/0014-approvals-guarded-by-rbac.md
 */

import { APPROVAL_LIMITS } from '../core/approval-schema.ts';
import type { Schema } from './structural.ts';

const HOURS = APPROVAL_LIMITS.validForMs / 3_600_000;

const AUTHOR = {
  expression: 'object.spec.by == request.userInfo.username',
  messageExpression: "'spec.by must be the name that the API server knows you by: ' + request.userInfo.username",
  reason: 'Forbidden',
};

/** The identity first: approvals.ts offers an approval in nobody's name and looks for `spec.by` in the refusal. */
const VALIDATIONS = [
  AUTHOR,
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

type Annotations = Readonly<Record<string, string>>;

/** A policy and its binding for each. */
export function admissionPolicies(annotations: Annotations): readonly Schema[] {
  return [
    ...policyFor('rolloutapprovals', VALIDATIONS, annotations),
    ...policyFor('rolloutcomplaints', [AUTHOR], annotations),
  ];
}

function policyFor(plural: string, validations: readonly object[], annotations: Annotations): readonly Schema[] {
  const name = `${plural}.latchkey.dev`;
  const hasAnnotations = Object.keys(annotations).length > 0;
  const metadata = { name, ...(hasAnnotations ? { annotations } : {}) };
  const apiVersion = 'admissionregistration.k8s.io/v1';
  const rule = {
    apiGroups: ['latchkey.dev'],
    apiVersions: ['*'],
    // The CRD itself refuses a changed spec.
    operations: ['CREATE'],
    resources: [plural],
  };
  return [
    {
      apiVersion,
      kind: 'ValidatingAdmissionPolicy',
      metadata,
      spec: { failurePolicy: 'Fail', matchConstraints: { resourceRules: [rule] }, validations },
    },
    {
      apiVersion,
      kind: 'ValidatingAdmissionPolicyBinding',
      metadata,
      spec: { policyName: name, validationActions: ['Deny'] },
    },
  ];
}
