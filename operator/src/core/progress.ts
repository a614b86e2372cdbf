/**
 * A run between its first step and its promotion: watch, step down, wait, and go up one step. Rules of decide.ts, asked in
 * the order of PROGRESS; everything that may stop a rise stands before `rise`.
 */

import { alertFiring } from './alerts.ts';
import { askApproval, describeApproval, MAX_SPENT } from './approval.ts';
import { downTooLong, nobodyReady } from './canary-down.ts';
import { atCeiling, ceilingLifted } from './ceiling.ts';
import { checkpointsOpen, describeYes, spentAt } from './checkpoint-gate.ts';
import { msToDuration } from './duration.ts';
import { SENTINEL_FRESH_MS } from './judge.ts';
import { responseTo } from './matrix.ts';
import { readFence, readRecord } from './route-record.ts';
import { type Draft, hasCapacity, type Rule, replicasFor, type Scene, stableToRestore } from './scene.ts';
import { nextStep, stepIndexOf } from './schedule.ts';
import { describeFailures, describeProof, settle } from './zero.ts';

export function progress(scene: Scene): Draft | undefined {
  if (scene.run.phase !== 'Progressing') return undefined;
  const draft = firstAnswer(scene);
  return { ...draft, want: { stable: stableToRestore(scene), ...provision(scene), ...draft.want } };
}

const PROGRESS: readonly Rule[] = [
  downTooLong,
  nobodyReady,
  blindTooLong,
  reduceOrWatch,
  provingZero,
  approvalWanted,
  alertFiring,
  paused,
  atCeiling,
  ceilingLifted,
  stillBlind,
  holdNotOver,
  checkpointsOpen,
  noFreshPass,
  stableNotRestored,
  fenceNotClaimed,
];

function firstAnswer(scene: Scene): Draft {
  for (const rule of PROGRESS) {
    const draft = rule(scene);
    if (draft !== undefined) return draft;
  }
  return rise(scene);
}

/** Nothing known for blindLimit: one step down, and again after each further blindLimit. */
function blindTooLong({ run, spec, nowMs }: Scene): Draft | undefined {
  const weight = run.weight ?? 0;
  if (run.blindSinceMs === undefined || weight === 0 || nowMs - run.blindSinceMs < spec.blindLimitMs) return undefined;
  const lower = spec.schedule.findLast((step) => step.weight < weight)?.weight ?? 0;
  return {
    kind: 'reduce',
    reason: 'Blind',
    message: `the checks have known nothing for ${msToDuration(spec.blindLimitMs)}: from ${weight}% down to ${lower}%`,
    write: lower,
    stepIndex: stepIndexOf(spec.schedule, lower),
  };
}

/** P2 and P3 of the step's checks. */
function reduceOrWatch({ run, judgement, spec, nowMs }: Scene): Draft | undefined {
  const verdict = judgement.step?.verdict;
  if (verdict?.kind !== 'fail' || judgement.step === undefined) return undefined;
  const { severity } = verdict;
  const figures = describeFailures(judgement.step.results, severity);
  if (severity !== 'P2') {
    return {
      kind: 'hold',
      reason: severity === 'P3' ? 'SeverityP3' : 'Holding',
      severity,
      message: `${figures}: watching`,
    };
  }
  const weight = run.weight ?? 0;
  if (run.approvalNeeded !== undefined || weight === 0) {
    return { kind: 'hold', reason: 'SeverityP2', severity, message: `${figures}: waiting for the team lead` };
  }
  const reduces = judgement.step.results.some(
    ({ check, verdict: one }) => one.kind === 'fail' && responseTo(check, one.severity) === 'reduce',
  );
  if (!reduces) {
    const approvalNeeded = { role: 'team-lead', stepIndex: run.stepIndex, sinceMs: nowMs } as const;
    const message = `${figures}: holding at ${weight}%, approval of team-lead needed to go on`;
    return { kind: 'hold', reason: 'SeverityP2', severity, message, run: { approvalNeeded, stepStartedAtMs: nowMs } };
  }
  const half = Math.max(1, Math.floor(weight / 2));
  return {
    kind: 'reduce',
    reason: 'SeverityP2',
    severity,
    message: `${figures}: from ${weight}% down to ${half}%, approval of team-lead needed to go on`,
    write: half,
    stepIndex: Math.min(run.stepIndex, stepIndexOf(spec.schedule, half)),
  };
}

/** A ceiling of 0 is a weight 0 like any other: proven by traffic, and by harder means while the traffic goes on. */
function provingZero(scene: Scene): Draft | undefined {
  const { run } = scene;
  if (run.zero === undefined || (run.weight ?? 0) > 0) return undefined;
  const settling = settle(scene);
  if (settling.isProven && run.zero.provenAtMs !== undefined) return undefined;
  return {
    kind: 'hold',
    reason: settling.zero.stage === 'alert' ? 'ZeroNotProven' : 'ProvingZero',
    message: settling.isProven ? 'no request reaches the canary any more' : describeProof(settling),
    run: { zero: settling.zero },
    want: settling.want,
  };
}

function approvalWanted(scene: Scene): Draft | undefined {
  const { run, nowMs } = scene;
  if (run.approvalNeeded === undefined) return undefined;
  const answer = askApproval(scene, run.approvalNeeded);
  if (answer.kind === 'waiting') return { ...answer, kind: 'hold' };
  return {
    kind: 'hold',
    reason: 'Approved',
    message: `the hold of step ${run.stepIndex} begins again; approved by ${describeApproval(answer.approval)}`,
    run: {
      approvalNeeded: undefined,
      approvalsUsed: answer.approvalsUsed,
      stepStartedAtMs: run.weight === 0 ? undefined : nowMs,
    },
  };
}

function paused({ spec }: Scene): Draft | undefined {
  return spec.paused ? { kind: 'hold', reason: 'Paused', message: 'spec.paused is true: no way up' } : undefined;
}

/** At weight 0 because of blindness: traffic comes back only to checks that can see it. */
function stillBlind({ run }: Scene): Draft | undefined {
  if (run.blindSinceMs === undefined || (run.weight ?? 0) > 0) return undefined;
  return { kind: 'hold', reason: 'Blind', message: 'weight 0 until Prometheus answers the checks again' };
}

function holdNotOver({ run, nowMs }: Scene): Draft | undefined {
  if (run.stepStartedAtMs === undefined) return undefined;
  const endMs = run.stepStartedAtMs + run.stepHoldMs;
  if (nowMs >= endMs) return undefined;
  const message = `step ${run.stepIndex} at ${run.weight ?? 0}% until ${new Date(endMs).toISOString()}`;
  return { kind: 'hold', reason: 'Holding', message };
}

/**
 * More traffic needs checks that ran in this very pass and a sentinel that looked within its last three beats: a fault that
 * began after the last sample must not be answered with more traffic. From weight 0 there is no traffic to judge.
 */
function noFreshPass({ run, judgement, observation, nowMs }: Scene): Draft | undefined {
  if ((run.weight ?? 0) === 0) return undefined;
  const { step, sentinel } = judgement;
  if (step === undefined || observation.samples === undefined) {
    return { kind: 'hold', reason: 'StaleSamples', message: 'the hold is over: running the checks once more' };
  }
  if (step.verdict.kind === 'unknown') {
    const reason = step.verdict.why === 'TooLittleTraffic' ? 'TooLittleTraffic' : 'Unknown';
    const checks = step.results.flatMap(({ check, verdict }) =>
      verdict.kind === 'unknown' ? [`${check} (${verdict.why})`] : [],
    );
    return { kind: 'hold', reason, message: `not known: ${checks.join(', ')}` };
  }
  const isStale = nowMs - observation.samples.takenAtMs > SENTINEL_FRESH_MS;
  if (step.verdict.kind !== 'pass' || sentinel.verdict.kind !== 'pass' || isStale) {
    return {
      kind: 'hold',
      reason: 'StaleSamples',
      message: 'the newest samples are too old to answer them with more traffic',
    };
  }
  return undefined;
}

function stableNotRestored(scene: Scene): Draft | undefined {
  const { stable } = scene.observation;
  if (stable === undefined || stable.revision === scene.run.stableRevision) return undefined;
  const message = `stable runs ${stable.revision} and is on its way back to ${scene.run.stableRevision ?? 'unknown'}`;
  return { kind: 'hold', reason: 'StableNotReady', message };
}

/**
 * A rise needs our fence and our own record of the present weight on the route: then nobody else's write can follow what we
 * looked at, and what we rise from is what we wrote.
 */
function fenceNotClaimed({ route, run, observation, nowMs }: Scene): Draft | undefined {
  if (route === undefined) return undefined;
  const weight = run.weight ?? 0;
  const isRecorded = readRecord(route.write)?.weight === weight;
  if (isRecorded && readFence(route.fence) === observation.leader.token) return undefined;
  const message = 'writing our fence into the route before anything rises';
  const draft: Draft = { kind: 'hold', reason: 'FenceNotClaimed', message, run: { nextCheckAtMs: nowMs } };
  return isRecorded ? draft : { ...draft, write: weight };
}

function rise(scene: Scene): Draft {
  const { run, spec, observation } = scene;
  const weight = run.weight ?? 0;
  const next = nextStep(spec.schedule, weight);
  const { target, services } = observation;
  if (next === undefined) {
    return {
      kind: 'promote',
      reason: 'Promoting',
      message: `every step passed: copying revision ${run.revision} to stable`,
      run: { phase: 'Promoting', stepStartedAtMs: scene.nowMs },
      want: { stable: 'target-template' },
    };
  }
  const replicas = replicasFor(scene, next.step.weight);
  const isAttached =
    target !== undefined && services.canary !== undefined && selectsAll(services.canary.selector, target.selector);
  if (target === undefined || !isAttached || !hasCapacity(target, replicas)) {
    const message = `${next.step.weight}% needs ${replicas} ready canary pods behind the canary Service; ${target?.readyReplicas ?? 0} of ${target?.replicas ?? 0} are ready`;
    // The checks run again the moment the pods are ready, not a whole interval later.
    const again = { nextCheckAtMs: scene.nowMs };
    return { kind: 'hold', reason: 'CanaryNotReady', message, want: capacity(replicas), run: again };
  }
  return {
    kind: 'advance',
    reason: 'Advanced',
    message: `from ${weight}% to ${next.step.weight}% (step ${next.index + 1} of ${spec.schedule.length})${describeYes(scene)}`,
    write: next.step.weight,
    stepIndex: next.index,
    want: capacity(replicas),
    run: { approvalsUsed: [...run.approvalsUsed, ...spentAt(scene)].slice(-MAX_SPENT) },
  };
}

function selectsAll(selector: Readonly<Record<string, string>>, wanted: Readonly<Record<string, string>>): boolean {
  const keys = Object.keys(wanted);
  return keys.length === Object.keys(selector).length && keys.every((key) => selector[key] === wanted[key]);
}

function capacity(replicas: number): NonNullable<Draft['want']> {
  return { canaryReplicas: { kind: 'at-least', replicas }, canaryService: 'attached' };
}

/** The pods of the next step are made in the second half of the hold, so that they are ready when it is over. */
function provision(scene: Scene): NonNullable<Draft['want']> {
  const { run, spec, nowMs } = scene;
  const weight = run.weight ?? 0;
  const isLate = nowMs - (run.stepStartedAtMs ?? 0) >= run.stepHoldMs / 2;
  const mayRise = !spec.paused && run.approvalNeeded === undefined && run.blindSinceMs === undefined;
  const next = isLate && mayRise ? nextStep(spec.schedule, weight)?.step.weight : undefined;
  const replicas = replicasFor(scene, next === undefined || next > spec.maxWeight ? weight : next);
  return replicas > 0 ? capacity(replicas) : {};
}
