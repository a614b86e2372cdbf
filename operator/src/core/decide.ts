/**
 * From an observation and its verdict to one decision. reconcile.ts calls it; plan.ts turns the decision into actions.
 */

import type { Judgement, Severity } from './judge.ts';
import type { DecisionKind, Observation } from './observation.ts';
import type { Reason } from './reason.ts';
import type { Run } from './run.ts';

/** What shall be true of the cluster; 'leave' means that this pass has no business with it. */
export type Want = {
  readonly weight: number | 'leave';
  /** 'at-least' never scales down, 'exactly' does. */
  readonly canaryReplicas: 'leave' | { readonly kind: 'at-least' | 'exactly'; readonly replicas: number };
  /** Which template stable shall have: the target's, or the one of status.stableRevision. */
  readonly stable: 'leave' | 'target-template' | 'previous-template';
  /** 'detached': the canary Service selects stable's pods. */
  readonly canaryService: 'leave' | 'attached' | 'detached';
  /** 'release': take the finalizer off, the last thing of a deletion. */
  readonly finalizer: 'leave' | 'add' | 'release';
};

export type Decision = {
  readonly kind: DecisionKind;
  readonly reason: Reason;
  /** One sentence with the figures. */
  readonly message: string;
  readonly severity: Severity | undefined;
  /** The run once the plan is carried out. */
  readonly run: Run;
  readonly want: Want;
  /** True when a successor holds the Lease: the shell must stop writing and step down. */
  readonly deposed: boolean;
};

export declare function decide(observation: Observation, judgement: Judgement): Decision;
