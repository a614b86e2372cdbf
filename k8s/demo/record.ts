// Records what a rollout did, from watches of the three objects that tell it: the HTTPRoute (weights, the truth), the
// AuthRollout (what the operator thought) and Events (what it said). Called by the demo and by the end-to-end tests; the
// record goes into view.ts, report.ts and the invariants of test/support/rollout.ts.
import { z } from 'zod';
import type { Kubectl } from './kubectl.ts';

const checkResult = z.object({
  check: z.string(),
  verdict: z.string(),
  severity: z.string().optional(),
  why: z.string().optional(),
  value: z.string().optional(),
  threshold: z.string().optional(),
  requests: z.number().optional(),
});
const decision = z.object({
  decision: z.string(),
  reason: z.string(),
  message: z.string().default(''),
  at: z.string(),
});
const condition = z.object({
  type: z.string(),
  status: z.string(),
  reason: z.string(),
  message: z.string().default(''),
});
const rolloutStatus = z.object({
  phase: z.string().default(''),
  revision: z.string().default(''),
  stableRevision: z.string().default(''),
  stepIndex: z.number().optional(),
  weight: z.number().optional(),
  severity: z.string().optional(),
  blindSince: z.string().optional(),
  approvalNeeded: z.object({ role: z.string(), stepIndex: z.number(), since: z.string() }).optional(),
  drift: z.object({ weight: z.number(), kept: z.number(), manager: z.string(), at: z.string() }).optional(),
  zero: z.object({ requestedAt: z.string(), stage: z.string(), provenAt: z.string().optional() }).optional(),
  condemned: z.array(z.object({ revision: z.string(), reason: z.string(), at: z.string() })).default([]),
  lastCheck: z.object({ at: z.string(), results: z.array(checkResult).default([]) }).optional(),
  lastDecision: decision.optional(),
  conditions: z.array(condition).default([]),
});
const step = z.object({ weight: z.number(), hold: z.string(), checkEvery: z.string() });
const rolloutEvent = z.object({
  object: z.object({
    metadata: z.object({ name: z.string() }),
    spec: z.object({ schedule: z.array(step).default([]) }),
    status: rolloutStatus.optional(),
  }),
});
const routeEvent = z.object({
  object: z.object({
    metadata: z.object({ name: z.string(), annotations: z.record(z.string(), z.string()).optional() }),
    spec: z.object({
      rules: z.array(
        z.object({
          name: z.string().optional(),
          backendRefs: z.array(z.object({ name: z.string(), weight: z.number().default(1) })).default([]),
        }),
      ),
    }),
  }),
});
const eventEvent = z.object({
  object: z.object({
    metadata: z.object({ name: z.string() }),
    regarding: z.object({ kind: z.string().default(''), name: z.string().default('') }).optional(),
    type: z.string().default('Normal'),
    reason: z.string().default(''),
    note: z.string().default(''),
    eventTime: z.string().nullish(),
  }),
});

export type RolloutStatus = z.infer<typeof rolloutStatus>;
export type CheckResult = z.infer<typeof checkResult>;
export type ScheduleStep = z.infer<typeof step>;

/** The canary's share in percent at the moment that this process learnt of it. */
export interface WeightSeen {
  readonly atMs: number;
  readonly weight: number;
  /** What the operator wrote beside it: the annotation latchkey.dev/write, as it stands. */
  readonly write: string;
}

export interface Happening {
  readonly atMs: number;
  readonly reason: string;
  readonly note: string;
  readonly isWarning: boolean;
}

export interface StatusSeen {
  readonly atMs: number;
  readonly status: RolloutStatus;
}

export interface RolloutRecord {
  readonly weights: readonly WeightSeen[];
  readonly happenings: readonly Happening[];
  readonly statuses: readonly StatusSeen[];
  readonly schedule: readonly ScheduleStep[];
  /** The newest status; undefined before the operator wrote one. */
  readonly status: RolloutStatus | undefined;
  readonly weight: number | undefined;
}

export interface Recorder {
  readonly record: RolloutRecord;
  /** Resolves when the record satisfies the condition, which is checked at every change; rejects at the deadline. */
  until(what: string, bounds: Bounds, holds: (record: RolloutRecord) => boolean): Promise<void>;
  onChange(listener: () => void): void;
  stop(): void;
}

export interface Bounds {
  readonly deadlineMs: number;
  readonly signal?: AbortSignal;
}

export interface Recorded {
  readonly namespace: string;
  readonly rollout: string;
  readonly route: string;
  readonly rule: string;
}

/** Starts to record; the caller stops it. */
export function startRecorder(kubectl: Kubectl, what: Recorded): Recorder {
  const stopped = new AbortController();
  const draft: Draft = {
    weights: [],
    happenings: [],
    statuses: [],
    schedule: [],
    status: undefined,
    weight: undefined,
  };
  const listeners = new Set<() => void>();
  const changed = (): void => {
    for (const listener of listeners) listener();
  };
  const follow = (path: string, take: (event: unknown) => void): void => {
    void (async () => {
      for await (const event of kubectl.watch(path, stopped.signal)) {
        take(event);
        changed();
      }
    })();
  };
  const inNamespace = `namespaces/${what.namespace}`;
  follow(`/apis/gateway.networking.k8s.io/v1/${inNamespace}/httproutes`, (event) => takeRoute(draft, what, event));
  follow(`/apis/latchkey.dev/v1alpha1/${inNamespace}/authrollouts`, (event) => takeRollout(draft, what, event));
  follow(`/apis/events.k8s.io/v1/${inNamespace}/events`, takeEvents(draft, what));
  return {
    record: draft,
    until: (goal, bounds, holds) => untilRecord(draft, listeners, { goal, bounds, holds }),
    onChange: (listener) => listeners.add(listener),
    stop: () => stopped.abort(),
  };
}

interface Draft {
  weights: WeightSeen[];
  happenings: Happening[];
  statuses: StatusSeen[];
  schedule: ScheduleStep[];
  status: RolloutStatus | undefined;
  weight: number | undefined;
}

function takeRoute(draft: Draft, what: Recorded, event: unknown): void {
  const route = routeEvent.safeParse(event).data?.object;
  if (route?.metadata.name !== what.route) return;
  const refs = route.spec.rules.find((rule) => rule.name === what.rule)?.backendRefs ?? [];
  const total = refs.reduce((sum, ref) => sum + ref.weight, 0);
  const canary = refs.find((ref) => ref.name.endsWith('-canary'))?.weight ?? 0;
  const weight = total === 0 ? 0 : Math.round((canary / total) * 10_000) / 100;
  draft.weight = weight;
  const before = draft.weights.at(-1);
  const write = route.metadata.annotations?.['latchkey.dev/write'] ?? '';
  if (before?.weight !== weight || before.write !== write) draft.weights.push({ atMs: Date.now(), weight, write });
}

function takeRollout(draft: Draft, what: Recorded, event: unknown): void {
  const rollout = rolloutEvent.safeParse(event).data?.object;
  if (rollout?.metadata.name !== what.rollout) return;
  draft.schedule = rollout.spec.schedule;
  if (rollout.status === undefined) return;
  draft.status = rollout.status;
  draft.statuses.push({ atMs: Date.now(), status: rollout.status });
}

function takeEvents(draft: Draft, what: Recorded): (event: unknown) => void {
  const seen = new Set<string>();
  return (event) => {
    const parsed = eventEvent.safeParse(event).data?.object;
    if (parsed?.regarding?.kind !== 'AuthRollout' || parsed.regarding.name !== what.rollout) return;
    if (seen.has(parsed.metadata.name)) return;
    seen.add(parsed.metadata.name);
    const { reason, note, type } = parsed;
    const atMs = typeof parsed.eventTime === 'string' ? Date.parse(parsed.eventTime) : Date.now();
    draft.happenings.push({ atMs, reason, note, isWarning: type === 'Warning' });
  };
}

interface Wanted {
  readonly goal: string;
  readonly bounds: Bounds;
  readonly holds: (record: RolloutRecord) => boolean;
}

function untilRecord(record: RolloutRecord, listeners: Set<() => void>, wanted: Wanted): Promise<void> {
  const { goal, bounds, holds } = wanted;
  return new Promise((resolve, reject) => {
    const finish = (): void => {
      clearTimeout(timer);
      listeners.delete(look);
      bounds.signal?.removeEventListener('abort', abort);
    };
    const look = (): void => {
      if (!holds(record)) return;
      finish();
      resolve();
    };
    const abort = (): void => {
      finish();
      const { message } = z.instanceof(Error).catch(new Error('stopped')).parse(bounds.signal?.reason);
      reject(new Error(`${message} while waiting for: ${goal}`, { cause: bounds.signal?.reason }));
    };
    const timer = setTimeout(() => {
      finish();
      reject(new Error(`${goal} did not happen within ${bounds.deadlineMs / 1000} s. ${standing(record)}`));
    }, bounds.deadlineMs);
    listeners.add(look);
    bounds.signal?.addEventListener('abort', abort, { once: true });
    look();
  });
}

/** Where the rollout stands, in one sentence: for messages about something that did not happen. */
export function standing(record: RolloutRecord): string {
  const { status } = record;
  if (status === undefined) return `The AuthRollout has no status yet; weight ${record.weight ?? 'unknown'}.`;
  const why = status.lastDecision;
  const decided = why === undefined ? '' : ` Last decision: ${why.decision} (${why.reason}): ${why.message}`;
  return `Phase ${status.phase}, step ${status.stepIndex ?? '–'}, weight ${record.weight ?? 'unknown'}.${decided}`;
}
