/**
 * What is worth a message in a pass: pure, from the status before and the status after. notifier.ts asks with each pass that
 * report.ts tells of; text.ts words the answer.
 *
 * It compares two statuses and not two decisions, because the status is written under a test of its predecessor: each change of it
 * happens once, in one pass of one leader, and a pass after a crash that finds the route ahead of the status tells of it then.
 */
import { createHash } from 'node:crypto';
import { durationToMs } from '../core/duration.ts';
import type { Observation } from '../core/observation.ts';
import type { Status } from '../core/status.ts';
import { type Act, actOf } from './next-act.ts';

export const EVENTS = ['step', 'hold', 'reduction', 'zero', 'rollback', 'approval', 'drift', 'done'] as const;
export type EventKind = (typeof EVENTS)[number];

export const NEWS_SEVERITIES = ['P0', 'P1', 'P2', 'P3', 'None'] as const;
export type NewsSeverity = (typeof NEWS_SEVERITIES)[number];

/** GREEN: nobody is needed. YELLOW: it waits or goes slower. RED: the traffic was taken away. */
export type Light = 'GREEN' | 'YELLOW' | 'RED';

export type Figure = NonNullable<Status['lastCheck']>['results'][number];

/** One event with everything that a message tells. */
export interface News {
  /** The same for the same event, whoever sends it. */
  readonly id: string;
  /** The headline first; a P1 is `zero` and `approval` in one. */
  readonly events: readonly [EventKind, ...EventKind[]];
  readonly atMs: number;
  readonly light: Light;
  readonly severity: NewsSeverity;
  readonly rollout: { readonly namespace: string; readonly name: string; readonly uid: string };
  readonly revision: string;
  readonly stableRevision: string;
  readonly phase: string;
  readonly reason: string;
  /** The decision's own sentence. */
  readonly message: string;
  readonly weight: { readonly before: number; readonly after: number };
  readonly step: { readonly index: number; readonly of: number };
  /** The checks behind it: those that failed, or all when none did. */
  readonly figures: readonly Figure[];
  /** When something happens next by itself. */
  readonly nextAt: string | undefined;
  readonly act: Act | undefined;
}

/** What a pass saw and left behind. */
export interface Change {
  readonly observation: Pick<Observation, 'rollout' | 'status' | 'nowMs' | 'spec'>;
  readonly after: Status;
}

/** @returns undefined for the many passes of which nobody needs to hear */
export function newsOf(change: Change): News | undefined {
  const { rollout } = change.observation;
  // Whoever deletes the object is looking at it.
  if (rollout.deleting) return undefined;
  const events = eventsOf(change);
  const [headline, ...others] = events;
  return headline === undefined ? undefined : compose(change, [headline, ...others]);
}

function eventsOf(change: Change): readonly EventKind[] {
  const { observation, after } = change;
  const before = observation.status;
  const moved = movement(before, after);
  const isNewNeed = after.approvalNeeded !== undefined && after.approvalNeeded.since !== before?.approvalNeeded?.since;
  const isNewDrift = after.drift !== undefined && after.drift.at !== before?.drift?.at;
  const headline = isNewDrift && moved !== 'rollback' ? 'drift' : moved;
  const events: EventKind[] = headline === undefined ? [] : [headline];
  if (isNewNeed || isNewQuestion(change)) events.push('approval');
  return events.length === 0 && isMatteringHold(change) ? ['hold'] : events;
}

/** A person is called when his checkpoint is put, once: others may be asked meanwhile. */
function isNewQuestion({ observation, after }: Change): boolean {
  const { checkpoints } = after;
  const before = observation.status?.checkpoints;
  if (checkpoints === undefined || (before?.since === checkpoints.since && before.answers.length > 0)) return false;
  return checkpoints.answers.some(({ kind, answer }) => kind === 'person' && answer !== 'yes');
}

/** A no, the first one of a question. */
function isFirstNo(before: Status | undefined, { checkpoints, lastDecision }: Status): boolean {
  if (lastDecision?.reason !== 'CheckpointNo' || checkpoints === undefined) return false;
  const sinceMs = Date.parse(checkpoints.since);
  return before?.history?.some(({ reason, at }) => reason === 'CheckpointNo' && Date.parse(at) >= sinceMs) !== true;
}

/** What happened to the traffic. */
function movement(before: Status | undefined, after: Status): EventKind | undefined {
  const isKnown = (revision: string): boolean =>
    before?.condemned?.some((entry) => entry.revision === revision) ?? false;
  if (after.condemned?.some(({ revision }) => !isKnown(revision)) === true) return 'rollback';
  if (after.phase === 'Zeroed' && before?.phase !== 'Zeroed') return 'zero';
  // The first adoption moves everything from the target to its copy: the same revision serves before and after.
  if (before?.phase === undefined || before.phase === 'Initializing') return undefined;
  if (before.phase === 'Promoting' && after.phase === 'Succeeded') return 'done';
  const from = before.weight ?? 0;
  const to = after.weight ?? 0;
  if (to > from) return 'step';
  // The end of a promotion: stable has the revision and takes its traffic over.
  if (to === from || after.phase === 'Promoting') return undefined;
  return to === 0 ? 'zero' : 'reduction';
}

/** The first query that fails is most often Prometheus being restarted. */
const BLIND_MS = 60_000;
/** How long a finished hold may wait for requests before somebody should know that it will not go on by itself. */
const THIN_MS = 600_000;

/** A hold that a person would want to know of, at the moment it begins to matter. */
function isMatteringHold(change: Change): boolean {
  const { observation, after } = change;
  const before = observation.status;
  if (isNewlyStalled(before, after) || isFirstNo(before, after)) return true;
  if (after.phase !== 'Progressing') return false;
  if (after.severity === 'P3' && before?.severity !== 'P3') return !wasToldInStep(before, after, 'SeverityP3');
  if (after.lastDecision?.reason === 'AlertFiring' && before?.lastDecision?.reason !== 'AlertFiring')
    return !wasToldInStep(before, after, 'AlertFiring');
  if (after.blindSince !== undefined && isReached(change, Date.parse(after.blindSince) + BLIND_MS)) return true;
  if (after.lastDecision?.reason !== 'TooLittleTraffic' || after.stepStartedAt === undefined) return false;
  return isReached(change, Date.parse(after.stepStartedAt) + durationToMs(after.stepHold ?? '0s') + THIN_MS);
}

/** A rate that hovers around its limit is one message a step, not one a check: the history in the status is the memory. */
function wasToldInStep(before: Status | undefined, after: Status, reason: string): boolean {
  const sinceMs = Date.parse(after.stepStartedAt ?? '');
  return before?.history?.some((entry) => entry.reason === reason && Date.parse(entry.at) >= sinceMs) ?? false;
}

/** Told by other events, or known to whoever asked for it. */
const TOLD_OTHERWISE: ReadonlySet<string> = new Set([
  'ApprovalNeeded',
  'CheckpointNeedsPerson',
  'CheckpointNo',
  'SeverityP0',
  'SeverityP1',
]);

function isNewlyStalled(before: Status | undefined, after: Status): boolean {
  const stalled = (status: Status | undefined) =>
    status?.conditions?.find(({ type, status: value }) => type === 'Stalled' && value === 'True');
  const now = stalled(after);
  return now !== undefined && !TOLD_OTHERWISE.has(now.reason) && stalled(before)?.reason !== now.reason;
}

/** True in the one pass whose check is the first after the moment; the time of the check before it is in the status. */
function isReached({ observation, after }: Change, atMs: number): boolean {
  const lastMs = Date.parse(observation.status?.lastCheck?.at ?? '');
  const thisMs = Date.parse(after.lastCheck?.at ?? '');
  return lastMs < atMs && atMs <= thisMs;
}

function compose(change: Change, events: News['events']): News {
  const { observation, after } = change;
  const { namespace, name, uid } = observation.rollout;
  const [headline] = events;
  const spec = observation.spec.kind === 'valid' ? observation.spec.spec : observation.spec.usable;
  const revision = after.revision ?? '';
  const at = after.lastDecision?.at ?? new Date(observation.nowMs).toISOString();
  const severity = headline === 'step' || headline === 'done' ? 'None' : (after.severity ?? 'None');
  return {
    id: createHash('sha256').update([uid, revision, headline, at].join('\n')).digest('hex').slice(0, 32),
    events,
    atMs: observation.nowMs,
    light: lightOf(headline, after),
    severity,
    rollout: { namespace, name, uid },
    revision,
    stableRevision: after.stableRevision ?? '',
    phase: after.phase ?? '',
    reason: after.lastDecision?.reason ?? '',
    message: after.lastDecision?.message ?? '',
    weight: { before: observation.status?.weight ?? 0, after: after.weight ?? 0 },
    step: { index: after.stepIndex ?? 0, of: spec?.schedule.length ?? 0 },
    figures: figuresOf(after),
    nextAt: nextAtOf(after),
    act: actOf({ namespace, name, headline, after, schedule: spec?.schedule ?? [] }),
  };
}

/** A canary at 0 % because something newer was released is no alarm. */
function lightOf(headline: EventKind, { phase }: Status): Light {
  if (headline === 'step' || headline === 'done') return 'GREEN';
  return phase === 'Zeroed' || phase === 'RolledBack' ? 'RED' : 'YELLOW';
}

function figuresOf({ lastCheck }: Status): readonly Figure[] {
  const results = lastCheck?.results ?? [];
  const failed = results.filter(({ verdict }) => verdict === 'fail');
  return failed.length > 0 ? failed : results.filter(({ value, why }) => value !== undefined || why !== undefined);
}

function nextAtOf({ phase, stepStartedAt, stepHold, approvalNeeded, checkpoints }: Status): string | undefined {
  if (phase !== 'Progressing' || stepStartedAt === undefined) return undefined;
  if (approvalNeeded !== undefined || checkpoints !== undefined) return undefined;
  return new Date(Date.parse(stepStartedAt) + durationToMs(stepHold ?? '0s')).toISOString();
}
