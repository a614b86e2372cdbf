/**
 * What is kept of a decision so that it can be made again: decision-log.ts calls recordOf after each pass that decided
 * something new and chains the result; the plugin gives it to `rejudge`, which runs judge and decide on what was kept.
 * @see docs/adr/0016-decision-log.md
 */

import type { Verdict } from './checks.ts';
import { type Decision, decide } from './decide.ts';
import { type Judgement, judge } from './judge.ts';
import type { Observation } from './observation.ts';
import type { Outcome } from './plan.ts';
import { fromJson, toJson } from './record-json.ts';
import { canonicalJson } from './revision.ts';
import type { Spec, SpecReading } from './spec.ts';
import type { Status } from './status.ts';

export const RECORD_KIND = 'decision-record';
export const RECORD_FORMAT = 1;

/** Who decided, and on whose word where a person stood behind it. */
export type RecordActor = {
  readonly pod: string;
  readonly version: string;
  /** The fencing token. */
  readonly token: number;
  readonly person?: string;
};

export type ContainerImage = { readonly container: string; readonly image: string };

/** A record before it has its place in the chain. */
export type DecisionDraft = {
  readonly kind: typeof RECORD_KIND;
  readonly format: typeof RECORD_FORMAT;
  /** RFC 3339, of the observation. */
  readonly time: string;
  readonly rollout: { readonly namespace: string; readonly name: string; readonly uid: string };
  readonly actor: RecordActor;
  readonly revision: string;
  /** As the template names them. */
  readonly images: readonly ContainerImage[];
  /** What the canary's pods run, by digest; absent while no pod was known. */
  readonly runningImages?: readonly ContainerImage[];
  /** PromQL by the name of its sample; absent when this pass ran no checks. */
  readonly queries?: Readonly<Record<string, string>>;
  /** Plain JSON; `fromJson` makes it an observation again. */
  readonly observation: unknown;
  readonly judgement: unknown;
  readonly decision: RecordedDecision;
  readonly outcome: string;
};

/** The part of a decision that can be compared; the run follows from it and from the observation. */
export type RecordedDecision = {
  readonly kind: string;
  readonly reason: string;
  readonly message: string;
  readonly severity?: string | undefined;
  readonly want: unknown;
  /** What was written on the route, with the weight; absent when the route stayed untouched. */
  readonly write?: unknown;
};

/** What a pass brings that the observation does not hold. */
export type PassFacts = {
  readonly actor: Omit<RecordActor, 'token' | 'person'>;
  readonly images: readonly ContainerImage[];
  readonly runningImages: readonly ContainerImage[];
  readonly queries: Readonly<Record<string, string>> | undefined;
  readonly outcome: Outcome;
};

export function recordOf(
  observation: Observation,
  judgement: Judgement,
  decision: Decision,
  facts: PassFacts,
): DecisionDraft {
  const { namespace, name, uid } = observation.rollout;
  const person = personBehind(observation, decision);
  return {
    kind: RECORD_KIND,
    format: RECORD_FORMAT,
    time: new Date(observation.nowMs).toISOString(),
    rollout: { namespace, name, uid },
    actor: { ...facts.actor, token: observation.leader.token, ...(person === undefined ? {} : { person }) },
    revision: decision.run.revision,
    images: facts.images,
    ...(facts.runningImages.length === 0 ? {} : { runningImages: facts.runningImages }),
    ...(facts.queries === undefined ? {} : { queries: facts.queries }),
    observation: toJson(reduced(observation)),
    judgement: toJson(judgement),
    decision: comparable(decision),
    outcome: facts.outcome.kind === 'done' ? 'done' : `${facts.outcome.kind} ${facts.outcome.code}`,
  };
}

/**
 * The observation without what neither judge nor decide reads: pod templates are large and may hold anything, and the
 * status tells people the past. What the type gains comes along by itself.
 */
export function reduced(observation: Observation): Observation {
  const { status, target, stable, previousTemplate, spec } = observation;
  return {
    ...observation,
    spec: withoutPassword(spec),
    status: status && withoutPast(status),
    target: target && { ...target, template: {} },
    stable: stable && { ...stable, template: {} },
    previousTemplate: previousTemplate && {},
  };
}

function withoutPast(status: Status): Status {
  const { history: _history, conditions: _conditions, lastCheck: _lastCheck, ...kept } = status;
  return kept;
}

/** An address may carry a user's password, and records are read by many. */
function withoutPassword(reading: SpecReading): SpecReading {
  const clean = (spec: Spec): Spec => ({
    ...spec,
    prometheusAddress: spec.prometheusAddress.replace(/\/\/[^/@]*@/, '//'),
  });
  if (reading.kind === 'valid') return { ...reading, spec: clean(reading.spec) };
  return { ...reading, usable: reading.usable && clean(reading.usable) };
}

export function comparable({ kind, reason, message, severity, want, record }: Decision): RecordedDecision {
  return {
    kind,
    reason,
    message,
    ...(severity === undefined ? {} : { severity }),
    want,
    ...(record === undefined ? {} : { write: record }),
  };
}

/** Who approved, or who set a weight by hand. */
function personBehind({ status, route }: Observation, { reason, run }: Decision): string | undefined {
  if (reason === 'Drifted') return route.kind === 'programmable' ? route.rulesManager?.name : undefined;
  return run.approvalsUsed.find(({ uid }) => status?.approvalsUsed?.some((known) => known.uid === uid) !== true)?.by;
}

/** What judge and decide make of a kept observation now. @throws when it is no observation at all */
export function rejudge(kept: unknown): { readonly judgement: unknown; readonly decision: RecordedDecision } {
  const observation = observationIn(kept);
  const judgement = judge(observation);
  return { judgement: toJson(judgement), decision: comparable(decide(observation, judgement)) };
}

/**
 * The cast is the point of the format: an observation is kept whatever fields it has, so no schema can list them. What was
 * broken on the way gives another decision, or throws; both are told.
 */
export function observationIn(kept: unknown): Observation {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return fromJson(kept) as Observation;
}

/** Names of the fields in which two plain values differ: `judgement.step.results.2.verdict`. At most `limit`. */
export function differences(left: unknown, right: unknown, path: string, limit = 8): readonly string[] {
  if (canonicalJson(left) === canonicalJson(right)) return [];
  if (!isObject(left) || !isObject(right) || Array.isArray(left) !== Array.isArray(right)) return [path];
  const keys = new Set([...Object.keys(left), ...Object.keys(right)]);
  const found: string[] = [];
  for (const key of keys) {
    if (found.length >= limit) break;
    found.push(...differences(left[key], right[key], `${path}.${key}`, limit - found.length));
  }
  return found;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

/** The decision before, as the log or the status knows it. */
export type KnownDecision = { readonly decision: string; readonly reason: string };

/** True for what deserves a record: another decision, or checks or checkpoints that found something else. */
export function isNews(
  before: KnownDecision | undefined,
  status: Status | undefined,
  judgement: Judgement,
  { kind, reason }: Decision,
): boolean {
  if (before === undefined || before.decision !== kind || before.reason !== reason) return true;
  const said = new Map(status?.checkpoints?.answers.map(({ name, answer }) => [name, answer]));
  if (judgement.checkpoints?.some(({ name, answer }) => said.get(name) !== answer) === true) return true;
  const known = new Map(status?.lastCheck?.results.map((result) => [result.check, wordOf(result)]));
  return (judgement.step?.results ?? []).some(({ check, verdict }) => known.get(check) !== verdictWord(verdict));
}

type Shown = NonNullable<Status['lastCheck']>['results'][number];

function wordOf({ verdict, severity, why }: Shown): string {
  return `${verdict} ${severity ?? why ?? ''}`;
}

function verdictWord(verdict: Verdict): string {
  const detail = verdict.kind === 'fail' ? verdict.severity : verdict.kind === 'unknown' ? verdict.why : '';
  return `${verdict.kind} ${detail}`;
}
