import * as fc from 'fast-check';
import type { Observation } from '../../../../operator/src/core/observation.ts';
import type { Action } from '../../../../operator/src/core/plan.ts';
import { liveWeight, readRecord } from '../../../../operator/src/core/route-record.ts';
import { nextStep } from '../../../../operator/src/core/schedule.ts';
import { approvalFor, withApprovals } from '../../../support/operator-core/approving.ts';
import { CHECKPOINTS, change } from '../../../support/operator-core/changes.ts';
import {
  act,
  adoptedWorld,
  atWeight,
  inPhase,
  type Pass,
  runUntil,
  step,
  think,
  worldAt,
  writeStatus,
} from '../../../support/operator-core/doing.ts';
import { observe } from '../../../support/operator-core/seeing.ts';
import { deploy, freshWorld, SCHEDULE, specManifest, type World } from '../../../support/operator-core/world.ts';

/** What the test knows and no leader does. */
type Ghost = {
  readonly world: World;
  /** Revisions whose rollback reached the route or the status. */
  readonly condemned: ReadonlySet<string>;
  /** The weight that the operator wrote last. */
  readonly ours: number;
  /** A leader that stopped between reading and writing, with what it had read. */
  readonly asleep: { readonly pass: Pass; readonly statusVersion: number } | undefined;
};

/** The share of the requests that the gateway sends to the canary. */
function live({ route }: World): number {
  if (route === undefined) return 0;
  const total = route.canary.weight + route.stable.weight;
  return total === 0 ? 0 : (route.canary.weight * 100) / total;
}

/** I1, I2: a severe verdict is answered by weight 0, first, whatever else the observation says. */
function checkSevere({ observation, judgement, decision, actions }: Pass): void {
  const verdicts = [judgement.sentinel.verdict, judgement.step?.verdict, judgement.alerts.verdict];
  const isSevere = verdicts.some((verdict) => verdict?.kind === 'fail' && verdict.severity <= 'P1');
  const phase = decision.run.phase;
  const { route, status, leader } = observation;
  if (!isSevere || leader.leaseToken > leader.token || route.kind !== 'programmable' || route.canary.weight === 0)
    return;
  if (status?.phase === undefined || status.phase === 'Initializing') return;
  const first = actions[0];
  if (first?.kind !== 'write-route' || first.weight !== 0) {
    // A canary that somebody gave traffic outside of a run is drift, and the lower weight is 0 too.
    throw new Error(`severe, but the first action is ${JSON.stringify(first)} in ${phase}: ${decision.reason}`);
  }
}

/** I1: what is above the ceiling comes down in this pass, first, whatever else the observation says. */
function checkCeiling({ observation, actions }: Pass): void {
  const { route, status, leader, spec, rollout } = observation;
  const { maxWeight = 100 } = (spec.kind === 'valid' ? spec.spec : spec.usable) ?? {};
  const isRunning = status?.phase === 'Progressing' || status?.phase === 'Promoting';
  if (!isRunning || rollout.deleting || leader.leaseToken > leader.token) return;
  if (route.kind !== 'programmable' || liveWeight(route) <= maxWeight) return;
  const first = actions[0];
  if (first?.kind !== 'write-route' || first.weight > maxWeight) {
    throw new Error(
      `${liveWeight(route)} is above the ceiling ${maxWeight}, but the first action is ${JSON.stringify(first)}`,
    );
  }
}

/** I2: a write that lowers is the first of the plan, one that raises the last; there is at most one. */
function checkOrder({ actions }: Pass): void {
  const writes = actions.flatMap((action, index) => (action.kind === 'write-route' ? [{ action, index }] : []));
  if (writes.length > 1) throw new Error('two route writes in one pass');
  const [write] = writes;
  if (write?.action.lowers === true && write.index !== 0) throw new Error('the lowering write is not first');
}

/** I4, I5, I6: what must be true whenever the canary gets more traffic. */
function checkRise(
  ghost: Ghost,
  { observation, judgement, decision, actions }: Pass,
  action: Action,
  index: number,
): void {
  if (action.kind !== 'write-route' || action.weight <= live(ghost.world)) return;
  const from = live(ghost.world);
  const problems: string[] = [];
  const { spec, target, rollout } = observation;
  if (spec.kind !== 'valid') problems.push('the spec is invalid');
  else {
    if (nextStep(spec.spec.schedule, from)?.step.weight !== action.weight) problems.push('not the next step');
    if (spec.spec.paused) problems.push('paused');
    if (spec.spec.maxWeight < action.weight) problems.push('above the ceiling');
  }
  if (ghost.ours !== from) problems.push(`the live weight was not ours, ${ghost.ours}`);
  if (target === undefined || ghost.condemned.has(target.revision)) problems.push('condemned revision');
  if (from > 0 && judgement.step?.verdict.kind !== 'pass') problems.push('no pass in this pass');
  if (judgement.alerts.verdict.kind !== 'pass') problems.push('an alert fires');
  if (from > 0 && judgement.sentinel.verdict.kind !== 'pass') problems.push('the sentinel does not pass');
  if (from > 0 && observation.samples?.takenAtMs !== observation.nowMs) problems.push('stale samples');
  if (rollout.deleting) problems.push('deleting');
  if (decision.run.approvalNeeded !== undefined) problems.push('an approval is missing');
  if (index !== actions.length - 1) problems.push('not the last action');
  const need = Math.max(1, Math.ceil(((observation.stable?.replicas ?? 1) * action.weight) / 100));
  if ((target?.readyReplicas ?? 0) < need) problems.push(`${target?.readyReplicas} pods ready of ${need}`);
  if (observation.leader.token < Number(ghost.world.route?.annotations['latchkey.dev/fence'] ?? 0))
    problems.push('behind the fence');
  problems.push(...checkpointsShut(observation, from));
  if (problems.length > 0) throw new Error(`from ${from} to ${action.weight}: ${problems.join(', ')}`);
}

/** The checkpoints before the next step that have not said yes in this pass, by what was observed and nothing else. */
function checkpointsShut({ spec, status, checkpoints, approvals, nowMs, target }: Observation, from: number): string[] {
  const wanted = spec.kind === 'valid' ? (nextStep(spec.spec.schedule, from)?.step.checkpoints ?? []) : [];
  const since = status?.checkpoints?.since;
  // A question that is put in this very pass can be answered by a figure only.
  const sinceMs = since === undefined ? nowMs : Math.floor(Date.parse(since) / 1_000) * 1_000;
  const fresh = (checkpoints ?? []).filter(({ takenAtMs }) => takenAtMs === nowMs);
  const isYes: Readonly<Record<string, boolean>> = {
    figure: fresh.some((fact) => fact.kind === 'query' && fact.sample.kind === 'value' && fact.sample.value <= 1),
    job: fresh.some((fact) => {
      if (fact.kind !== 'job' || fact.job.kind !== 'found') return false;
      const { ended, createdAtMs, revision = target?.revision } = fact.job;
      return ended?.how === 'Complete' && createdAtMs >= sinceMs && revision === target?.revision;
    }),
    person:
      approvals?.kind === 'read' &&
      (approvals.guard === 'stands' || approvals.guard === 'waived') &&
      approvals.approvals.some(
        (word) => word.checkpoint === 'person' && word.answer !== 'no' && word.createdAtMs >= sinceMs,
      ),
  };
  return wanted.flatMap(({ name }) => (isYes[name] === true ? [] : [`checkpoint ${name} has not said yes`]));
}

/** Everything else an action must never do. */
function checkAction(ghost: Ghost, { observation, decision }: Pass, action: Action): void {
  if (action.kind === 'set-stable-template' && ghost.condemned.has(action.revision)) {
    throw new Error('a condemned revision becomes stable');
  }
  const seen = observation.route.kind === 'programmable' ? liveWeight(observation.route) : 0;
  if (action.kind === 'scale' && action.name === 'api' && action.replicas === 0 && seen > 0) {
    const isEscalation = decision.run.zero !== undefined && decision.run.zero.stage !== 'route';
    if (!isEscalation) throw new Error(`the canary is scaled to 0 at ${seen}%`);
  }
  if (action.kind === 'scale' && action.name === 'api-stable' && action.replicas === 0)
    throw new Error('stable scaled to 0');
  if (action.kind === 'remove-finalizer' && !observation.rollout.deleting) throw new Error('finalizer off');
}

/** Carries out a pass, checking each action before it counts; without a statusVersion it dies before the status write. */
function carryOut(ghost: Ghost, pass: Pass, limit: number, statusVersion: number | undefined): Ghost {
  checkOrder(pass);
  let now = ghost;
  const acted = act(ghost.world, pass, limit, (_before, action, after, index) => {
    checkRise(now, pass, action, index);
    checkAction(now, pass, action);
    const { record } = pass.decision;
    const isRollback = record?.decision === 'rollback' && action.kind === 'write-route';
    now = {
      ...now,
      world: after,
      ours: action.kind === 'write-route' ? action.weight : now.ours,
      condemned: isRollback ? new Set([...now.condemned, record.revision]) : now.condemned,
    };
  });
  if (statusVersion === undefined) return { ...now, world: acted.world };
  const world = writeStatus(acted.world, pass, acted.outcome, statusVersion);
  const condemned = world.status?.condemned ?? [];
  if (condemned.every((entry) => now.condemned.has(entry.revision))) return { ...now, world };
  return { ...now, world, condemned: new Set([...now.condemned, ...condemned.map((entry) => entry.revision)]) };
}

const BEATS_MS = [1_000, 10_000, 61_000, 31_000] as const;

/** One event of a sequence: its byte says what happens, `size` how much. */
function happen(ghost: Ghost, what: number, size: number): Ghost {
  const { world } = ghost;
  if (what < 10) {
    const later = { ...world, nowMs: world.nowMs + (BEATS_MS[size % BEATS_MS.length] ?? 0) };
    const pass = think(observe(later));
    checkSevere(pass);
    checkCeiling(pass);
    return carryOut({ ...ghost, world: later }, pass, pass.actions.length, later.statusVersion);
  }
  // Dies between two actions, or between the last one and the status.
  if (what === 10 || what === 11) {
    const pass = think(observe(world));
    checkSevere(pass);
    checkCeiling(pass);
    return carryOut(ghost, pass, size % (pass.actions.length + 1), undefined);
  }
  // A leader stops for a while after it has read and decided…
  if (what === 12) return { ...ghost, asleep: { pass: think(observe(world)), statusVersion: world.statusVersion } };
  // …another one takes the Lease…
  if (what === 13) return { ...ghost, world: { ...world, leaseToken: world.leaseToken + 1 } };
  // …and the first wakes up and writes what it had decided.
  if (what === 14) {
    const { asleep } = ghost;
    if (asleep === undefined) return ghost;
    return {
      ...carryOut(ghost, asleep.pass, asleep.pass.actions.length, asleep.statusVersion),
      asleep: undefined,
    };
  }
  const changed = change(world, what - 15, size);
  // Who forges our record speaks for us: the weight it names counts as ours, every other rule still holds.
  const forged = changed.route?.annotations['latchkey.dev/write'];
  const isForged = forged !== world.route?.annotations['latchkey.dev/write'];
  const ours = isForged ? (readRecord(forged)?.weight ?? ghost.ours) : ghost.ours;
  return { ...ghost, world: changed, ours, condemned: lasting(ghost, changed) };
}

/**
 * A condemnation lasts once the status has it. Until then, and when somebody deletes the whole status, the record on the
 * route is all there is: who takes that away too, between the two writes of one pass, has taken the P0 away.
 */
function lasting({ condemned, world: before }: Ghost, world: World): ReadonlySet<string> {
  if (world.route?.annotations === before.route?.annotations && world.status === before.status) return condemned;
  const record = readRecord(world.route?.annotations['latchkey.dev/write']);
  const byRecord = record?.decision === 'rollback' ? [record.revision] : [];
  return new Set([...byRecord, ...(world.status?.condemned ?? []).map((entry) => entry.revision)]);
}

const start = (world: World): Ghost => ({
  world,
  condemned: new Set(world.status?.condemned?.map((entry) => entry.revision)),
  ours: live(world),
  asleep: undefined,
});

/** Moments that short sequences start from, so that ten events reach every corner of a run that takes a hundred passes. */
function moments(): readonly Ghost[] {
  const promoting = runUntil({ ...worldAt(100), podsStart: true }, inPhase('Promoting'));
  const worlds = [
    freshWorld(),
    adoptedWorld(),
    deploy(adoptedWorld(), 2),
    ...[5, 10, 25, 50, 100].map(worldAt),
    ...[5, 25, 100].map((weight) => ({ ...worldAt(weight), nowMs: worldAt(weight).nowMs + 59_000 })),
    promoting,
    step({ ...promoting, podsStart: false }).world,
    step({ ...promoting, quiet: false }).world,
    ...(['P0', 'P1', 'P2', 'P3', 'complaints', 'blind'] as const).map((health) => ({ ...worldAt(25), health })),
    step({ ...worldAt(25), health: 'P0' as const, quiet: false }).world,
    runUntil({ ...worldAt(50), health: 'P1' as const }, inPhase('Zeroed')),
    runUntil({ ...worldAt(50), health: 'P2' as const }, atWeight(25)),
    runUntil({ ...worldAt(25), health: 'blind' as const }, atWeight(10)),
    ...[0, 15].map((maxWeight) => step({ ...worldAt(25), spec: specManifest({ maxWeight }) }).world),
    { ...promoting, spec: specManifest({ maxWeight: 10 }) },
    { ...worldAt(50), spec: specManifest({ maxWeight: 20, paused: true }) },
    ...[5, 25, 50].flatMap(beforeCheckpoints),
  ];
  return worlds.map(start);
}

/** The hold is over and the question put: nothing said yet, and everything said. */
function beforeCheckpoints(weight: number): readonly World[] {
  const spec = specManifest({ schedule: SCHEDULE.map((entry) => ({ ...entry, checkpoints: CHECKPOINTS })) });
  const asked = step({ ...worldAt(weight), spec, nowMs: worldAt(weight).nowMs + 61_000 }).world;
  const { nowMs, status } = asked;
  const stepIndex = status?.checkpoints?.stepIndex ?? 0;
  const word = approvalFor(asked, { checkpoint: 'person', role: 'team-lead', stepIndex });
  const ended = { how: 'Complete', atMs: nowMs } as const;
  const job = { kind: 'found', uid: 'job-1', revision: undefined, createdAtMs: nowMs, ended } as const;
  const early = nowMs - 3_600_000;
  return [
    asked,
    withApprovals({ ...asked, job }, [word]),
    withApprovals({ ...asked, job: { ...job, createdAtMs: early } }, [word]),
    withApprovals({ ...asked, job }, [{ ...word, createdAtMs: early, expiresAtMs: nowMs + 3_600_000 }]),
  ];
}

describe('ten thousand sequences of crashes, edits, clock jumps and leaders', () => {
  it('breaks no invariant', function invariants() {
    this.timeout(60_000);
    const starts = moments();
    const sequence = fc.tuple(fc.nat(starts.length - 1), fc.uint8Array({ minLength: 2, maxLength: 10 }));
    fc.assert(
      fc.property(sequence, ([first, bytes]) => {
        let ghost = starts[first] ?? start(freshWorld());
        for (let index = 0; index + 1 < bytes.length; index += 2) {
          ghost = happen(ghost, (bytes[index] ?? 0) % 32, bytes[index + 1] ?? 0);
        }
      }),
      { numRuns: 10_000, seed: 20_300_101 },
    );
  });
});
