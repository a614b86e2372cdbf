/**
 * The schema of AuthRollout.spec with the runbook's figures as defaults. spec.ts parses manifests with it and
 * crd/generate.ts turns it into the CRD. Rules over several fields stand in spec-rules.ts and, as CEL, in crd/rules.ts.
 */

import * as z from 'zod';
import { APPROVAL_ROLES, checkpointName } from './approval-schema.ts';
import { DURATION_PATTERN } from './duration.ts';

/** Bounds of http_request_duration_seconds in milliseconds; a latency threshold is one of them, so that it can be counted. */
export const LATENCY_BUCKETS_MS = [5, 10, 25, 50, 100, 200, 300, 500, 1_000, 2_500, 5_000, 10_000] as const;

const duration = z.string().max(12).regex(DURATION_PATTERN);
const share = z.number().min(0).max(1);
const count = z.int().min(1).max(1_000_000);
const objectName = z
  .string()
  .min(1)
  .max(63)
  .regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/);

/** More than this is a pipeline, which has a home of its own. */
const MAX_CHECKPOINTS = 5;
/** As long as an approval may count. */
export const JOB_FRESH_LIMIT = '24h';

const checkpoint = z.strictObject({
  name: checkpointName.describe('Unique in its step; an approval names it.'),
  query: z
    .strictObject({
      promql: z.string().min(1).max(1_024).describe('An instant query whose answer is one number.'),
      atLeast: z.number().optional().describe('Smaller says no.'),
      atMost: z.number().optional().describe('Greater says no.'),
    })
    .optional()
    .describe('Asked of spec.metrics.prometheus.'),
  job: z
    .strictObject({
      name: z.string().min(1).max(253).describe('A Job in the same namespace, made after status.checkpoints.since.'),
      freshFor: duration.default('1h').describe('How long its end counts; at most 24h.'),
    })
    .optional()
    .describe('Complete says yes, Failed no.'),
  person: z
    .strictObject({ role: z.enum(APPROVAL_ROLES).describe('Who may say yes or no, by a RolloutApproval.') })
    .optional(),
});

const step = z.strictObject({
  weight: z.int().min(1).max(100).describe('Percent of the traffic that the canary gets in this step.'),
  hold: duration.describe('How long the step lasts at least.'),
  checkEvery: duration.describe('How often the checks run during the step; the sentinel looks every second anyway.'),
  checkpoints: z
    .array(checkpoint)
    .max(MAX_CHECKPOINTS)
    .optional()
    .describe('Go or no-go: each must say yes before the step is entered; each is one of query, job and person.'),
});

export const targetRefSchema = z.strictObject({
  kind: z.literal('Deployment').default('Deployment'),
  name: objectName.max(56).describe('The Deployment whose changed pod template starts a rollout.'),
});

export const routeSchema = z.strictObject({
  httpRoute: z.string().min(1).max(253).describe('The HTTPRoute in the same namespace.'),
  rule: z
    .string()
    .min(1)
    .max(253)
    .describe('Name of the rule whose two backendRefs are <target>-stable and <target>-canary.'),
});

export const cohortSchema = z.strictObject({
  cookie: z
    .string()
    .min(1)
    .max(64)
    .regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/)
    .describe("Name of the cookie in which the API keeps a user's bucket, 0 to 99; COHORT_COOKIE of the API."),
});

export const metricsSchema = z.strictObject({
  prometheus: z.strictObject({
    address: z
      .string()
      .max(512)
      .regex(/^https?:\/\/.+/)
      .describe('Where the checks of a step are queried, e.g. http://prometheus.monitoring:9090.'),
  }),
  pod: z
    .strictObject({
      port: z.string().min(1).max(15).default('http').describe('Name of the container port that serves metrics.'),
      path: z.string().min(1).max(256).default('/api/metrics'),
    })
    .prefault({}),
  blindLimit: duration
    .default('5m')
    .describe(
      'After checks have known nothing for this long the weight goes one step down, and again after each such time.',
    ),
});

export const matrixSchema = z.strictObject({
  confidence: z
    .number()
    .min(0.5)
    .max(0.999999)
    .default(0.999)
    .describe('1 less this bounds how often a healthy canary is taken back in a whole rollout, however often we look.'),
  minRequests: count.default(30).describe('Fewer requests than this in the window are too little evidence to pass.'),
  serviceDown: z.strictObject({ p0: duration.default('5m') }).prefault({}),
  errorRate: z
    .strictObject({
      p0: share.default(0.05),
      p1: share.default(0.01),
      p2: share.default(0.005),
      p3: share.default(0.001),
    })
    .prefault({}),
  latencyP95: z
    .strictObject({ p1: duration.default('500ms'), p2: duration.default('300ms'), p3: duration.default('200ms') })
    .prefault({}),
  authFailureRate: z.strictObject({ p1: share.default(0.05), minLogins: count.default(10) }).prefault({}),
  databaseErrors: z.strictObject({ p1: count.default(10).describe('More than this many a minute.') }).prefault({}),
  complaints: z
    .strictObject({ p1: count.default(5), p2: count.default(3), window: duration.default('5m') })
    .prefault({}),
  dataLoss: z.strictObject({ p0: count.default(1) }).prefault({}),
});

const runbookSchedule = [
  { weight: 5, hold: '30m', checkEvery: '1m' },
  { weight: 10, hold: '30m', checkEvery: '2m' },
  { weight: 25, hold: '1h', checkEvery: '5m' },
  { weight: 50, hold: '2h', checkEvery: '10m' },
  { weight: 100, hold: '4h', checkEvery: '15m' },
];

/** AuthRollout.spec as it stands in the manifest, unknown fields refused. */
export const specSchema = z.strictObject({
  targetRef: targetRefSchema,
  route: routeSchema,
  cohort: cohortSchema
    .optional()
    .describe(
      'The same users stay on the canary while the weight grows, by a cookie; without it each request goes by chance.',
    ),
  replicas: z
    .int()
    .min(1)
    .max(10_000)
    .optional()
    .describe('Replicas of stable; without it stable keeps what the target had, and an autoscaler may own it.'),
  schedule: z
    .array(step)
    .min(1)
    .max(20)
    .default(runbookSchedule)
    .describe('Steps with strictly rising weights, the last one 100.'),
  metrics: metricsSchema,
  matrix: matrixSchema.prefault({}).describe("The runbook's decision matrix; every figure can be set."),
  zero: z
    .strictObject({
      proveWithin: duration
        .default('10s')
        .describe('How long each stage of taking the traffic away may last before the next, harder one.'),
    })
    .prefault({}),
  maxWeight: z
    .int()
    .min(0)
    .max(100)
    .optional()
    .describe(
      'Ceiling of the weight, for every revision until it is removed; lowering to it waits for nothing, 0 is an abort.',
    ),
  paused: z.boolean().default(false).describe('Holds every way up. Taking traffic away is never paused.'),
});

export type SpecManifest = z.output<typeof specSchema>;
