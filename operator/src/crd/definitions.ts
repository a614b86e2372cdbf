/** The CustomResourceDefinitions, AuthRollout, RolloutApproval, RolloutComplaint and DecisionLog, from their zod schemas. generate.ts writes them into files. */

import * as z from 'zod';
import { approvalSpecSchema } from '../core/approval-schema.ts';
import { complaintSpecSchema } from '../core/complaint-schema.ts';
import { decisionLogSchema } from '../core/decision-log-schema.ts';
import { specSchema } from '../core/spec-schema.ts';
import { statusSchema } from '../core/status.ts';
import { APPROVAL_RULES, type CelRule, COMPLAINT_RULES, ROLLOUT_RULES } from './rules.ts';
import { type Schema, toStructural } from './structural.ts';

type Column = { readonly name: string; readonly type: string; readonly jsonPath: string };

export type Definition = {
  /** In k8s/ and among the chart's templates. */
  readonly file: string;
  /** Below operator/src/core/. */
  readonly sources: string;
  readonly names: Schema & { readonly kind: string; readonly plural: string };
  readonly object: z.ZodType;
  readonly rules: Readonly<Record<string, readonly CelRule[]>>;
  readonly columns: readonly Column[];
  readonly hasStatus: boolean;
};

const text = z.string().optional();
const AGE: Column = { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' };

const ROLLOUT: Definition = {
  file: 'crd.yaml',
  sources: '{spec-schema,status}.ts',
  names: {
    kind: 'AuthRollout',
    listKind: 'AuthRolloutList',
    plural: 'authrollouts',
    singular: 'authrollout',
    shortNames: ['aroll'],
  },
  object: z
    .object({ apiVersion: text, kind: text, spec: specSchema, status: statusSchema.optional() })
    .describe('A rollout of one Deployment along a schedule of weights, taken back by itself when its checks fail.'),
  rules: ROLLOUT_RULES,
  columns: [
    { name: 'Phase', type: 'string', jsonPath: '.status.phase' },
    { name: 'Step', type: 'integer', jsonPath: '.status.stepIndex' },
    { name: 'Weight', type: 'integer', jsonPath: '.status.weight' },
    { name: 'Severity', type: 'string', jsonPath: '.status.severity' },
    { name: 'Reason', type: 'string', jsonPath: '.status.lastDecision.reason' },
    // A string: kubectl shows a date as an age, and a future one as <invalid>.
    { name: 'Next', type: 'string', jsonPath: '.status.nextCheckAt' },
    AGE,
  ],
  hasStatus: true,
};

const APPROVAL: Definition = {
  file: 'crd-rolloutapprovals.yaml',
  sources: 'approval-schema.ts',
  names: {
    kind: 'RolloutApproval',
    listKind: 'RolloutApprovalList',
    plural: 'rolloutapprovals',
    singular: 'rolloutapproval',
    shortNames: ['rappr'],
  },
  object: z
    .object({ apiVersion: text, kind: text, spec: approvalSpecSchema })
    .describe(
      'One person approves that the traffic of one AuthRollout may rise again, for one revision and step, once.',
    ),
  rules: APPROVAL_RULES,
  columns: [
    { name: 'Rollout', type: 'string', jsonPath: '.spec.rolloutName' },
    { name: 'Role', type: 'string', jsonPath: '.spec.role' },
    { name: 'Checkpoint', type: 'string', jsonPath: '.spec.checkpoint' },
    { name: 'Answer', type: 'string', jsonPath: '.spec.answer' },
    { name: 'By', type: 'string', jsonPath: '.spec.by' },
    { name: 'Revision', type: 'string', jsonPath: '.spec.revision' },
    { name: 'Step', type: 'integer', jsonPath: '.spec.stepIndex' },
    { name: 'Expires', type: 'string', jsonPath: '.spec.expiresAt' },
    AGE,
  ],
  hasStatus: false,
};

const COMPLAINT: Definition = {
  file: 'crd-rolloutcomplaints.yaml',
  sources: 'complaint-schema.ts',
  names: {
    kind: 'RolloutComplaint',
    listKind: 'RolloutComplaintList',
    plural: 'rolloutcomplaints',
    singular: 'rolloutcomplaint',
    shortNames: ['rcompl'],
  },
  object: z
    .object({ apiVersion: text, kind: text, spec: complaintSpecSchema })
    .describe('What users complain of about one revision of an AuthRollout, counted by its matrix.'),
  rules: COMPLAINT_RULES,
  columns: [
    { name: 'Rollout', type: 'string', jsonPath: '.spec.rolloutName' },
    { name: 'Count', type: 'integer', jsonPath: '.spec.count' },
    { name: 'By', type: 'string', jsonPath: '.spec.by' },
    { name: 'Revision', type: 'string', jsonPath: '.spec.revision' },
    { name: 'Reason', type: 'string', jsonPath: '.spec.reason' },
    AGE,
  ],
  hasStatus: false,
};

const LOG: Definition = {
  file: 'crd-decisionlogs.yaml',
  sources: 'decision-log-schema.ts',
  names: {
    kind: 'DecisionLog',
    listKind: 'DecisionLogList',
    plural: 'decisionlogs',
    singular: 'decisionlog',
    shortNames: ['dlog'],
  },
  object: z
    .object({ apiVersion: text, kind: text, ...decisionLogSchema.shape })
    .describe(
      'The newest decisions about one AuthRollout, each with its inputs, chained by hashes. Written by the operator.',
    ),
  rules: {},
  columns: [{ name: 'Dropped', type: 'integer', jsonPath: '.dropped.count' }, AGE],
  hasStatus: false,
};

export const DEFINITIONS: readonly Definition[] = [ROLLOUT, APPROVAL, COMPLAINT, LOG];

export function manifestOf(definition: Definition, annotations: Readonly<Record<string, string>>): Schema {
  const { names, columns, hasStatus } = definition;
  const hasAnnotations = Object.keys(annotations).length > 0;
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${names.plural}.latchkey.dev`, ...(hasAnnotations ? { annotations } : {}) },
    spec: {
      group: 'latchkey.dev',
      names,
      scope: 'Namespaced',
      versions: [
        {
          name: 'v1alpha1',
          served: true,
          storage: true,
          schema: { openAPIV3Schema: objectSchema(definition) },
          ...(hasStatus ? { subresources: { status: {} } } : {}),
          additionalPrinterColumns: columns,
        },
      ],
    },
  };
}

function objectSchema({ object, rules }: Definition): Schema {
  const json = z.toJSONSchema(object, { io: 'input', target: 'openapi-3.0', reused: 'inline' });
  const structural = toStructural(json, '', rules);
  return { ...structural, properties: { ...asSchema(structural['properties']), metadata: { type: 'object' } } };
}

function asSchema(value: unknown): object {
  return typeof value === 'object' && value !== null ? value : {};
}
