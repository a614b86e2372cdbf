/**
 * Writes the CustomResourceDefinitions from the zod schemas, k8s/crd*.yaml for kubectl users and the chart's templates, and the
 * decision matrix as a page.
 * `node operator/src/crd/generate.ts` writes, `--check` fails when a file is stale.
 */

import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import * as z from 'zod';
import { decisionLogSchema } from '../core/decision-log-schema.ts';
import { specSchema } from '../core/spec-schema.ts';
import { statusSchema } from '../core/status.ts';
import { decisionTable } from './decision-table.ts';
import { RULES } from './rules.ts';
import { type Schema, toStructural } from './structural.ts';

type Annotations = Readonly<Record<string, string>>;

interface Definition {
  readonly file: string;
  readonly sources: string;
  readonly make: (annotations: Annotations) => Schema;
}

const DEFINITIONS: readonly Definition[] = [
  { file: 'crd.yaml', sources: '{spec-schema,status}.ts', make: customResourceDefinition },
  { file: 'crd-decisionlogs.yaml', sources: 'decision-log-schema.ts', make: decisionLogDefinition },
];

const FOLDERS: readonly { readonly path: string; readonly annotations: Annotations }[] = [
  { path: 'k8s', annotations: {} },
  {
    path: 'charts/latchkey-operator/templates',
    // A template, because Helm never upgrades a crds/ folder; kept on uninstall, because it takes every AuthRollout along.
    annotations: { 'helm.sh/resource-policy': 'keep' },
  },
];

const COLUMNS = [
  { name: 'Phase', type: 'string', jsonPath: '.status.phase' },
  { name: 'Step', type: 'integer', jsonPath: '.status.stepIndex' },
  { name: 'Weight', type: 'integer', jsonPath: '.status.weight' },
  { name: 'Severity', type: 'string', jsonPath: '.status.severity' },
  { name: 'Reason', type: 'string', jsonPath: '.status.lastDecision.reason' },
  // A string: kubectl shows a date as an age, and a future one as <invalid>.
  { name: 'Next', type: 'string', jsonPath: '.status.nextCheckAt' },
  { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
] as const;

/** The manifest of the CRD. */
export function customResourceDefinition(annotations: Annotations): Schema {
  const names = { kind: 'AuthRollout', listKind: 'AuthRolloutList', plural: 'authrollouts', singular: 'authrollout' };
  const hasAnnotations = Object.keys(annotations).length > 0;
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: 'authrollouts.latchkey.dev', ...(hasAnnotations ? { annotations } : {}) },
    spec: {
      group: 'latchkey.dev',
      names: { ...names, shortNames: ['aroll'] },
      scope: 'Namespaced',
      versions: [
        {
          name: 'v1alpha1',
          served: true,
          storage: true,
          schema: { openAPIV3Schema: objectSchema() },
          subresources: { status: {} },
          additionalPrinterColumns: COLUMNS,
        },
      ],
    },
  };
}

const LOG_COLUMNS = [
  { name: 'Dropped', type: 'integer', jsonPath: '.dropped.count' },
  { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
] as const;

function decisionLogDefinition(annotations: Annotations): Schema {
  const names = { kind: 'DecisionLog', listKind: 'DecisionLogList', plural: 'decisionlogs', singular: 'decisionlog' };
  const hasAnnotations = Object.keys(annotations).length > 0;
  const version = { name: 'v1alpha1', served: true, storage: true, schema: { openAPIV3Schema: logSchema() } };
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: 'decisionlogs.latchkey.dev', ...(hasAnnotations ? { annotations } : {}) },
    spec: {
      group: 'latchkey.dev',
      names: { ...names, shortNames: ['dlog'] },
      scope: 'Namespaced',
      versions: [{ ...version, additionalPrinterColumns: LOG_COLUMNS }],
    },
  };
}

function logSchema(): Schema {
  const object = z
    .object({ apiVersion: z.string().optional(), kind: z.string().optional(), ...decisionLogSchema.shape })
    .describe(
      'The newest decisions about one AuthRollout, each with its inputs, chained by hashes. Written by the operator.',
    );
  return structural(object, {});
}

function objectSchema(): Schema {
  const object = z
    .object({
      apiVersion: z.string().optional(),
      kind: z.string().optional(),
      spec: specSchema,
      status: statusSchema.optional(),
    })
    .describe('A rollout of one Deployment along a schedule of weights, taken back by itself when its checks fail.');
  return structural(object, RULES);
}

function structural(object: z.ZodType, rules: Parameters<typeof toStructural>[2]): Schema {
  const json = z.toJSONSchema(object, { io: 'input', target: 'openapi-3.0', reused: 'inline' });
  const schema = toStructural(json, '', rules);
  return { ...schema, properties: { ...asSchema(schema['properties']), metadata: { type: 'object' } } };
}

function asSchema(value: unknown): object {
  return typeof value === 'object' && value !== null ? value : {};
}

/** The text of each generated file, by its path in the repository. */
export function generatedFiles(): ReadonlyMap<string, string> {
  const text = ({ sources, make }: Definition, annotations: Annotations): string =>
    `# Generated by operator/src/crd/generate.ts from operator/src/core/${sources}: change those.
${stringify(make(annotations), { lineWidth: 120, aliasDuplicateObjects: false })}`;
  return new Map([
    ...FOLDERS.flatMap(({ path, annotations }) =>
      DEFINITIONS.map((definition): [string, string] => [`${path}/${definition.file}`, text(definition, annotations)]),
    ),
    ['docs/decision-table.md', decisionTable()] as const,
  ]);
}

function main(): void {
  const isCheck = process.argv.includes('--check');
  for (const [path, text] of generatedFiles()) {
    const file = fileURLToPath(new URL(`../../../${path}`, import.meta.url));
    if (!isCheck) writeFileSync(file, text);
    else if (readIfPresent(file) !== text) {
      console.error(`${path} is stale: run node operator/src/crd/generate.ts and commit what it writes`);
      process.exitCode = 1;
    }
  }
}

function readIfPresent(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined; // Missing is as stale as different.
  }
}

if (import.meta.main) main();
