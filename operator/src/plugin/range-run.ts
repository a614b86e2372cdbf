/**
 * A run as it would have gone under a policy, over what a Prometheus range has counted: the operator's own judge and decide at each look,
 * on a cluster that does what it is told. Pure; called by range.ts.
 *
 * The sentinel's window and trial are built from the tiles, so its verdicts come as late as a tile is long. What is not in Prometheus is
 * assumed to be well: pods answer, nobody reports or approves anything, no alert fires.
 */
import type { CheckResult } from '../core/checks.ts';
import { checksDue, checkWindowMs } from '../core/checks-due.ts';
import { decide } from '../core/decide.ts';
import { isNews } from '../core/decision-record.ts';
import { judge } from '../core/judge.ts';
import type { DecisionKind, Observation, ProgrammableRoute, StepSamples, WriteRecord } from '../core/observation.ts';
import type { Spec } from '../core/spec.ts';
import type { Status } from '../core/status.ts';
import { nextStatus } from '../core/status-from.ts';
import { boundKey } from '../core/tally.ts';
import { newTrial, observeTrial, type Trial } from '../core/trial.ts';
import { type CounterWindow, emptyWindow, newestGain, observeCounters, viewWindow } from '../core/window.ts';
import { type ByFigure, byFigure, type FigureName, type RangeFigures, sampleAt, sumUntil } from './range-figures.ts';

/** What the operator would have recorded: a new decision, or checks that found something else. */
export interface RangeEntry {
  readonly atMs: number;
  readonly kind: DecisionKind;
  readonly reason: string;
  readonly message: string;
  /** What was written on the route; undefined where it stayed. */
  readonly weight: number | undefined;
  /** Of a look that ran the checks; of a severe verdict those of the sentinel. */
  readonly results: readonly CheckResult[];
}

export interface RangeRun {
  readonly entries: readonly RangeEntry[];
  readonly looks: number;
  /** Looks at which Prometheus knew nothing of the canary. */
  readonly blindLooks: number;
  /** `running`: the range was over first. */
  readonly end: 'promoted' | 'zeroed' | 'rolled-back' | 'running';
}

/** Where the played cluster stands. */
interface Stand {
  readonly status: Status;
  readonly write: WriteRecord;
}

interface Memory {
  readonly window: CounterWindow;
  readonly trial: Trial;
  readonly totals: ByFigure<number>;
}

const TOKEN = 1;

/** @param revision named in messages */
export function runOver(spec: Spec, figures: RangeFigures, revision: string): RangeRun {
  const free = unhindered(spec);
  let stand = standingBefore(figures.fromMs, revision);
  let memory: Memory = { window: emptyWindow, trial: newTrial, totals: byFigure(() => 0) };
  const entries: RangeEntry[] = [];
  let looks = 0;
  let blindLooks = 0;
  // The first pass enters the first step; tile by tile the others follow.
  for (let index = -1; index < figures.count; index += 1) {
    const nowMs = figures.fromMs + (index + 1) * figures.tileMs;
    memory = look(memory, figures, { index, nowMs }, free);
    const isBlind = sampleAt(figures, 'requests', index).kind === 'unknown';
    if (index >= 0) looks += 1;
    if (index >= 0 && isBlind) blindLooks += 1;
    const passed = pass(stand, { spec: free, figures, memory, index, nowMs });
    if (passed.entry !== undefined) entries.push(passed.entry);
    stand = passed.stand;
    const end = endOf(stand.status);
    if (end !== undefined) return { entries, looks, blindLooks, end };
  }
  return { entries, looks, blindLooks, end: 'running' };
}

function endOf({ phase }: Status): RangeRun['end'] | undefined {
  if (phase === 'RolledBack') return 'rolled-back';
  if (phase === 'Zeroed') return 'zeroed';
  return phase === 'Promoting' || phase === 'Succeeded' ? 'promoted' : undefined;
}

/** A revision before its first step, the weight 0 written by ourselves. */
function standingBefore(fromMs: number, revision: string): Stand {
  const at = new Date(fromMs - 1).toISOString();
  const status: Status = { phase: 'Progressing', revision, stableRevision: 'before', weight: 0, writtenAt: at };
  return { status, write: { weight: 0, revision, stepIndex: 0, decision: 'zero', reason: 'NewRevision', at } };
}

interface Moment {
  readonly index: number;
  readonly nowMs: number;
}

/** The sentinel's look at the end of a tile, as if one pod of each track had counted everything; a gap adds nothing. */
function look(memory: Memory, figures: RangeFigures, { index, nowMs }: Moment, { matrix }: Spec): Memory {
  const totals = byFigure((name) => {
    const sample = sampleAt(figures, name, index);
    const gained = sample.kind === 'value' && Number.isFinite(sample.value) ? Math.max(0, sample.value) : 0;
    return name === 'dataLoss' ? gained : memory.totals[name] + gained;
  });
  const scrapes = (['canary', 'stable'] as const).map((track) => ({
    pod: track,
    track,
    createdAtMs: figures.fromMs,
    counters: countersOf(totals, track, matrix.latencyP95),
  }));
  const window = observeCounters(memory.window, scrapes, nowMs);
  const gain = newestGain(window);
  return { window, trial: gain === undefined ? memory.trial : observeTrial(memory.trial, gain, matrix), totals };
}

/** Whole numbers, as counters are: PromQL's increase extrapolates, and the trial weighs answers. */
function countersOf(totals: Memory['totals'], track: 'canary' | 'stable', bounds: Spec['matrix']['latencyP95']) {
  const isCanary = track === 'canary';
  const of = (name: FigureName): number => Math.round(totals[name]);
  const requests = of(isCanary ? 'requests' : 'stableRequests');
  return {
    requests,
    serverErrors: of(isCanary ? 'serverErrors' : 'stableServerErrors'),
    fasterThan: {
      [boundKey(bounds.p1Ms)]: requests - of(isCanary ? 'slowerThanP1' : 'stableSlowerThanP1'),
      [boundKey(bounds.p2Ms)]: requests - of(isCanary ? 'slowerThanP2' : 'stableSlowerThanP2'),
      [boundKey(bounds.p3Ms)]: requests - of(isCanary ? 'slowerThanP3' : 'stableSlowerThanP3'),
    },
    logins: of(isCanary ? 'logins' : 'stableLogins'),
    loginFailures: of(isCanary ? 'loginFailures' : 'stableLoginFailures'),
    databaseErrors: isCanary ? of('databaseErrors') : 0,
    complaints: isCanary ? of('complaints') : 0,
    dataLoss: isCanary ? of('dataLoss') : 0,
  };
}

interface Pass extends Moment {
  readonly spec: Spec;
  readonly figures: RangeFigures;
  readonly memory: Memory;
}

/** One pass of the reconciler: read, decide, write. */
function pass(stand: Stand, at: Pass): { readonly stand: Stand; readonly entry: RangeEntry | undefined } {
  const unsampled = observationOf(stand, at);
  const isAsking = at.index >= 0 && checksDue(unsampled);
  const observation = isAsking ? { ...unsampled, samples: samplesAt(at, checkWindowMs(unsampled)) } : unsampled;
  const judgement = judge(observation);
  const decision = decide(observation, judgement);
  const { kind, reason, message, record } = decision;
  const status = nextStatus(observation, judgement, decision, { kind: 'done' });
  const isSentinels = decision.severity !== undefined && judgement.sentinel.verdict.kind === 'fail';
  const judged = isSentinels ? judgement.sentinel : judgement.step;
  const entry = { atMs: at.nowMs, kind, reason, message, weight: record?.weight, results: judged?.results ?? [] };
  const isTold = isNews(stand.status.lastDecision, stand.status, judgement, decision) || record !== undefined;
  return { stand: { status, write: record ?? stand.write }, entry: isTold ? entry : undefined };
}

/** What a person holds now was not held then; checkpoints are taken to have said yes, and which users have the weight is in no counter. */
function unhindered(spec: Spec): Spec {
  const schedule = spec.schedule.map((step) => ({ ...step, checkpoints: [] }));
  return { ...spec, schedule, paused: false, maxWeight: 100, cohortCookie: undefined };
}

/** What one query over the window would have given at this moment. */
function samplesAt({ figures, index, nowMs, spec }: Pass, windowMs: number): StepSamples {
  const sum = (name: FigureName, overMs: number) =>
    sumUntil(figures, name, index, Math.max(1, Math.round(overMs / figures.tileMs)));
  const databaseWindowMs = Math.max(windowMs, 60_000, figures.tileMs);
  return {
    takenAtMs: nowMs,
    windowMs,
    replicaSets: [],
    requests: sum('requests', windowMs),
    serverErrors: sum('serverErrors', windowMs),
    slow: {
      p1: sum('slowerThanP1', windowMs),
      p2: sum('slowerThanP2', windowMs),
      p3: sum('slowerThanP3', windowMs),
    },
    logins: sum('logins', windowMs),
    loginFailures: sum('loginFailures', windowMs),
    stableLogins: sum('stableLogins', windowMs),
    stableLoginFailures: sum('stableLoginFailures', windowMs),
    databaseErrors: sum('databaseErrors', databaseWindowMs),
    databaseWindowMs,
    complaints: sum('complaints', spec.matrix.complaints.windowMs),
    dataLoss: sampleAt(figures, 'dataLoss', index),
  };
}

/** Everything that is not counted is as it should be: route and Services are ours, every pod is ready. */
function observationOf({ status, write }: Stand, { spec, memory, nowMs }: Pass): Observation {
  const replicas = spec.replicas ?? 1;
  const deployment = (name: string, revision: string) => ({
    name,
    uid: name,
    revision,
    template: {},
    selector: {},
    generation: 1,
    observedGeneration: 1,
    replicas,
    currentReplicas: replicas,
    updatedReplicas: replicas,
    readyReplicas: replicas,
  });
  return {
    nowMs,
    leader: { token: TOKEN, leaseToken: TOKEN },
    rollout: { namespace: '', name: '', uid: '', generation: 1, deleting: false, hasFinalizer: true },
    spec: { kind: 'valid', spec },
    status,
    target: deployment('target', status.revision ?? ''),
    stable: deployment('stable', status.stableRevision ?? ''),
    previousTemplate: undefined,
    services: { stable: { name: 'stable', selector: {} }, canary: { name: 'canary', selector: {} } },
    route: routeWith(write),
    samples: undefined,
    approvals: undefined,
    sentinel: viewWindow(memory.window, memory.trial),
    signals: [],
  };
}

function routeWith(write: WriteRecord): ProgrammableRoute {
  return {
    kind: 'programmable',
    uid: 'route',
    resourceVersion: '1',
    ruleName: 'rule',
    ruleIndex: 0,
    stable: { name: 'stable', index: 0, weight: 100 - write.weight },
    canary: { name: 'canary', index: 1, weight: write.weight },
    hasAnnotations: true,
    fence: String(TOKEN),
    write: JSON.stringify(write),
    rulesManager: undefined,
    accepted: true,
  };
}
