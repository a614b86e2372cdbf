/**
 * The Prometheus of a rollout as the plugin's user can reach it: an address inside the cluster goes through the apiserver's service proxy,
 * any other is asked directly. Called by plan.ts; range.ts goes the same way.
 */
import { isApiError } from '../clients/api-error.ts';
import { askPrometheus, readAnswer } from '../clients/prometheus.ts';
import type { Sample } from '../core/observation.ts';
import type { Spec } from '../core/spec.ts';
import { stepQuestions } from '../step-checks.ts';
import type { Cluster } from './cluster.ts';

export type Way =
  | { readonly kind: 'direct'; readonly address: string }
  | { readonly kind: 'proxy'; readonly namespace: string; readonly service: string; readonly path: string };

/** One query with what Prometheus said, or why it said nothing. */
export interface Asked {
  readonly name: string;
  readonly query: string;
  readonly value: number | undefined;
  readonly why: string | undefined;
  /** True where the operator would get the same answer; false where only we could not ask. */
  readonly isAnswer: boolean;
}

/** A name that only the cluster's DNS knows: service, service.namespace, and those with .svc behind them. */
const INSIDE = /^([a-z0-9-]+)(?:\.([a-z0-9-]+)(?:\.svc(?:\.[a-z0-9.-]+)?)?)?$/;

/** @param operatorNamespace where a name without a namespace is looked up: the operator is who asks in the end */
export function wayTo(address: string, operatorNamespace: string): Way {
  const url = new URL(address);
  const [, service, namespace = operatorNamespace] = INSIDE.exec(url.hostname) ?? [];
  if (service === undefined || service === 'localhost' || url.hostname.startsWith('127.'))
    return { kind: 'direct', address };
  const port = url.port === '' ? (url.protocol === 'https:' ? '443' : '80') : url.port;
  const scheme = url.protocol === 'https:' ? 'https' : 'http';
  return { kind: 'proxy', namespace, service: `${scheme}:${service}:${port}`, path: url.pathname.replace(/\/$/, '') };
}

export function wayText(way: Way): string {
  return way.kind === 'direct'
    ? `asked directly at ${way.address}`
    : `through the API server's proxy, services/${way.service} in ${way.namespace}`;
}

/** @param api of Prometheus' HTTP API, such as query */
export function proxyPath({ namespace, service, path }: Extract<Way, { kind: 'proxy' }>, api: string): string {
  return `/api/v1/namespaces/${encodeURIComponent(namespace)}/services/${service}/proxy${path}/api/v1/${api}`;
}

/** The latency queries count what is slower than the matrix' bounds. */
const NAMES: Readonly<Record<string, string>> = { p1: 'slowerThanP1', p2: 'slowerThanP2', p3: 'slowerThanP3' };

const DEADLINE_MS = 5_000;
/** The longest window of a check. */
export const RATE_WINDOW_MS = 300_000;

export interface Figures {
  readonly way: Way;
  /** Whose pods were asked about: the Deployment that serves now. */
  readonly deployment: string;
  readonly queries: readonly Asked[];
  /** Those of checkpoints, by the checkpoint's name. */
  readonly checkpoints: readonly Asked[];
  /** Requests a second of all pods; undefined where Prometheus does not say. */
  readonly requestsPerSecond: number | undefined;
}

export interface FiguresInput {
  readonly cluster: Cluster;
  readonly spec: Spec;
  readonly namespace: string;
  readonly stableName: string;
  /** The Deployments with pods, the one whose figures are shown first. */
  readonly serving: readonly string[];
  readonly operatorNamespace: string;
}

/** Asks every query of a step's checks, as if each Deployment that has pods were the canary. */
export async function readFigures(input: FiguresInput): Promise<Figures> {
  const { cluster, spec, namespace, stableName, serving, operatorNamespace } = input;
  const way = wayTo(spec.prometheusAddress, operatorNamespace);
  const [deployment = spec.targetName, ...others] = serving;
  const queries = (of: string) =>
    stepQuestions({
      spec: { ...spec, targetName: of },
      namespace,
      stableName,
      replicaSets: [],
      windowMs: RATE_WINDOW_MS,
    });
  const [asked, rest, checkpoints] = await Promise.all([
    Promise.all(
      Object.entries(queries(deployment)).map(([name, query]) =>
        ask(cluster, way, { name: NAMES[name] ?? name, query }),
      ),
    ),
    Promise.all(others.map((other) => ask(cluster, way, { name: 'requests', query: queries(other).requests }))),
    Promise.all(checkpointQueries(spec).map((question) => ask(cluster, way, question))),
  ]);
  const counts = [...asked.filter(({ name }) => name === 'requests'), ...rest].flatMap(({ value }) => value ?? []);
  const total = counts.reduce((sum, count) => sum + count, 0);
  const requestsPerSecond = counts.length === 0 ? undefined : total / (RATE_WINDOW_MS / 1_000);
  return { way, deployment, queries: asked, checkpoints, requestsPerSecond };
}

function checkpointQueries({ schedule }: Spec): readonly Question[] {
  return schedule.flatMap(({ checkpoints = [] }) =>
    checkpoints.flatMap((one) => (one.kind === 'query' ? [{ name: one.name, query: one.promql }] : [])),
  );
}

interface Question {
  readonly name: string;
  readonly query: string;
}

async function ask(cluster: Cluster, way: Way, question: Question): Promise<Asked> {
  if (way.kind === 'proxy') return await askThroughProxy(cluster, way, question);
  const sample = await askPrometheus({ address: way.address, query: question.query, deadlineMs: DEADLINE_MS });
  // From here is not from the operator: what we cannot reach, it may.
  const isAnswer = sample.kind === 'value' || (sample.why !== 'PrometheusUnreachable' && sample.why !== 'Timeout');
  return { ...question, ...figureOf(sample), isAnswer };
}

async function askThroughProxy(
  cluster: Cluster,
  way: Extract<Way, { kind: 'proxy' }>,
  question: Question,
): Promise<Asked> {
  const query = new URLSearchParams({ query: question.query, timeout: `${DEADLINE_MS}ms` });
  try {
    const body = await cluster.proxy(`${proxyPath(way, 'query')}?${query.toString()}`);
    return { ...question, ...figureOf(readAnswer(body)), isAnswer: true };
  } catch (error) {
    if (!isApiError(error)) throw error;
    const { code, message } = error;
    // The operator would find it missing, too; a proxy that cannot reach the pods, or that we may not use, is our trouble alone.
    const isMissing = code === 'ERR_API_NOT_FOUND' || message.includes('no endpoints available');
    return { ...question, value: undefined, why: message, isAnswer: isMissing || code === 'ERR_API_REFUSED' };
  }
}

function figureOf(sample: Sample): Pick<Asked, 'value' | 'why'> {
  return sample.kind === 'value' ? { value: sample.value, why: undefined } : { value: undefined, why: sample.why };
}
