/**
 * `plan`: what a rollout would do, before it is applied or before its next revision. Reads the cluster with the user's rights, writes
 * nothing, and exits with 1 when it would stall. Called by commands.ts; plan-view.ts draws the result.
 */
import { isApiError } from '../clients/api-error.ts';
import { describeCheckpoint } from '../core/checkpoint-gate.ts';
import type { DeploymentView, RouteView } from '../core/observation.ts';
import { canaryServiceOf, stableNameOf, stableServiceOf } from '../core/revision.ts';
import { type Checkpoint, parseSpec, type Spec } from '../core/spec.ts';
import type { Status } from '../core/status.ts';
import { readDeployment, readRoute } from '../objects.ts';
import { type CommandDeps, CommandError, json, lines } from './command.ts';
import { EXIT, waitsFor } from './conclusion.ts';
import { forecast, type StepForecast } from './forecast.ts';
import { type Manifest, readManifest } from './manifest.ts';
import { drawPlan } from './plan-view.ts';
import { type Figures, readFigures } from './prometheus.ts';
import { type Rights, readRights } from './rights.ts';
import { type RouteDiff, routeDiff } from './route-diff.ts';
import { stallsOf } from './stalls.ts';

/** What the apiserver said of the manifest, or why it was not asked. */
export type Rehearsal =
  | { readonly kind: 'accepted' | 'applied' }
  | { readonly kind: 'refused' | 'unknown'; readonly why: string };

export interface PlannedCheckpoint {
  readonly stepIndex: number;
  readonly weight: number;
  readonly name: string;
  readonly kind: Checkpoint['kind'];
  readonly asks: string;
  /** What its query says now; undefined where it has none. */
  readonly now: number | string | undefined;
}

export interface Plan {
  readonly namespace: string;
  readonly name: string;
  readonly rehearsal: Rehearsal;
  readonly startsAtMs: number;
  readonly endsAtMs: number;
  readonly steps: readonly StepForecast[];
  readonly minRequests: number;
  readonly confidence: number;
  readonly failing: number;
  readonly requestsPerSecond: number | undefined;
  /** Where the request rate comes from. */
  readonly isRateGiven: boolean;
  /** What must say yes before a step, step by step. */
  readonly checkpoints: readonly PlannedCheckpoint[];
  readonly route: RouteDiff | undefined;
  readonly rights: Rights;
  readonly figures: Figures;
  /** Empty when it would get through, as far as anybody can know beforehand. */
  readonly stalls: readonly string[];
}

/** Runs the command and resolves to the exit code. @throws {ApiError} @throws {CommandError} */
export async function showPlan(deps: CommandDeps): Promise<number> {
  const { options, terminal } = deps;
  const plan = await makePlan(
    deps,
    options.file === undefined ? await liveSubject(deps) : await fileSubject(deps, options.file),
  );
  if (options.output === 'json') json(terminal, plan);
  else
    lines(
      terminal,
      drawPlan(plan, { columns: terminal.columns, hasColour: terminal.hasColour, nowMs: terminal.nowMs() }),
    );
  return plan.stalls.length === 0 ? EXIT.done : EXIT.failed;
}

interface Subject {
  readonly namespace: string;
  readonly name: string;
  readonly spec: Spec;
  readonly status: Status | undefined;
  readonly rehearsal: Rehearsal;
  readonly stalls: readonly string[];
}

async function liveSubject({ rollouts, options, namespace }: CommandDeps): Promise<Subject> {
  const rollout = await rollouts.get(namespace, options.name);
  const { name, status } = rollout;
  const spec = usable(rollout.spec, rollout.violations);
  const waiting = waitsFor(rollout);
  const stalls = waiting === undefined ? [] : [`it waits for ${waiting}`];
  return { namespace, name, spec, status, rehearsal: { kind: 'applied' }, stalls };
}

/** A manifest that is applied over a rollout that is there goes on from its status. */
async function fileSubject(deps: CommandDeps, file: string): Promise<Subject> {
  const { options, rollouts } = deps;
  const manifest = readManifest(file, options.name);
  const namespace = options.namespace ?? manifest.namespace ?? deps.namespace;
  const reading = parseSpec(manifest.spec);
  const violations = reading.kind === 'valid' ? [] : reading.violations;
  const spec = usable(reading.kind === 'valid' ? reading.spec : reading.usable, violations);
  const [rehearsal, status] = await Promise.all([
    rehearse(deps, manifest, namespace),
    rollouts.get(namespace, manifest.name).then(
      (rollout) => rollout.status,
      (error: unknown) => unlessAbsent(error),
    ),
  ]);
  const refused = rehearsal.kind === 'refused' ? [`the API server refuses the manifest: ${rehearsal.why}`] : [];
  return { namespace, name: manifest.name, spec, status, rehearsal, stalls: [...violations, ...refused] };
}

/** @throws {CommandError} when not even target and route can be read: nothing could be said about it */
function usable(spec: Spec | undefined, violations: readonly string[]): Spec {
  if (spec === undefined) throw new CommandError(`the manifest cannot be planned: ${violations.join('; ')}`);
  return spec;
}

/** Whoever may not read it cannot see whether it is there; the rights say so. */
function unlessAbsent(error: unknown): undefined {
  if (isApiError(error, 'ERR_API_NOT_FOUND', 'ERR_API_FORBIDDEN')) return undefined;
  throw error;
}

async function rehearse({ cluster }: CommandDeps, manifest: Manifest, namespace: string): Promise<Rehearsal> {
  try {
    await cluster.rehearse(manifest, namespace);
    return { kind: 'accepted' };
  } catch (error) {
    if (!isApiError(error)) throw error;
    const { code, message: why } = error;
    if (code === 'ERR_API_UNREACHABLE' || code === 'ERR_API_DEADLINE') throw error;
    return { kind: code === 'ERR_API_FORBIDDEN' ? 'unknown' : 'refused', why };
  }
}

async function makePlan(deps: CommandDeps, subject: Subject): Promise<Plan> {
  const { options, cluster, terminal } = deps;
  const { namespace, name, spec, status, rehearsal } = subject;
  const stableName = stableNameOf(spec.targetName);
  const [around, rights] = await Promise.all([
    readAround(deps, subject),
    readRights(cluster, namespace, options.operator),
  ]);
  const { route, target, stable } = around;
  const serving = [target, stable].flatMap((one) => (one !== undefined && one.currentReplicas > 0 ? [one.name] : []));
  const [operatorNamespace = ''] = options.operator.split('/');
  const figures = await readFigures({ cluster, spec, namespace, stableName, serving, operatorNamespace });
  const isRateGiven = options.requestsPerSecond !== undefined;
  const requestsPerSecond = options.requestsPerSecond ?? figures.requestsPerSecond;
  const standing = standingOf(status, terminal.nowMs());
  const steps = forecast(spec, standing, { requestsPerSecond, failing: options.failing });
  const found = { spec, namespace, route, target, stable, steps, figures, rights };
  return {
    namespace,
    name,
    rehearsal,
    startsAtMs: standing.startedAtMs,
    endsAtMs: steps.at(-1)?.toMs ?? standing.startedAtMs,
    steps,
    minRequests: spec.matrix.minRequests,
    confidence: spec.matrix.confidence,
    failing: options.failing,
    requestsPerSecond,
    isRateGiven,
    checkpoints: checkpointsOf(spec, figures),
    route: route.kind === 'programmable' ? routeDiff(route, spec, status) : undefined,
    rights,
    figures,
    stalls: [...subject.stalls, ...stallsOf(found)],
  };
}

function checkpointsOf({ schedule }: Spec, figures: Figures): readonly PlannedCheckpoint[] {
  return schedule.flatMap(({ weight, checkpoints = [] }, stepIndex) =>
    checkpoints.map((checkpoint) => ({
      stepIndex,
      weight,
      name: checkpoint.name,
      kind: checkpoint.kind,
      asks: describeCheckpoint(checkpoint),
      now: nowOf(checkpoint, figures),
    })),
  );
}

function nowOf({ kind, name }: Checkpoint, { checkpoints }: Figures): PlannedCheckpoint['now'] {
  const asked = kind === 'query' ? checkpoints.find((one) => one.name === name) : undefined;
  return asked?.value ?? asked?.why;
}

function standingOf(status: Status | undefined, nowMs: number): { stepIndex: number; startedAtMs: number } {
  const { phase, stepIndex, stepStartedAt } = status ?? {};
  if (phase !== 'Progressing' || stepIndex === undefined || stepStartedAt === undefined) {
    return { stepIndex: 0, startedAtMs: nowMs };
  }
  return { stepIndex, startedAtMs: Date.parse(stepStartedAt) };
}

interface Around {
  readonly route: RouteView;
  readonly target: DeploymentView | undefined;
  readonly stable: DeploymentView | undefined;
}

async function readAround({ cluster }: CommandDeps, { spec, namespace }: Subject): Promise<Around> {
  const place = `namespaces/${encodeURIComponent(namespace)}`;
  const deployments = `/apis/apps/v1/${place}/deployments`;
  const [route, target, stable] = await Promise.all([
    cluster.get(`/apis/gateway.networking.k8s.io/v1/${place}/httproutes/${encodeURIComponent(spec.httpRoute)}`),
    cluster.get(`${deployments}/${encodeURIComponent(spec.targetName)}`),
    cluster.get(`${deployments}/${encodeURIComponent(stableNameOf(spec.targetName))}`),
  ]);
  const at = {
    rule: spec.rule,
    stableService: stableServiceOf(spec.targetName),
    canaryService: canaryServiceOf(spec.targetName),
    hasCohort: spec.cohortCookie !== undefined,
  };
  return {
    route: route === undefined ? { kind: 'missing' } : readRoute(route, at),
    target: target === undefined ? undefined : readDeployment(target, 'target').view,
    stable: stable === undefined ? undefined : readDeployment(stable, 'stable').view,
  };
}
