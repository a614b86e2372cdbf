// Judges a finished demo: what was promised, whether it held, and the evidence. Called by demo.ts with what was recorded
// (record.ts) and what the clients saw (answers.ts); the exit code and the printed report come from here. Pure.
import { z } from 'zod';
import {
  type Answer,
  type AnswerCounts,
  countAnswers,
  type Exposure,
  exposureOf,
  failureKinds,
  type LostSession,
} from './answers.ts';
import type { CheckResult, Happening, RolloutStatus, WeightSeen } from './record.ts';

/** One rollout as it was recorded, from the `helm upgrade` to its end. */
export interface RolloutFacts {
  readonly title: string;
  readonly from: string;
  readonly to: string;
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  readonly scheduledWeights: readonly number[];
  readonly weights: readonly WeightSeen[];
  readonly happenings: readonly Happening[];
  readonly statuses: readonly { readonly atMs: number; readonly status: RolloutStatus }[];
}

export interface DemoFacts {
  readonly healthy: RolloutFacts;
  readonly sick: RolloutFacts;
  readonly answers: readonly Answer[];
  readonly lost: readonly LostSession[];
  readonly trafficFromMs: number;
  readonly trafficUntilMs: number;
}

/** A promise of the demo; the exit code is 0 only when every one holds. */
export interface Claim {
  readonly claim: string;
  readonly holds: boolean;
  readonly evidence: string;
}

/** What happened at one step: how much it carried, how it was judged, what was decided and why. */
export interface StepLine {
  readonly atMs: number;
  readonly weight: number;
  readonly requests: number;
  readonly failed: number;
  readonly decision: string;
  readonly reason: string;
  readonly message: string;
  readonly checks: readonly CheckResult[];
}

export interface RolloutReport {
  readonly title: string;
  readonly from: string;
  readonly to: string;
  readonly durationMs: number;
  readonly outcome: string;
  readonly steps: readonly StepLine[];
  readonly clients: AnswerCounts;
}

export interface Report {
  readonly rollouts: readonly RolloutReport[];
  readonly exposure: Exposure | undefined;
  readonly sessionsLost: number;
  readonly claims: readonly Claim[];
  readonly allHold: boolean;
}

const writeAnnotation = z.object({ decision: z.string(), reason: z.string() });
/** A status may be seen a little before the route that was written first: two watches, two connections. */
const statusLagMs = 200;

/** From the first faulty answer to the last answer of the sick version, at most (issue: at p95 over 10 rollouts). */
const exposureLimitMs = 3_000;
/** After the rollback stable must be seen serving: at least this long and this many answers. */
const aftermathAnswers = 100;

export function makeReport(facts: DemoFacts): Report {
  const exposure = exposureOf(
    facts.answers.filter((answer) => answer.atMs >= facts.sick.startedAtMs),
    facts.sick.to,
  );
  const claims = [...claimsOfHealthy(facts), ...claimsOfSick(facts, exposure), claimOfSessions(facts)];
  return {
    rollouts: [reportOf(facts.healthy, facts.answers), reportOf(facts.sick, facts.answers)],
    exposure,
    sessionsLost: facts.lost.length,
    claims,
    allHold: claims.every((claim) => claim.holds),
  };
}

function claimsOfHealthy(facts: DemoFacts): Claim[] {
  const { healthy } = facts;
  const last = healthy.statuses.at(-1)?.status;
  const counts = countAnswers(facts.answers, facts.trafficFromMs, facts.sick.startedAtMs);
  const climbed = climb(healthy.weights);
  return [
    {
      claim: 'The healthy version is promoted',
      holds: last?.phase === 'Succeeded' && last.stableRevision === last.revision && climbed.length > 0,
      evidence: `phase ${last?.phase ?? 'unknown'}, stable runs revision ${last?.stableRevision ?? 'unknown'}`,
    },
    {
      claim: 'It took each step of the schedule, in order',
      holds: climbed.join() === healthy.scheduledWeights.join(),
      evidence: `weights ${climbed.map((weight) => `${weight} %`).join(' → ')}`,
    },
    {
      claim: 'Adoption, upgrade and promotion fail no request',
      holds: counts.failed === 0 && counts.requests > 0,
      evidence: `${counts.failed} of ${counts.requests} failed at the client${kindsText(facts)}`,
    },
  ];
}

/** The commonest failures before the sick rollout, for whoever has to find out why. */
function kindsText({ answers, trafficFromMs, sick }: DemoFacts): string {
  const kinds = failureKinds(answers, trafficFromMs, sick.startedAtMs).slice(0, 4);
  return kinds.length === 0 ? '' : ` (${kinds.join(', ')})`;
}

function claimsOfSick(facts: DemoFacts, exposure: Exposure | undefined): Claim[] {
  const { sick } = facts;
  const last = sick.statuses.at(-1)?.status;
  const rollback = decisionsOf(sick).find(({ decision, reason }) => decision === 'rollback' && reason === 'SeverityP0');
  const counts = countAnswers(facts.answers, sick.startedAtMs, facts.trafficUntilMs);
  const fromOthers = counts.failed - (counts.failedByVersion[sick.to] ?? 0);
  const after = countAnswers(facts.answers, (exposure?.lastAnswerAtMs ?? sick.endedAtMs) + 1, facts.trafficUntilMs);
  return [
    {
      claim: 'The sick version is rolled back by the P0 rule',
      holds: last?.phase === 'RolledBack' && rollback !== undefined && sick.weights.at(-1)?.weight === 0,
      evidence: rollback === undefined ? 'no rollback was decided' : `${rollback.reason}: ${rollback.message}`,
    },
    {
      claim: `Its last answer comes within ${exposureLimitMs / 1000} s of its first faulty one`,
      holds: exposure !== undefined && exposure.exposureMs <= exposureLimitMs,
      evidence: exposure === undefined ? 'it never answered with a fault' : exposureText(exposure),
    },
    {
      claim: 'Nobody but the sick version fails a request',
      holds: fromOthers === 0 && counts.requests > 0,
      evidence: `${counts.failed} of ${counts.requests} failed at the client, ${fromOthers} of them not from ${sick.to}`,
    },
    {
      claim: 'Stable serves everybody afterwards',
      holds: after.failed === 0 && after.requests >= aftermathAnswers,
      evidence: `${after.requests} answers after the last of ${sick.to}, ${after.failed} failed`,
    },
  ];
}

function claimOfSessions(facts: DemoFacts): Claim {
  const refreshed = facts.answers.filter((answer) => answer.route === 'refresh' && answer.status === 200).length;
  return {
    claim: 'No session is lost',
    holds: facts.lost.length === 0 && refreshed > 0,
    evidence: `${facts.lost.length} lost, ${refreshed} refreshed`,
  };
}

function exposureText(exposure: Exposure): string {
  const seconds = (exposure.exposureMs / 1000).toFixed(2);
  return `${seconds} s at ${exposure.requestsPerSecond} canary requests/s, ${exposure.faultyAnswers} faulty answers`;
}

/** The weights on the way up, each once: 5, 10, 25, 50, 100. */
export function climb(weights: readonly WeightSeen[]): number[] {
  const climbed: number[] = [];
  for (const { weight } of weights) if (weight > (climbed.at(-1) ?? 0)) climbed.push(weight);
  return climbed;
}

function reportOf(facts: RolloutFacts, answers: readonly Answer[]): RolloutReport {
  return {
    title: facts.title,
    from: facts.from,
    to: facts.to,
    durationMs: facts.endedAtMs - facts.startedAtMs,
    outcome: facts.statuses.at(-1)?.status.phase ?? 'unknown',
    steps: stepsOf(facts, answers),
    clients: countAnswers(answers, facts.startedAtMs, facts.endedAtMs),
  };
}

/** A line for each weight above 0 that was live, with the decision whose write ended it. */
function stepsOf(facts: RolloutFacts, answers: readonly Answer[]): StepLine[] {
  const changes = facts.weights.filter(({ weight }, index) => weight !== facts.weights[index - 1]?.weight);
  const carried = answers.filter((answer) => answer.version === facts.to);
  return changes.flatMap((change, index) => {
    if (change.weight === 0) return [];
    const next = changes[index + 1];
    const untilMs = next?.atMs ?? facts.endedAtMs;
    const { requests, failed } = countAnswers(carried, change.atMs, untilMs);
    const checks = lastCheckBefore(facts, untilMs);
    return [{ atMs: change.atMs, weight: change.weight, requests, failed, checks, ...decisionBehind(facts, next) }];
  });
}

/** The status with a decision is written after the route, so the write names the decision and the status its message. */
function decisionBehind(
  facts: RolloutFacts,
  change: WeightSeen | undefined,
): Pick<StepLine, 'decision' | 'reason' | 'message'> {
  const write = parseWrite(change?.write);
  if (write === undefined || change === undefined) return { decision: 'none', reason: '', message: '' };
  const { decision, reason } = write;
  const told = decisionsOf(facts).find((seen) => seen.atMs > change.atMs - statusLagMs && seen.reason === reason);
  return { decision, reason, message: told?.message ?? '' };
}

function lastCheckBefore(facts: RolloutFacts, untilMs: number): readonly CheckResult[] {
  const checks = facts.statuses.flatMap(({ status }) => status.lastCheck ?? []);
  return checks.findLast(({ at }) => Date.parse(at) <= untilMs)?.results ?? [];
}

function parseWrite(text: string | undefined): z.infer<typeof writeAnnotation> | undefined {
  if (text === undefined || text === '') return undefined;
  try {
    return writeAnnotation.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

interface DecisionSeen {
  readonly atMs: number;
  readonly decision: string;
  readonly reason: string;
  readonly message: string;
  /** RFC 3339, by the operator's clock. */
  readonly at: string;
}

/** The decisions that the statuses show, each once, at the time when its status was seen. */
export function decisionsOf(facts: Pick<RolloutFacts, 'statuses'>): DecisionSeen[] {
  const decisions: DecisionSeen[] = [];
  let before = '';
  for (const { atMs, status } of facts.statuses) {
    const { lastDecision } = status;
    if (lastDecision === undefined || lastDecision.at === before) continue;
    before = lastDecision.at;
    decisions.push({ atMs, ...lastDecision });
  }
  return decisions;
}
