/**
 * Runs the real Helm on the charts and reads what it renders. Used by the chart tests of this folder and of
 * test/integration/charts; the objects go to their expectations as plain JSON.
 */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parse, parseAllDocuments } from 'yaml';
import { z } from 'zod';
import { partsFor } from '../../../k8s/local/parts.ts';

export type Values = Readonly<Record<string, unknown>>;
export type Chart = 'latchkey' | 'latchkey-operator';

export const chartFolder = (chart: Chart): string =>
  fileURLToPath(new URL(`../../../charts/${chart}`, import.meta.url));

/** The values of charts/latchkey/examples. */
export const exampleValues = (environment: 'development' | 'staging' | 'production'): Values =>
  z
    .record(z.string(), z.unknown())
    .parse(parse(readFileSync(`${chartFolder('latchkey')}/examples/${environment}.yaml`, 'utf8')));

const labels = z.record(z.string(), z.string()).default({});
const objectShape = z.looseObject({
  apiVersion: z.string(),
  kind: z.string(),
  metadata: z.looseObject({ name: z.string(), namespace: z.string().optional(), labels, annotations: labels }),
  spec: z.unknown().optional(),
});
export type KubernetesObject = Readonly<z.infer<typeof objectShape>>;

export interface HelmAnswer {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const DEADLINE_MS = 60_000;

/** Runs helm, with values on its standard input if there are any; a failure is an answer, not an exception. */
export async function helm(args: readonly string[], values?: Values, kubeconfig = '/nowhere'): Promise<HelmAnswer> {
  const parts = await partsFor(['helm']);
  const environment = { ...process.env, KUBECONFIG: kubeconfig };
  return await new Promise((resolve) => {
    const options = { env: environment, timeout: DEADLINE_MS, maxBuffer: 16 * 1024 * 1024 };
    const child = execFile(
      parts.helm,
      [...args, ...(values === undefined ? [] : ['--values', '-'])],
      options,
      (error, stdout, stderr) => {
        resolve({ code: error === null ? 0 : Number(error.code ?? 1), stdout, stderr });
      },
    );
    child.stdin?.end(JSON.stringify(values ?? {}));
  });
}

/** The objects that a chart makes of these values, without a cluster to ask. */
export async function render(
  chart: Chart,
  values: Values = {},
  namespace = chart === 'latchkey' ? 'auth' : 'latchkey-system',
): Promise<readonly KubernetesObject[]> {
  const release = [chart === 'latchkey' ? 'auth-api' : chart, '--namespace', namespace];
  const [name = '', ...where] = release;
  const answer = await helm(['template', name, chartFolder(chart), ...where], values);
  if (answer.code !== 0) throw new Error(answer.stderr);
  return readObjects(answer.stdout);
}

const listShape = z.looseObject({ apiVersion: z.literal('v1'), kind: z.literal('List'), items: z.array(z.unknown()) });

/** The objects of a file of manifests, in its order; those of a List in its place. */
export function readObjects(manifests: string): readonly KubernetesObject[] {
  return parseAllDocuments(manifests)
    .map((document) => document.toJS() as unknown)
    .filter((document) => document !== null)
    .flatMap((document) => listShape.safeParse(document).data?.items ?? [document])
    .map((document) => objectShape.parse(document));
}

/** `helm upgrade --install` of the API's chart into a namespace of a real apiserver. */
export const upgradeApi = (
  { namespace, kubeconfig }: { readonly namespace: string; readonly kubeconfig: string },
  values: Values,
  flags: readonly string[] = [],
): Promise<HelmAnswer> => {
  const where = ['auth-api', chartFolder('latchkey'), '--namespace', namespace, '--create-namespace'];
  return helm(['upgrade', '--install', ...where, ...flags], values, kubeconfig);
};

/** Why Helm refuses these values. */
export async function refusal(chart: Chart, values: Values): Promise<string> {
  const answer = await helm(['template', 'auth-api', chartFolder(chart)], values);
  if (answer.code === 0) throw new Error(`${chart} accepted ${JSON.stringify(values)}`);
  return answer.stderr;
}

/** The one object of this kind, or of this kind and name. */
export function only(objects: readonly KubernetesObject[], kind: string, name?: string): KubernetesObject {
  const found = objects.filter((o) => o.kind === kind && (name === undefined || o.metadata.name === name));
  const [first] = found;
  if (first === undefined || found.length > 1) throw new Error(`${found.length} objects ${kind} ${name ?? ''}`);
  return first;
}

const containerShape = z.looseObject({
  name: z.string(),
  image: z.string(),
  command: z.array(z.string()).optional(),
  args: z.array(z.string()).optional(),
  env: z
    .array(z.looseObject({ name: z.string(), value: z.string().optional(), valueFrom: z.unknown().optional() }))
    .default([]),
  securityContext: z.unknown().optional(),
});
const podSpecShape = z.looseObject({
  containers: z.array(containerShape),
  initContainers: z.array(containerShape).default([]),
  terminationGracePeriodSeconds: z.number().optional(),
  automountServiceAccountToken: z.boolean().optional(),
  securityContext: z.unknown().optional(),
});
export type PodSpec = Readonly<z.infer<typeof podSpecShape>>;

const workloadShape = z.looseObject({
  replicas: z.number().optional(),
  selector: z.looseObject({ matchLabels: labels }),
  template: z.looseObject({
    metadata: z.looseObject({ labels, annotations: labels }),
    spec: podSpecShape,
  }),
});

/** A Deployment's spec, parsed. */
export const workload = (object: KubernetesObject) => workloadShape.parse(object.spec);

const jobShape = z.looseObject({
  template: z.looseObject({ metadata: z.looseObject({ labels }), spec: podSpecShape }),
});
const cronJobShape = z.looseObject({
  schedule: z.string(),
  concurrencyPolicy: z.string(),
  jobTemplate: z.looseObject({ spec: jobShape }),
});

/** A Job's spec, parsed. */
export const job = (object: KubernetesObject) => jobShape.parse(object.spec);
/** A CronJob's spec, parsed. */
export const cronJob = (object: KubernetesObject) => cronJobShape.parse(object.spec);

/** Every pod spec among the objects: of Deployments, Jobs, CronJobs and of bare pods. */
export function podSpecs(objects: readonly KubernetesObject[]): readonly { of: string; spec: PodSpec }[] {
  return objects.flatMap((object) => {
    const of = `${object.kind} ${object.metadata.name}`;
    if (object.kind === 'Deployment') return [{ of, spec: workload(object).template.spec }];
    if (object.kind === 'Job') return [{ of, spec: job(object).template.spec }];
    if (object.kind === 'CronJob') return [{ of, spec: cronJob(object).jobTemplate.spec.template.spec }];
    return object.kind === 'Pod' ? [{ of, spec: podSpecShape.parse(object.spec) }] : [];
  });
}
