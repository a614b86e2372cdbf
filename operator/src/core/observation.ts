/**
 * Everything one pass knows, as plain data: observe.ts (the shell) builds it, judge.ts, decide.ts, plan.ts and
 * status-from.ts read it. Time is part of it; nothing in core/ asks a clock.
 */

import type { ApprovalsView } from './approval.ts';
import type { CheckpointFact } from './checkpoints.ts';
import type { CohortView } from './cohort-view.ts';
import type { Complaint } from './complaints.ts';
import type { Severity } from './matrix.ts';
import type { SpecReading } from './spec.ts';
import type { Status } from './status.ts';
import type { SentinelView } from './window.ts';

export type Labels = Readonly<Record<string, string>>;

/** A pod template as JSON: `{metadata: {labels, annotations}, spec}`. The core relabels it and never looks into the spec. */
export type PodTemplate = {
  readonly metadata?: { readonly labels?: Labels; readonly [key: string]: unknown };
  readonly spec?: unknown;
  readonly [key: string]: unknown;
};

/** One Deployment. Counts absent from its status are 0. */
export type DeploymentView = {
  readonly name: string;
  readonly uid: string;
  /** Target: `revisionOf(template, sha256)`. Stable: the label latchkey.dev/revision of its pod template, '' if absent. */
  readonly revision: string;
  readonly template: PodTemplate;
  /** spec.selector.matchLabels */
  readonly selector: Labels;
  readonly generation: number;
  readonly observedGeneration: number;
  /** spec.replicas (what is wanted) */
  readonly replicas: number;
  /** status.replicas: pods of every revision that exist now */
  readonly currentReplicas: number;
  readonly updatedReplicas: number;
  readonly readyReplicas: number;
};

export type ServiceView = { readonly name: string; readonly selector: Labels };

/** What we wrote last, read back from the annotation latchkey.dev/write. */
export type WriteRecord = {
  readonly weight: number;
  readonly revision: string;
  readonly stepIndex: number;
  readonly decision: DecisionKind;
  readonly reason: string;
  /** RFC 3339 with milliseconds */
  readonly at: string;
  /** The cookie that our own two rules went by; absent where the write brought none. */
  readonly cohort?: string | undefined;
};

/** See docs/glossary.md; also a metric label. */
export type DecisionKind = 'hold' | 'advance' | 'promote' | 'reduce' | 'zero' | 'rollback';

/** The HTTPRoute as far as we may touch it. */
export type RouteView =
  | { readonly kind: 'missing' }
  | { readonly kind: 'rule-missing'; readonly uid: string; readonly ruleNames: readonly string[] }
  | { readonly kind: 'backends-missing'; readonly uid: string; readonly backendNames: readonly string[] }
  | ProgrammableRoute;

/** A route whose rule has our two backends. */
export type ProgrammableRoute = {
  readonly kind: 'programmable';
  readonly uid: string;
  readonly resourceVersion: string;
  readonly ruleName: string;
  readonly ruleIndex: number;
  readonly stable: BackendView;
  readonly canary: BackendView;
  readonly hasAnnotations: boolean;
  /** The raw text of latchkey.dev/fence, if the annotation is there. */
  readonly fence: string | undefined;
  /** The raw text of latchkey.dev/write, if the annotation is there; `readRecord` parses it. */
  readonly write: string | undefined;
  /** Who last changed spec.rules, from managedFields. */
  readonly rulesManager: { readonly name: string; readonly at: string } | undefined;
  /** Every parent reports Accepted for the current generation. For the condition RouteProgrammed only, never a gate. */
  readonly accepted: boolean;
  /** Present where spec.cohort is set or a rule of ours is on the route. */
  readonly cohort?: CohortView;
};

/** weight is undefined when the manifest omits it, which Gateway API defines as 1. */
export type BackendView = { readonly name: string; readonly index: number; readonly weight: number | undefined };

/** Why a number is not known. TooLittleTraffic and FewLogins are judged by the core; the shell reports the others. */
export type UnknownWhy =
  | 'PrometheusUnreachable'
  | 'PrometheusError'
  | 'Timeout'
  | 'NoData'
  | 'NotANumber'
  | 'SeveralSeries'
  | 'NoSentinel'
  | 'NoAnswer'
  | 'TooLittleTraffic'
  | 'FewLogins';

/** One scalar of one query. */
export type Sample =
  | { readonly kind: 'value'; readonly value: number }
  | { readonly kind: 'unknown'; readonly why: UnknownWhy };

/** The step's checks: counts over `windowMs` ending at takenAtMs, each from one PromQL instant query over the canary pods. */
export type StepSamples = {
  readonly takenAtMs: number;
  readonly windowMs: number;
  /** Whose pods were counted; empty: all of the Deployment's. */
  readonly replicaSets: readonly string[];
  readonly requests: Sample;
  readonly serverErrors: Sample;
  /** Requests slower than matrix.latencyP95.p1/p2/p3: all requests of the histogram less the bucket at that bound. */
  readonly slow: { readonly p1: Sample; readonly p2: Sample; readonly p3: Sample };
  readonly logins: Sample;
  readonly loginFailures: Sample;
  /** The same two of the stable pods; NoData is fine there (at weight 100 nobody logs in on stable). */
  readonly stableLogins: Sample;
  readonly stableLoginFailures: Sample;
  /** Connection plus query errors over databaseWindowMs (at least a minute). */
  readonly databaseErrors: Sample;
  readonly databaseWindowMs: number;
  /** Over matrix.complaints.window. */
  readonly complaints: Sample;
  /** Absolute value summed over the canary pods, not an increase: the first signal ever is the one that counts. */
  readonly dataLoss: Sample;
};

/** An alert of somebody else that fires for this rollout. */
export type SignalView = { readonly name: string; readonly severity: Severity; readonly sinceMs: number };

/** What one pass of the reconciler saw. */
export type Observation = {
  /** Epoch milliseconds at the end of the reading. */
  readonly nowMs: number;
  readonly leader: {
    /** Our fencing token: leaseTransitions + 1 when we took the Lease. */
    readonly token: number;
    /**
     * The token of the Lease's present holder, read AFTER the route. The shell needs a fresh GET only when the route's
     * fence is above `token`; else it repeats `token`. It tells a successor (step down) from a forged annotation (drift).
     */
    readonly leaseToken: number;
  };
  readonly rollout: {
    readonly namespace: string;
    readonly name: string;
    readonly uid: string;
    readonly generation: number;
    readonly deleting: boolean;
    readonly hasFinalizer: boolean;
  };
  readonly spec: SpecReading;
  readonly status: Status | undefined;
  readonly target: DeploymentView | undefined;
  readonly stable: DeploymentView | undefined;
  /** Pod template of stable's ReplicaSet whose label latchkey.dev/revision is status.stableRevision; needed only while stable.revision differs from it. */
  readonly previousTemplate: PodTemplate | undefined;
  readonly services: { readonly stable: ServiceView | undefined; readonly canary: ServiceView | undefined };
  readonly route: RouteView;
  /** Present only when this pass ran the step's checks (`checksDue`). */
  readonly samples: StepSamples | undefined;
  /** Present only while an approval or a checkpoint's person is asked for and nothing is urgent. */
  readonly approvals: ApprovalsView | undefined;
  /** `viewWindow(...)` of the sentinel's window; undefined when the sentinel does not run for this rollout yet. */
  readonly sentinel: SentinelView | undefined;
  /** What Alertmanager says is firing, the worst first; at most 20. */
  readonly signals: readonly SignalView[];
  /** The newest RolloutComplaints about this rollout, of whatever revision; absent in records of an operator that knew none. */
  readonly complaints?: readonly Complaint[];
  /** Present only when this pass asked the checkpoints before the next step (`checkpointsDue`). */
  readonly checkpoints?: readonly CheckpointFact[];
};
