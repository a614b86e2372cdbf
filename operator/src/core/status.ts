/**
 * AuthRollout.status: only what cannot be observed elsewhere (each field says why it is there).
 * observe.ts parses it with parseStatus; status-from.ts builds the next one; crd/generate.ts makes its schema.
 */

import * as z from 'zod';
import { APPROVAL_LIMITS, APPROVAL_ROLES, checkpointName } from './approval-schema.ts';

const instant = z.iso.datetime().max(32);
const revision = z.string().max(64);
const weight = z.int().min(0).max(100);
const decisionKind = z.enum(['hold', 'advance', 'promote', 'reduce', 'zero', 'rollback']);

export const CHECK_NAMES = [
  'serviceDown',
  'errorRate',
  'latencyP95',
  'authFailureRate',
  'databaseErrors',
  'complaints',
  'dataLoss',
  'alerts',
] as const;
export type CheckName = (typeof CHECK_NAMES)[number];

export const PHASES = ['Initializing', 'Progressing', 'Promoting', 'Succeeded', 'Zeroed', 'RolledBack'] as const;
export type Phase = (typeof PHASES)[number];

export const CONDITION_TYPES = [
  'Ready',
  'Reconciling',
  'Stalled',
  'Progressing',
  'Paused',
  'Degraded',
  'MetricsAvailable',
  'RouteProgrammed',
  'Drifted',
  'CohortProgrammed',
] as const;
export type ConditionType = (typeof CONDITION_TYPES)[number];

const condition = z.strictObject({
  type: z.enum(CONDITION_TYPES),
  status: z.enum(['True', 'False', 'Unknown']),
  observedGeneration: z.int().min(0),
  lastTransitionTime: instant,
  reason: z
    .string()
    .min(1)
    .max(64)
    .regex(/^[A-Za-z]([A-Za-z0-9]*)$/),
  message: z.string().max(1_024),
});
export type Condition = z.output<typeof condition>;

const checkResult = z.strictObject({
  check: z.enum(CHECK_NAMES),
  verdict: z.enum(['pass', 'fail', 'unknown']),
  severity: z.enum(['P0', 'P1', 'P2', 'P3']).optional(),
  why: z.string().max(64).optional(),
  value: z.string().max(32).optional(),
  threshold: z.string().max(32).optional(),
  requests: z.int().min(0).optional(),
});

const role = z.enum(APPROVAL_ROLES);
const spentApproval = z.strictObject({ uid: z.string().max(64), by: z.string().max(APPROVAL_LIMITS.by), role });
export type SpentApproval = z.output<typeof spentApproval>;

const decisionRecord = z.strictObject({
  decision: decisionKind,
  reason: z.string().max(64),
  message: z.string().max(1_024),
  at: instant,
});
export type DecisionRecord = z.output<typeof decisionRecord>;

const checkpointAnswer = z.strictObject({
  name: checkpointName,
  kind: z.enum(['query', 'job', 'person']),
  answer: z.enum(['yes', 'no', 'unknown']),
  why: z.string().max(64).optional(),
  value: z.string().max(1_200).optional(),
  threshold: z.string().max(64).optional(),
  by: z.string().max(APPROVAL_LIMITS.by).optional(),
  uid: z.string().max(64).optional(),
  at: instant.optional(),
});

export const statusSchema = z.strictObject({
  observedGeneration: z.int().min(0).optional().describe('Generation of the spec that the last pass acted on.'),
  phase: z
    .enum(PHASES)
    .optional()
    .describe(
      'Where the run is. An edit or a crash between two writes leaves objects that several phases could explain.',
    ),
  revision: revision
    .optional()
    .describe('Revision of the run: tells a changed template from the one that the run is about.'),
  stableRevision: revision
    .optional()
    .describe(
      'The revision promoted last: while stable is being changed its own template names the new one, and this is the way back.',
    ),
  stepIndex: z
    .int()
    .min(0)
    .max(19)
    .optional()
    .describe('The step that was entered last; the weight alone is ambiguous after a drift or a reduction.'),
  stepStartedAt: instant
    .optional()
    .describe('When the hold of the step began; absent before the first step is entered.'),
  stepHold: z
    .string()
    .max(32)
    .optional()
    .describe('Hold of the running step: an edited schedule applies from the next step on.'),
  stepCheckEvery: z.string().max(32).optional().describe('Check interval of the running step, for the same reason.'),
  weight: weight
    .optional()
    .describe('The weight that we wrote last. A live weight that differs was written by somebody else.'),
  writtenAt: instant
    .optional()
    .describe('Time in the last route write that this status knows; a route with another one is ahead of us.'),
  nextCheckAt: instant.optional().describe('When the checks run next.'),
  lastCheck: z
    .strictObject({ at: instant, results: z.array(checkResult).max(10) })
    .optional()
    .describe('Figures of the newest checks, for people: the samples are not kept anywhere else.'),
  severity: z.enum(['P0', 'P1', 'P2', 'P3', 'None']).optional().describe('Worst severity of the newest judgement.'),
  lastDecision: decisionRecord.optional(),
  blindSince: instant
    .optional()
    .describe('Since when the checks have known nothing; survives a restart of the operator.'),
  silentSince: instant
    .optional()
    .describe('Since when no canary pod has answered the sentinel; survives a restart of the operator.'),
  approvalNeeded: z
    .strictObject({ role, stepIndex: z.int().min(0).max(19), since: instant })
    .optional()
    .describe('Who must approve before the weight may rise again.'),
  approvalsUsed: z
    .array(spentApproval)
    .max(20)
    .optional()
    .describe('RolloutApprovals already spent: each opens one way up, once.'),
  approvalsUnguardedAt: instant
    .optional()
    .describe('When a forged RolloutApproval was last not refused: those made until then never count.'),
  condemned: z
    .array(z.strictObject({ revision, reason: z.string().max(64), at: instant }))
    .max(50)
    .optional()
    .describe('Revisions that a P0 has ended; they never get traffic again.'),
  zero: z
    .strictObject({
      requestedAt: instant,
      stage: z.enum(['route', 'selector', 'replicas', 'alert']),
      provenAt: instant.optional(),
    })
    .optional()
    .describe('How far the proof has come that no request reaches the canary.'),
  drift: z
    .strictObject({ weight, kept: weight, manager: z.string().max(256), at: instant })
    .optional()
    .describe('The foreign weight that was found and the one that we kept; shown until the next advance.'),
  loweredTo: weight
    .optional()
    .describe(
      'Where spec.maxWeight lowered the weight to: the hold of its step begins anew once the ceiling lets it rise.',
    ),
  checkpoints: z
    .strictObject({
      stepIndex: z.int().min(0).max(19),
      since: instant,
      answers: z.array(checkpointAnswer).max(5),
    })
    .optional()
    .describe(
      'What is asked before the next step, and since when: a Job or an approval made before that answers nothing. The answers are for people; every pass asks again.',
    ),
  cohortRefused: z
    .strictObject({ cookie: z.string().max(64), message: z.string().max(512), at: instant })
    .optional()
    .describe(
      'What a Gateway said against the rules of this cookie: they are gone, and are not tried again until spec.cohort changes.',
    ),
  history: z.array(decisionRecord).max(10).optional(),
  conditions: z.array(condition).max(16).optional(),
});

export type Status = z.output<typeof statusSchema>;
export type ZeroStage = NonNullable<Status['zero']>['stage'];

/** Reads AuthRollout.status. A status that somebody broke is read as far as its fields are sound; never throws. */
export function parseStatus(value: unknown): Status | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const whole = statusSchema.safeParse(value);
  if (whole.success) return whole.data;
  // Every field is optional, so a field alone is sound exactly when a status of it alone is.
  const sound = Object.entries(value).filter(([key, field]) => statusSchema.safeParse({ [key]: field }).success);
  return statusSchema.safeParse(Object.fromEntries(sound)).data;
}
