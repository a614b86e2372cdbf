/**
 * The run as the core sees it: status merged with what the route's record tells when a crash left the status behind.
 */

import type { Observation } from './observation.ts';
import type { ApprovalRole } from './spec.ts';
import type { Phase, Status, ZeroStage } from './status.ts';

export type Run = {
  readonly phase: Phase;
  readonly revision: string;
  readonly stableRevision: string | undefined;
  readonly stepIndex: number;
  readonly stepStartedAtMs: number | undefined;
  readonly stepHoldMs: number;
  readonly stepCheckEveryMs: number;
  /** What we wrote last; undefined before our first write. */
  readonly weight: number | undefined;
  readonly writtenAt: string | undefined;
  readonly nextCheckAtMs: number | undefined;
  readonly blindSinceMs: number | undefined;
  readonly silentSinceMs: number | undefined;
  readonly approvalNeeded:
    | { readonly role: ApprovalRole; readonly stepIndex: number; readonly sinceMs: number }
    | undefined;
  readonly approvalsUsed: readonly string[];
  readonly condemned: NonNullable<Status['condemned']>;
  readonly zero:
    | { readonly requestedAtMs: number; readonly stage: ZeroStage; readonly provenAtMs: number | undefined }
    | undefined;
  readonly drift: Status['drift'];
};

export declare function runOf(observation: Observation): Run;
